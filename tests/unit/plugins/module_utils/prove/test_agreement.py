# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan and proof give one verdict, whichever source an interception setting comes from."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.outcome import predict
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.channels import Bounds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.prove.asking import Asker
from ansible_collections.meshlb.istio.plugins.module_utils.prove.prove import ProveOptions

from tests.unit.plugins.module_utils.prove import envoy
from tests.unit.plugins.module_utils.prove.answering import inbound_dump
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    ROOT,
    Obj,
    backend,
    cluster,
    ingress,
    load_balancer,
    obj,
    path,
    peer_authentication,
    pod,
    port,
    routes,
    service,
)
from tests.unit.plugins.module_utils.support.proving import prove

VIP, POD = "10.96.7.7", "10.1.1.1"
ADDRESSED = "outbound|80||shop.apps.svc.cluster.local"
TWIN = "outbound|8080||twin.apps.svc.cluster.local"
USUAL = {"m": "REDIRECT", "i": "*", "b": "*"}
STANDARD = {**USUAL, "x": "", "d": "15090,15021,15020"}


class Setting(NamedTuple):
    """One setting by its three names, and whether the connection still passes the sidecar with this value."""

    flag: str
    annotation: str
    mesh_wide: str
    value: str
    passes: bool


def settings(flag: str, annotation: str, mesh_wide: str, *values: tuple[str, bool]) -> list[Setting]:
    return [Setting(flag, annotation, mesh_wide, *value) for value in values]


MODE = ("m", "interceptionMode", "interceptionMode")
OUTBOUND = [
    *settings("x", "excludeOutboundIPRanges", "excludeIPRanges", ("10.96.0.0/12", False), ("10.97.0.0/16, fd00::/8", True)),
    *settings("i", "includeOutboundIPRanges", "includeIPRanges", ("10.1.0.0/16", False), ("", False), ("10.96.0.0/12", True), ("*", True)),
    *settings("o", "excludeOutboundPorts", "excludeOutboundPorts", ("443, 80", False), ("8080", True)),
    *settings("q", "includeOutboundPorts", "includeOutboundPorts", ("80", True)),
    *settings(*MODE, ("NONE", False), ("TPROXY", True)),
]
INBOUND = [
    *settings("d", "excludeInboundPorts", "excludeInboundPorts", ("15021,8080", False), ("80", True)),
    *settings("b", "includeInboundPorts", "includeInboundPorts", ("", False), ("80", False), ("80,8080", True), ("*", True)),
    *settings(*MODE, ("NONE", False), ("TPROXY", True)),
]
SOURCES = ("argument", "annotation", "mesh", "argument against annotation", "annotation against mesh", "mesh that came later")


def injected(item: Obj, flags: dict[str, str], *, name: str = "istio-init") -> Obj:
    """The pod with Istio's init container."""
    words = [word for flag, value in {**STANDARD, **flags}.items() for word in (f"-{flag}", value)]
    item["spec"]["initContainers"] = [{"name": name, "args": ["istio-iptables", "-p", "15001", *words]}]
    return item


def annotation(setting: Setting, value: str) -> Obj:
    prefix = "sidecar.istio.io" if setting.flag == "m" else "traffic.sidecar.istio.io"
    return {f"{prefix}/{setting.annotation}": value}


def mesh_wide(setting: Setting) -> list[Obj]:
    if setting.flag == "m":
        return [obj("v1", "ConfigMap", ROOT, "istio", data={"mesh": f"defaultConfig: {{interceptionMode: {setting.value}}}"})]
    values = {"global": {"proxy": {setting.mesh_wide: setting.value}}}
    return [obj("v1", "ConfigMap", ROOT, "istio-sidecar-injector", data={"values": json.dumps(values, indent=2)})]


def told(setting: Setting, source: str, make: Any) -> tuple[Obj, list[Obj], bool]:
    """A pod that got the setting from a source, the mesh's ConfigMaps, and whether the connection passes its sidecar."""
    plain, set_here = annotation(setting, USUAL.get(setting.flag, "")), annotation(setting, setting.value)
    match source:
        case "argument":
            return injected(make(annotations={}), {setting.flag: setting.value}), [], setting.passes
        case "annotation":
            return make(annotations=set_here), [], setting.passes
        case "mesh":
            return make(annotations={}), mesh_wide(setting), setting.passes
        case "argument against annotation":
            return injected(make(annotations=set_here), {}), [], True
        case "annotation against mesh":
            return make(annotations=plain), mesh_wide(setting), True
    return injected(make(annotations={}), {}, name="istio-validation"), mesh_wide(setting), True


