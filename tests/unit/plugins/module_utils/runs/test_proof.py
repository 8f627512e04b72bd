# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How mtls_proof proves, and which routes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import replace
from ansible_collections.meshlb.istio.plugins.module_utils.prove.measuring import Load
from ansible_collections.meshlb.istio.plugins.module_utils.prove.prove import ProveOptions
from ansible_collections.meshlb.istio.plugins.module_utils.prove.sending import Entrypoint
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.proof import proof_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.proof import choose_routes, one_load_balancer

from tests.unit.plugins.module_utils.prove.small_cluster import route

DEFAULTS: dict[str, Any] = {"methods": ["configuration", "traffic"], "requests": 3, "window": 0, "ask_via": "auto", "ask_timeout": 30}
ROUTES = [route("shop.example.com"), route("shop.example.com", "/cart"), route("", "/")]


def proving(given: dict[str, Any], check_mode: bool) -> ProveOptions:
    return proof_options(given, check_mode).proving


def test_an_entrypoint_asks_for_requests() -> None:
    options = proving({**DEFAULTS, "entrypoint": "http://10.96.0.1"}, check_mode=False)
    assert options.load == Load(Entrypoint("http", "10.96.0.1", 80), 3, 0)


def test_check_mode_sends_nothing_but_may_watch() -> None:
    options = proving({**DEFAULTS, "entrypoint": "http://10.96.0.1"}, check_mode=True)
    assert (options.load, options.why_no_load) == (None, "check mode sends no requests")
    assert proving({**DEFAULTS, "window": 5}, check_mode=True).load == Load(None, 3, 5)


def test_traffic_needs_an_entrypoint_or_a_window() -> None:
    assert proving(DEFAULTS, check_mode=False).why_no_load.startswith("neither an entrypoint")


def test_how_sidecars_are_asked_is_chosen() -> None:
    assert (proof_options(DEFAULTS).via, proof_options(DEFAULTS).ask_timeout) == ("auto", 30)
    found = proof_options({**DEFAULTS, "ask_via": "exec", "ask_timeout": 90})
    assert (found.via, found.ask_timeout) == ("exec", 90)


def test_configuration_alone_measures_nothing() -> None:
    assert proving({**DEFAULTS, "methods": ["configuration"], "window": 5}, check_mode=False) == ProveOptions(("configuration",))


@pytest.mark.parametrize(
    "wrong",
    [
        {"methods": []}, {"requests": 0}, {"requests": 1001}, {"window": -1}, {"window": 3601}, {"entrypoint": "here"},
        {"ask_timeout": 0.5}, {"ask_timeout": 3601},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MeshlbError):
        proving({**DEFAULTS, **wrong}, check_mode=False)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], ROUTES),
        (["SHOP.example.com"], ROUTES[:2]),
        (["shop.example.com/cart"], ROUTES[1:2]),
        (["*"], ROUTES[2:]),
        (["*/"], ROUTES[2:]),
    ],
)
def test_routes_are_chosen_by_host_and_path(wanted: list[str], expected: list[Any]) -> None:
    assert choose_routes(ROUTES, [], wanted) == expected


def test_a_word_that_means_no_route_is_an_error() -> None:
    with pytest.raises(MeshlbError, match=r"shop\.example\.com/nosuch"):
        choose_routes(ROUTES, [], ["shop.example.com/nosuch"])


def test_namespaces_are_those_of_the_routes_objects() -> None:
    assert choose_routes(ROUTES, ["apps"], []) == ROUTES
    assert choose_routes(ROUTES, ["other"], []) == []


def test_an_entrypoint_belongs_to_one_load_balancer() -> None:
    options = proving({**DEFAULTS, "entrypoint": "http://10.96.0.1"}, check_mode=False)
    one_load_balancer(ROUTES, options)
    with pytest.raises(MeshlbError, match="lb/nginx, lb/other"):
        one_load_balancer([*ROUTES, replace(ROUTES[0], load_balancer=("lb", "other"))], options)
