# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections of a pod pass its sidecar, and which source says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.interception import Interception
from ansible_collections.meshlb.istio.plugins.module_utils.istio.endpoints import pods_selected, view_of
from ansible_collections.meshlb.istio.plugins.module_utils.istio.interception import interception_of, mesh_defaults
from ansible_collections.meshlb.istio.plugins.module_utils.istio.mesh import interception_defaults
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    LIVE,
    ROOT,
    Obj,
    config_map,
    container,
    load_balancer,
    mesh_config,
    namespace,
    nginx,
    obj,
    pod,
    workload,
)

PREFIX = "traffic.sidecar.istio.io/"
IN, OUT = f"{PREFIX}includeInboundPorts", f"{PREFIX}excludeInboundPorts"


def injected(item: Obj, name: str = "istio-init", **flags: str) -> Obj:
    given = {"m": "REDIRECT", "i": "*", "x": "", "b": "*", "d": "15090,15021", **flags}
    words = [word for flag, value in given.items() for word in (f"-{flag}", value)]
    spec = {**item["spec"], "initContainers": [container(name, args=["istio-iptables", *words])]}
    return {**item, "spec": spec}


def read(item: Obj, **defaults: str) -> Interception:
    return interception_of(item, Interception(**defaults))


@pytest.mark.parametrize(
    ("flags", "taken", "why"),
    [
        ({}, True, ""),
        ({"o": "8080"}, False, "excludeOutboundPorts holds 8080"),
        ({"x": "10.96.0.0/12"}, False, "excludeOutboundIPRanges covers 10.96.0.5"),
        ({"x": "nonsense"}, True, ""),
        ({"i": "10.1.0.0/16"}, False, "includeOutboundIPRanges ('10.1.0.0/16') does not cover 10.96.0.5"),
        ({"i": "fd00::/8,10.96.0.0/12"}, True, ""),
        ({"i": "", "q": "8080"}, True, ""),
        ({"i": "", "q": "8080", "x": "10.96.0.5/32"}, False, "excludeOutboundIPRanges covers 10.96.0.5"),
        ({"i": ""}, False, "includeOutboundIPRanges ('') does not cover 10.96.0.5"),
        ({"m": "NONE"}, False, "interceptionMode is NONE"),
    ],
)
def test_outbound_rules_come_from_the_init_container(flags: dict[str, str], taken: bool, why: str) -> None:
    annotations = {f"{PREFIX}excludeOutboundPorts": "ignored: the init container's arguments are what counts"}
    assert read(injected(pod("shop", annotations=annotations), **flags)).takes_outbound("10.96.0.5", 8080) == (taken, why)


@pytest.mark.parametrize(
    ("defaults", "taken", "why"),
    [
        ({}, True, ""),
        ({"include_outbound_ranges": "10.1.0.0/16"}, None, "whether includeOutboundIPRanges ('10.1.0.0/16') covers it is not known"),
        ({"exclude_outbound_ranges": "10.1.0.0/16"}, None, "whether excludeOutboundIPRanges ('10.1.0.0/16') covers it is not known"),
        ({"exclude_outbound_ranges": "10.1.0.1/32"}, True, ""),
        ({"include_outbound_ranges": "10.1.0.0/16", "include_outbound_ports": "8080"}, True, ""),
        ({"include_outbound_ranges": ""}, False, "includeOutboundIPRanges is empty"),
        ({"include_outbound_ranges": "", "include_outbound_ports": "8080"}, True, ""),
        ({"exclude_outbound_ports": "8080"}, False, "excludeOutboundPorts holds 8080"),
    ],
)
def test_without_addresses_ranges_are_not_compared(defaults: dict[str, str], taken: bool | None, why: str) -> None:
    said = read(pod("shop"), **defaults).takes_outbound("", 8080)
    assert said[0] is taken and said[1].startswith(why) and bool(said[1]) == bool(why)


def test_annotations_count_where_there_is_no_init_container() -> None:
    item = pod("shop", annotations={f"{PREFIX}excludeOutboundPorts": "8080, 9090"})
    assert not read(item).takes_outbound("10.96.0.5", 9090)[0]
    assert read(item).takes_outbound("10.96.0.5", 80)[0]


