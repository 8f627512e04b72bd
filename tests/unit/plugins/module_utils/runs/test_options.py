# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a module's parameters to its options: the defaults, and each error. No cluster is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import replace
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain.options import GatewayOptions
from ansible_collections.meshlb.istio.plugins.module_utils.plan.pins import PINNABLE
from ansible_collections.meshlb.istio.plugins.module_utils.prove.measuring import Load
from ansible_collections.meshlb.istio.plugins.module_utils.prove.prove import ProveOptions as Proving
from ansible_collections.meshlb.istio.plugins.module_utils.runs.arguments import argument_spec
from ansible_collections.meshlb.istio.plugins.module_utils.runs.chained_arguments import chain_spec
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.chained import (
    AskedHost,
    AskedHosts,
    AskedPath,
    ChainedOptions,
    chained_options,
)
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.common import CommonOptions, common_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.info import InfoOptions, info_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.proof import ProofOptions, proof_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import RoutingOptions, routing_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.sidecar import SidecarOptions, sidecar_options

Params = dict[str, Any]
Parse = Callable[..., Any]

NOTHING = dict.fromkeys(argument_spec("manifests", "output_dir", "namespaces", "load_balancers", "custom_profiles", **chain_spec()))
"""What a module gets for options that nobody gave and that have no default."""
INFO: Params = {**NOTHING, "workers": 8}
ROUTING: Params = {
    **INFO, "state": "present", "label_selector": "", "strategy": "auto", "strict_exemption": False, "preserve_host": True,
    "pinnable_strategies": list(PINNABLE), "harmless_pods": [],
}
SIDECAR: Params = {
    **NOTHING, "state": "present", "load_balancer": {"namespace": "edge", "name": "lb"}, "inbound_capture": "none", "wait": True,
    "wait_timeout": 300, "on_failed_rollout": "restore",
}
PROOF: Params = {
    **INFO, "routes": None, "methods": ["configuration", "traffic"], "entrypoint": None, "requests": 3, "window": 0.0, "ask_via": "auto",
    "ask_timeout": 30,
}
CHAINED: Params = {
    **INFO, "state": "present", "load_balancer": None, "platform": None, "hosts": None, "https_redirect": False, "route_backend": "auto",
    "platform_options": None, "wait": True, "wait_timeout": 300, "drain": 10, "expected_objects": None,
}
COMMON = CommonOptions(connection=dict.fromkeys(argument_spec()))
IDLE = Proving(why_no_load="neither an entrypoint to send requests to nor a window to watch was given")


@pytest.mark.parametrize(
    ("parse", "params", "expected"),
    [
        (common_options, INFO, COMMON),
        (info_options, INFO, InfoOptions(COMMON)),
        (routing_options, ROUTING, RoutingOptions(COMMON)),
        (sidecar_options, SIDECAR, SidecarOptions(("edge", "lb"), COMMON)),
        (proof_options, PROOF, ProofOptions(COMMON, proving=IDLE)),
        (chained_options, CHAINED, ChainedOptions(COMMON)),
    ],
)
def test_defaults(parse: Parse, params: Params, expected: Any) -> None:
    assert parse(params) == expected


@pytest.mark.parametrize(
    ("parse", "params"),
    [(info_options, INFO), (routing_options, ROUTING), (sidecar_options, SIDECAR), (proof_options, PROOF), (chained_options, CHAINED)],
)
def test_shared_options_are_the_same_everywhere(parse: Parse, params: Params) -> None:
    given = {"kubeconfig": "k", "api_key": "hidden", "manifests": ["in"], "output_dir": "out", "workers": 3}
    common = parse({**params, **given}, True, True).common
    assert common == replace(
        COMMON, connection={**COMMON.connection, "kubeconfig": "k", "api_key": "hidden"}, manifests=("in",), output_dir="out", workers=3,
        check_mode=True, diff=True,
    )
    assert "hidden" not in repr(common)


