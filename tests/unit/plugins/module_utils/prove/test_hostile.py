# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sidecars that answer what no sidecar answers: their own routes are unknown, and all others are proven."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import OutOfBounds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.channels import Bounds
from ansible_collections.meshlb.istio.plugins.module_utils.prove.asking import Asker
from ansible_collections.meshlb.istio.plugins.module_utils.prove.counters import parse_certs, parse_clusters
from ansible_collections.meshlb.istio.plugins.module_utils.prove.proxy import (
    MOST_VALUES_OF_A_LISTENER,
    Proxy,
    ProxyDataError,
    guarded,
    load_json,
    parse_inbound,
)

from tests.unit.plugins.module_utils.prove.answering import GOOD, Sidecars, client_dump, inbound_dump, run

ODD_VALUES = (None, 5, -1, 1e400, True, "x", "", [], {}, [None], [[]], {"x": None}, "9" * 5000, "\ud800", "\0", [{"name": 5}], 10**400)
ODD_TEXTS = (
    "", "null", "5", "[]", "{}", '"x"', "[" * 100_000, '{"configs": ' + "[" * 100_000, '{"a":' * 100_000, '{"configs": null}',
    '{"configs": {}}', '{"configs": [{"dynamic_listeners": 5}]}',
    '{"configs": [{"dynamic_listeners": [null]}]}', '{"configs": [{"dynamic_listeners": [{"active_state": 5}]}]}',
    '{"configs": NaN}', "{" * 50, "\x00\x01\x02", "<html></html>",
)
EMPTY_DUMPS = ('{"configs": []}', '{"configs": [5]}', '{"configs": [null]}', '{"configs": [{"@type": 5}]}', '{"configs": [{"@type": []}]}')


class Odd(Sidecars):
    """Sidecars of which those in one namespace answer ``text`` to everything."""

    def __init__(self, text: str, namespace: str, pod: str = "") -> None:
        super().__init__()
        self.text, self.where = text, (namespace, pod)

    def __call__(self, namespace: str, pod: str, asked: str, bounds: Bounds) -> str:
        honest = super().__call__(namespace, pod, asked, bounds)
        return self.text if namespace == self.where[0] and self.where[1] in ("", pod) else honest


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_an_odd_answer_of_a_backend_makes_its_route_unknown_and_names_the_pod(text: str) -> None:
    proven, codes, messages = run(Odd(text, "apps"), GOOD)
    assert (proven[0].verdict, codes) == ("unknown", ["MLB504", "MLB502"])
    assert "apps/echo-rs-1" in messages[0]


@pytest.mark.parametrize("text", EMPTY_DUMPS)
def test_for_a_backend_without_an_inbound_listener_the_policies_speak(text: str) -> None:
    proven, codes, _messages = run(Odd(text, "apps"), GOOD)
    assert (proven[0].verdict, codes) == ("mutual_tls", [])


@pytest.mark.parametrize("text", [*ODD_TEXTS, *EMPTY_DUMPS])
def test_an_odd_answer_of_a_load_balancers_sidecar_makes_its_route_unknown(text: str) -> None:
    proven, codes, _messages = run(Odd(text, "lb"), GOOD)
    assert (proven[0].verdict, codes[-1]) == ("unknown", "MLB502")


def test_a_backend_that_answers_oddly_is_unknown_and_named() -> None:
    proven, codes, messages = run(Odd('{"configs": [{"dynamic_listeners": 5}]}', "apps"), GOOD)
    assert (proven[0].verdict, codes) == ("unknown", ["MLB504", "MLB502"])
    assert messages[0].startswith("The sidecar of apps/echo-rs-1: The proxy's answer is not of the shape that Envoy's have (TypeError")
    assert "the sidecar of apps/echo-rs-1 does not answer as a sidecar does" in messages[1]


def test_a_load_balancers_sidecar_that_answers_oddly_is_unknown_and_named() -> None:
    proven, codes, messages = run(Odd('{"configs": [{"dynamic_listeners": 5}]}', "lb", "nginx-rs-2"), GOOD)
    assert (proven[0].verdict, codes) == ("unknown", ["MLB504", "MLB502"])
    assert "The sidecar of lb/nginx-rs-2" in messages[0]