def test_inbound_rules_come_from_the_init_container() -> None:
    assert not read(injected(pod("shop"), b="")).takes_inbound(8080)
    assert not read(injected(pod("shop"), m="NONE")).takes_inbound(8080)
    assert read(injected(pod("shop"))).takes_inbound(8080)
    assert not read(injected(pod("shop"))).takes_inbound(15090)


@pytest.mark.parametrize("name", ["istio-init", "istio-validation"])
def test_what_changed_after_the_injection_does_not_count(name: str) -> None:
    item = injected(pod("shop", annotations={f"{PREFIX}excludeOutboundPorts": "8080", OUT: "8080"}), name)
    assert read(item, exclude_outbound_ports="8080") == read(injected(pod("shop")))


def test_istio_validation_may_have_no_arguments() -> None:
    item = pod("shop", annotations={OUT: "8080"})
    item["spec"]["initContainers"] = [container("istio-validation"), container("migrate", args=["-d", "9090"])]
    assert not read(item).takes_inbound(8080)
    assert read(item).takes_inbound(9090)


def test_the_program_may_be_the_command() -> None:
    item = pod("shop")
    item["spec"]["initContainers"] = [container("istio-init", command=["/usr/local/bin/istio-iptables"], args=["-d", "8080"])]
    assert not read(item).takes_inbound(8080)


@pytest.mark.parametrize(
    ("annotations", "capture", "takes"),
    [
        ({}, "all", True), ({IN: "*"}, "all", True), ({IN: ""}, "none", False), ({IN: "80"}, "some", False),
        ({IN: "80, 8080"}, "some", True),
        ({OUT: "8080"}, "some", False), ({OUT: "80"}, "some", True), ({OUT: ""}, "all", True), ({IN: "*", OUT: "8080"}, "some", False),
        ({IN: "", OUT: "80"}, "none", False), ({IN: "8080", OUT: "8080"}, "some", True),
        ({OUT: "15020"}, "all", True), ({"sidecar.istio.io/interceptionMode": "NONE"}, "none", False),
    ],
)  # fmt: skip
def test_what_is_taken_of_inbound_traffic(annotations: dict[str, str], capture: str, takes: bool) -> None:
    view = view_of(pod("shop", annotations=annotations), Interception())
    assert (view.interception.inbound_capture, view.captures(8080)) == (capture, takes)
    assert not view_of(pod("shop", sidecar=False, annotations=annotations), Interception()).captures(8080)


@pytest.mark.parametrize(
    ("annotations", "capture"),
    [({}, "none"), ({IN: "*"}, "some"), ({IN: "*", OUT: ""}, "all")],
)
def test_an_annotation_beats_a_mesh_wide_setting(annotations: dict[str, str], capture: str) -> None:
    item = pod("shop", annotations=annotations)
    assert read(item, include_inbound_ports="", exclude_inbound_ports="9090").inbound_capture == capture


def test_proxies_leave_their_own_ports_out() -> None:
    assert [number for number in (8080, 15008, 15020, 15021, 15090) if read(pod("shop")).takes_inbound(number)] == [8080]
    assert read(pod("shop", annotations={IN: "15021"})).takes_inbound(15021)


def test_a_port_may_be_written_as_a_number() -> None:
    values = {"global": {"proxy": {"excludeInboundPorts": 8080, "includeIPRanges": None}}}
    assert mesh_defaults(values, {}) == Interception(exclude_inbound_ports="8080")
    assert not read(pod("shop", annotations={OUT: 8080})).takes_inbound(8080)