def client_dump() -> str:
    listeners = [
        envoy.listener(f"{VIP}_80", VIP, 80, [envoy.tcp_chain(ADDRESSED)]),
        envoy.listener(f"{POD}_8080", POD, 8080, [envoy.tcp_chain(TWIN)]),
        envoy.outbound(),
    ]
    clusters = [
        envoy.cluster(ADDRESSED, transport_socket_matches=envoy.automatic("spiffe://cluster.local/ns/apps/sa/shop")),
        envoy.cluster(TWIN, "ORIGINAL_DST", transport_socket=envoy.mesh_tls("spiffe://cluster.local/ns/apps/sa/shop")),
    ]
    return json.dumps(envoy.dump(listeners, clusters, [], [envoy.assignment(ADDRESSED, envoy.endpoint(POD, 8080))]))


def answer(namespace: str, _pod: str, question: str, _bounds: Bounds) -> str:
    if question == "certs":
        return json.dumps({"certificates": []})
    return inbound_dump() if namespace == APPS else client_dump()


def verdicts(snapshot: Snapshot) -> tuple[str, str]:
    """What the plan predicts and what the proof finds for the one route."""
    found, (route,) = load_balancer(snapshot), routes(snapshot)
    predicted = predict(snapshot, found, route)
    (proven,), findings = prove(snapshot, [found], [route], Asker(answer), lambda _route: predicted, ProveOptions(("configuration",)))
    assert ("MLB503" in [item.code for item in findings]) is (predicted.verdict != proven.verdict)
    return predicted.verdict, proven.verdict


def balancer(**more: Any) -> Obj:
    return pod("lb", where=EDGE, ip="10.1.9.9", **more)


def shop(**more: Any) -> Obj:
    return pod("shop", ip=POD, http=8080, **more)


def by_address(*objects: Obj) -> Snapshot:
    """A route to the Service's address, under STRICT: what does not pass both sidecars is refused."""
    return cluster(
        peer_authentication(), service("shop", port("web", 80, 8080), ip=VIP),
        ingress("shop", path(backend("shop")), service_upstream="true"), *objects,
    )  # fmt: skip


def by_pods(*objects: Obj) -> Snapshot:
    """A route to the pods' addresses, which a headless Service catches."""
    twin = service("twin", port("tcp-8080", 8080, 8080), ip="None", selector={"app": "shop"})
    return cluster(peer_authentication(), service("shop", ip=VIP), twin, ingress("shop", path(backend("shop"))), *objects)


def expected(passes: bool) -> tuple[str, str]:
    return ("mutual_tls", "mutual_tls") if passes else ("refused", "refused")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("setting", OUTBOUND, ids=lambda item: f"{item.annotation}={item.value}")
def test_the_load_balancers_side(setting: Setting, source: str) -> None:
    item, config, passes = told(setting, source, balancer)
    assert verdicts(by_address(item, injected(shop(), {}), *config)) == expected(passes)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("setting", INBOUND, ids=lambda item: f"{item.annotation}={item.value}")
def test_the_backends_side(setting: Setting, source: str) -> None:
    item, config, passes = told(setting, source, shop)
    assert verdicts(by_address(injected(balancer(), {"b": ""}), item, *config)) == expected(passes)


@pytest.mark.parametrize(("flags", "passes"), [
    ({}, True), ({"i": "10.96.0.0/12"}, False), ({"x": "10.96.0.0/12"}, True), ({"x": "10.1.0.0/16"}, False), ({"o": "80"}, True),
    ({"o": "8080"}, False), ({"i": "", "q": "8080"}, True), ({"i": "", "q": "80"}, False), ({"i": "10.0.0.0/8", "x": f"{POD}/32"}, False),
    ({"q": "8080", "x": f"{POD}/32"}, False), ({"q": "8080", "o": "8080"}, False),
])  # fmt: skip
def test_pod_addresses(flags: dict[str, str], passes: bool) -> None:
    assert verdicts(by_pods(injected(balancer(), flags), injected(shop(), {}))) == expected(passes)