def mutations(whole: str, number: int) -> Iterator[str]:
    """The answer with one of its values replaced, somewhere."""
    for seed in range(number):
        chance = random.Random(seed)
        tree = json.loads(whole)
        node: Any = tree
        while True:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            key = chance.choice(list(keys))
            if not isinstance(node[key], (dict, list)) or not node[key] or chance.random() < 0.12:
                node[key] = chance.choice(ODD_VALUES)
                break
            node = node[key]
        yield json.dumps(tree)


@pytest.mark.parametrize(("namespace", "whole"), [("lb", client_dump()), ("apps", inbound_dump())])
def test_no_mutation_stops_a_proof(namespace: str, whole: str) -> None:
    seen = set()
    for text in mutations(whole, 400):
        proven, codes, _messages = run(Odd(text, namespace), GOOD)
        assert len(proven) == 1
        assert proven[0].verdict == "mutual_tls" or codes
        seen.add(proven[0].verdict)
    assert {"unknown", "mutual_tls"} <= seen


@pytest.mark.parametrize("parse", [parse_clusters, parse_certs, parse_inbound])
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_other_answers_are_understood_or_are_errors(parse: Any, text: str) -> None:
    try:
        with guarded("It"):
            parse(text)
    except ProxyDataError as error:
        assert len(str(error)) < 1000


def test_what_is_read_late_is_guarded_too() -> None:
    dump = client_dump().replace('"dynamic_route_configs"', '"dynamic_route_configs_"')
    table = {"name": "80", "virtual_hosts": [{"name": "x", "domains": ["*"], "routes": [{"match": 5}]}]}
    tree = json.loads(dump)
    tree["configs"].append({"dynamic_route_configs": [{"route_config": table}]})
    proven, codes, messages = run(Odd(json.dumps(tree), "lb", "nginx-rs-1"), GOOD)
    assert (proven[0].verdict, codes[0]) == ("unknown", "MLB504")
    assert "The sidecar of lb/nginx-rs-1: The configuration of the sidecar of lb/nginx-rs-1 is not of the shape" in messages[0]


def test_an_answer_of_very_many_values_is_not_read() -> None:
    many = '{"configs": [' + "{}," * MOST_VALUES_OF_A_LISTENER + "{}]}"
    with pytest.raises(ProxyDataError, match="more than"):
        parse_inbound(many)
    assert load_json(many)


def test_of_a_backend_only_the_inbound_listener_is_kept() -> None:
    proxy: Proxy = parse_inbound(inbound_dump())
    assert proxy.inbound is not None
    assert [chain.filters for chain in proxy.inbound.chains] == [()]
    assert parse_inbound('{"configs": []}').inbound is None


def test_names_of_any_length_are_shortened_in_the_evidence() -> None:
    long = client_dump().replace(f'"name": "{"echo:80"}"', json.dumps({"name": "x" * 100_000})[1:-1])
    proven, _codes, _messages = run(Odd(long, "lb"), GOOD)
    assert max(len(item.fact) for item in proven[0].evidence) < 5000


class Slow(Sidecars):
    """Sidecars of one namespace never end their answers."""

    def __init__(self, namespace: str) -> None:
        super().__init__()
        self.slow = namespace

    def __call__(self, namespace: str, pod: str, asked: str, bounds: Bounds) -> str:
        honest = super().__call__(namespace, pod, asked, bounds)
        if namespace == self.slow:
            raise OutOfBounds(f"Could not ask {pod}: it was not done within {bounds.seconds:g} seconds.")
        return honest


def test_a_namespace_pays_once_for_a_sidecar_that_never_ends() -> None:
    sidecars = Slow("lb")
    asker = Asker(sidecars, workers=1)
    pods = [("lb", f"p{number}") for number in range(50)] + [("other", "q")]
    answers = asker.configurations(pods)
    asker.counters(pods)
    assert sum(sidecars.asked[(f"lb/p{number}", "config_dump")] for number in range(50)) == 1
    assert "was not asked, as lb/p0 did not end its answer in time" in str(answers[("lb", "p9")])
    assert isinstance(answers[("other", "q")], Proxy)


def test_a_backend_that_never_ends_is_unknown_and_named() -> None:
    proven, codes, messages = run(Slow("apps"), GOOD)
    assert (proven[0].verdict, codes) == ("unknown", ["MLB504", "MLB502"])
    assert "not done within 15 seconds" in messages[0]