@pytest.mark.parametrize(
    ("parse", "params"),
    [(info_options, INFO), (routing_options, ROUTING), (sidecar_options, SIDECAR), (proof_options, PROOF), (chained_options, CHAINED)],
)
def test_shared_options_are_checked_everywhere(parse: Parse, params: Params) -> None:
    for workers in (-1, 101):
        with pytest.raises(MeshlbError, match=f"workers is {workers}") as caught:
            parse({**params, "workers": workers})
        assert caught.value.hint == "Choose a number from 1 to 100."
        # Manifests are read without them.
        assert parse({**params, "workers": workers, "manifests": ["in"]}).common.manifests == ("in",)
    with pytest.raises(MeshlbError, match=r"custom_profiles\[1\]"):
        parse({**params, "workers": 101, "custom_profiles": [{"id": "x"}]})


def test_what_was_asked_for() -> None:
    assert info_options({**INFO, "namespaces": ["a"]}).namespaces == ("a",)
    lists = {"load_balancers": ["lb"], "namespaces": ["a"]}
    routing = routing_options({
        **ROUTING, **lists, "label_selector": "a=b", "strategy": "host_entry", "preserve_host": False, "strict_exemption": True,
        "state": "absent",
    })
    assert routing == RoutingOptions(COMMON, ("lb",), ("a",), "a=b", "host_entry", False, True, "absent")
    sidecar = sidecar_options({**SIDECAR, "state": "absent", "inbound_capture": "all", "wait": False, "wait_timeout": 5})
    assert sidecar == SidecarOptions(("edge", "lb"), COMMON, "absent", "all", False, 5.0) and sidecar.label == "edge/lb"
    proof = proof_options({**PROOF, **lists, "routes": ["h"], "window": 2})
    assert proof == ProofOptions(COMMON, ("lb",), ("a",), ("h",), Proving(load=Load(None, 3, 2.0)))


@pytest.mark.parametrize("text", ["a b", "", " , "])
def test_selectors_of_harmless_pods_are_checked_at_once(text: str) -> None:
    with pytest.raises(MeshlbError, match="harmless_pods has"):
        routing_options({**ROUTING, "harmless_pods": ["app=a", text]})


def test_pods_are_harmless_by_any_of_the_selectors() -> None:
    options = routing_options({**ROUTING, "harmless_pods": ["app=a", "app in (b, c)"]})
    pods = [{"metadata": {"labels": {"app": word}}} for word in "abcd"]
    assert [options.is_harmless(item) for item in pods] == [True, True, True, False]


def test_a_label_selector_is_checked_at_once() -> None:
    with pytest.raises(MeshlbError, match="label_selector has 'a b'"):
        routing_options({**ROUTING, "label_selector": "a b"})


BACKEND = {"namespace": "apps", "service": "shop", "port": "080"}
NEW = {"host": "Shop.example.com", "paths": [{"path": "/cart", "path_type": "Exact", "backend": BACKEND}]}


def test_what_was_asked_for_of_a_chain() -> None:
    found = chained_options({
        **CHAINED, "load_balancer": {"namespace": "edge", "name": "lb"}, "platform": "gke_neg", "platform_options": {"a": 1},
        "gateway": {"name": "gw", "selector": {"b": 2, "a": 1}, "tls": {"mode": "simple", "credential_name": "c", "host": "h"}},
        "hosts": [NEW], "client_address": {"mode": "none", "trusted_hops": 0}, "https_redirect": True, "route_backend": "name",
        "wait": False, "wait_timeout": 1, "drain": 0,
    })
    path = AskedPath("hosts[0].paths[0]", "exact", "/cart", "apps", "shop", "080")
    assert found == ChainedOptions(
        COMMON, "present", ("edge", "lb"), "gke_neg", {"a": 1},
        GatewayOptions("gw", selector=(("a", "1"), ("b", "2")), tls=True, credential="c", server_name="h"), True,
        AskedHosts(new=(AskedHost("shop.example.com", (path,)),)), "none", 0, True, "name", False, 1.0, 0.0,
    )