OWN = ((f"{PREFIX}excludeOutboundPorts", "18000"),)
GAPS: dict[str, tuple[dict[str, str], dict[str, str], list[str]]] = {
    "nothing": ({}, {}, []),
    "an annotation": ({"excludeOutboundPorts": "25"}, {}, [f'is annotated {PREFIX}excludeOutboundPorts: "25"']),
    "what the load balancer needs": ({"excludeOutboundPorts": "18000"}, {}, []),
    "mesh-wide": ({}, {"exclude_outbound_ranges": "10.0.0.0/8"}, ['has the mesh-wide setting excludeOutboundIPRanges: "10.0.0.0/8"']),
    "one address": ({"excludeOutboundIPRanges": "10.96.0.1/32"}, {}, []),
    "no ranges": ({"includeOutboundIPRanges": ""}, {}, [f'is annotated {PREFIX}includeOutboundIPRanges: ""']),
    "an annotation that gives back": ({"excludeOutboundIPRanges": ""}, {"exclude_outbound_ranges": "10.0.0.0/8"}, []),
    "no interception": ({}, {"mode": "NONE"}, ['has the mesh-wide setting interceptionMode: "NONE"']),
    "several": (
        {"excludeOutboundPorts": "25"}, {"include_outbound_ranges": "10.0.0.0/8"},
        ['has the mesh-wide setting includeOutboundIPRanges: "10.0.0.0/8"', f'is annotated {PREFIX}excludeOutboundPorts: "25"'],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("annotations", "defaults", "gaps"), GAPS.values(), ids=GAPS)
def test_what_keeps_outbound_traffic_away(annotations: dict[str, str], defaults: dict[str, str], gaps: list[str]) -> None:
    item = pod("lb", annotations={PREFIX + key: value for key, value in annotations.items()})
    assert list(read(item, **defaults).outbound_gaps(OWN)) == gaps


def test_an_argument_is_named_after_where_it_came_from() -> None:
    item = pod("lb", annotations={f"{PREFIX}excludeOutboundPorts": "25"})
    assert read(injected(item, o="25")).outbound_gaps() == (f'is annotated {PREFIX}excludeOutboundPorts: "25"',)
    assert read(injected(item, o="26")).outbound_gaps() == ('has the mesh-wide setting excludeOutboundPorts: "26"',)


def injector(values: Any, name: str = "istio-sidecar-injector", where: str = ROOT) -> Obj:
    return config_map(name, where, values=json.dumps({"global": {"proxy": values}}, indent=2))


def test_defaults_of_the_mesh() -> None:
    values = {"includeIPRanges": "10.96.0.0/12", "excludeInboundPorts": "8080", "includeOutboundPorts": "443", "statusPort": 15020}
    snapshot = Snapshot([injector(values), mesh_config("defaultConfig: {interceptionMode: TPROXY}")], LIVE)
    assert interception_defaults(snapshot) == Interception(
        mode="TPROXY", include_outbound_ranges="10.96.0.0/12", exclude_inbound_ports="8080", include_outbound_ports="443"
    )
    assert interception_defaults(Snapshot([], LIVE)) == Interception()


def test_a_revision_has_defaults_of_its_own() -> None:
    made = container("discovery", image="docker.io/istio/pilot:1.31.1", args=["discovery"])
    istiod = workload("istiod-canary", where="cp", containers=[made], labels={"istio.io/rev": "canary"})
    own = injector({"excludeInboundPorts": "1"}, "istio-sidecar-injector-canary", "cp")
    found = interception_defaults(Snapshot([istiod, injector({"excludeInboundPorts": "2"}), own], LIVE))
    assert found.exclude_inbound_ports == "1"


def test_predicted_pods_get_the_defaults() -> None:
    enabled = namespace(APPS, istio_injection="enabled")
    plain = Snapshot([enabled, workload("shop")])
    assert pods_selected(plain, APPS, {"app": "shop"})[0].captures(8080)
    (made,) = pods_selected(plain.overlay([injector({"excludeInboundPorts": "8080"})]), APPS, {"app": "shop"})
    assert not made.captures(8080)


def test_a_load_balancer_keeps_what_its_init_container_says() -> None:
    objects = [nginx(), obj("v1", "Namespace", "", "edge"), injected(pod("lb", where="edge"), x="10.96.0.0/12", b="")]
    found = load_balancer(Snapshot([*objects, injector({"includeInboundPorts": "80"})], LIVE))
    assert found.interception.exclude_outbound_ranges == "10.96.0.0/12"
    assert found.sidecar.to_result() == {"injected": True, "inbound_capture": "none"}