@pytest.mark.parametrize(
    ("hosts", "expected", "whole"),
    [
        (None, AskedHosts(), True),
        ([], AskedHosts(), True),
        ("from_load_balancer", AskedHosts(carry=True), False),
        (["a", "b"], AskedHosts(carry=True, only=frozenset("ab")), False),
        ([{"host": "*", "paths": NEW["paths"]}], None, False),
    ],
)
def test_hosts_in_each_form(hosts: Any, expected: AskedHosts | None, whole: bool) -> None:
    found = chained_options({**CHAINED, "hosts": hosts}).hosts
    assert found == expected if expected is not None else [item.host for item in found.new] == [""]
    assert bool(found) is not whole
    assert chained_options({**CHAINED, "hosts": hosts, "state": "absent"}).takes_all_back is whole


def test_objects_are_expected_in_check_mode_only() -> None:
    thing = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "gw"}}
    assert chained_options({**CHAINED, "expected_objects": [thing]}, check_mode=True).expected == (thing,)
    assert chained_options({**CHAINED, "expected_objects": [thing]}).expected == ()


WRONG: dict[str, tuple[Params, str, str]] = {
    "a negative drain": ({"drain": -1}, "drain is -1.", "Give a number of seconds, 0 for none."),
    "a negative timeout": ({"wait_timeout": -1}, "wait_timeout is -1.", "Give a number of seconds, 0 for none."),
    "negative hops": ({"client_address": {"trusted_hops": -1}},
                      "client_address.trusted_hops is -1.", "Give a number of entries, 0 for none."),
    "a word": ({"hosts": "all"}, "hosts is 'all'.", "Write from_load_balancer, or a list."),
    "no list": ({"hosts": {"host": "a"}}, "hosts is no list.",
                "Write from_load_balancer, or a list of names or of hosts with their paths."),
    "a mixture": ({"hosts": ["a", NEW]}, "hosts mixes names and hosts with paths.", "Write all of them in one way."),
    "a host twice": ({"hosts": [NEW, NEW]}, "hosts[1] is shop.example.com once more.", "Write all paths of a host in one place."),
    "any host twice": ({"hosts": [{**NEW, "host": ""}, {**NEW, "host": "*"}]}, "hosts[1] is any host once more.",
                       "Write all paths of a host in one place."),
    "an unknown key": ({"hosts": [{**NEW, "port": 1}]}, "hosts[0] has port.",
                       "A host has host (empty for any) and paths, each with path, path_type and backend."),
    "no paths": ({"hosts": [NEW, {"host": "a"}]}, "hosts[1] has no paths.",
                 "A host has host (empty for any) and paths, each with path, path_type and backend."),
    "no backend": ({"hosts": [{"host": "a", "paths": [*NEW["paths"], {"path": "/"}]}]}, "hosts[0].paths[1] has no backend.",
                   "A path needs backend with namespace, service and port."),
    "a wrong path": ({"hosts": [{"paths": [{"path": "cart", "backend": BACKEND}]}]}, "hosts[0].paths[0] has path 'cart' of type 'Prefix'.",
                     "A path begins with /, and its type is Exact or Prefix."),
    "a wrong type": ({"hosts": [{"paths": [{"path_type": "Regex", "backend": BACKEND}]}]},
                     "hosts[0].paths[0] has path '/' of type 'Regex'.", "A path begins with /, and its type is Exact or Prefix."),
    "a certificate without TLS": ({"gateway": {"tls": {"credential_name": "c"}}},
                                  "gateway.tls has a credential or a host, and its mode is none.",
                                  "Set gateway.tls.mode to simple, or leave them out."),
    "Istio's Gateway made": ({"gateway": {"create": True}}, "gateway.create makes a Gateway of the Gateway API, and gateway.api is istio.",
                             "Set gateway.api to gateway_api, or have the role istio_chained install Istio's gateway chart."),
}  # fmt: skip


@pytest.mark.parametrize(("given", "message", "hint"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_of_a_chain(given: Params, message: str, hint: str) -> None:
    with pytest.raises(MeshlbError) as caught:
        chained_options({**CHAINED, **given})
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_whoever_takes_everything_back_says_nothing_about_requests() -> None:
    given = {**CHAINED, "state": "absent", "hosts": {}, "client_address": {"trusted_hops": -1}}
    assert chained_options(given).takes_all_back
