# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revisions: which settings and objects hold for a load balancer; which namespaces istiod looks at; what a Sidecar lets in by port."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.blockers import injection_blockers
from ansible_collections.meshlb.istio.plugins.module_utils.istio.mesh import interception_defaults, mesh_config, read_mesh
from ansible_collections.meshlb.istio.plugins.module_utils.istio.revisions import revision_of
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    INJECTOR,
    ROOT,
    Obj,
    authorization_policy,
    backend,
    config_map,
    container,
    destination_rule,
    edge,
    ingress,
    live,
    namespace,
    outcome,
    path,
    peer_authentication,
    pod,
    port,
    service,
    sidecar,
    to,
    virtual_service,
    workload,
)
from tests.unit.plugins.module_utils.support.planning import run

FQDN = "shop.apps.svc.cluster.local"


def istiod(
    revision: str = "default", *, where: str = ROOT, env: list[Obj] | None = None, mesh: str = "", version: str = "1.31.0"
) -> list[Obj]:
    ending = "" if revision == "default" else f"-{revision}"
    made = container("discovery", image=f"docker.io/istio/pilot:{version}", args=["discovery"])
    labels = {"istio.io/rev": revision, "app": "istiod"}
    program = workload(f"istiod{ending}", where=where, containers=[{**made, "env": env or []}], labels=labels)
    return [program, config_map(f"istio{ending}", where, mesh=mesh or "{}")]


def shop(name: str = "web", number: int = 80, **annotations: str) -> list[Obj]:
    noted = annotations or {"service_upstream": "true"}
    return [service("shop", port(name, number)), pod("shop", http=8080), ingress("shop", path(backend("shop", number)), **noted)]


TWO = [*istiod(mesh="outboundTrafficPolicy: {mode: REGISTRY_ONLY}"), *istiod("canary", mesh="enableAutoMtls: false")]


def of_revision(label: str) -> list[Obj]:
    """The load balancer's namespace asks for a revision."""
    return [*(item for item in edge() if item["kind"] != "Namespace"), namespace(APPS), namespace(EDGE, **{"istio.io/rev": label})]


def test_the_settings_of_the_load_balancers_revision_hold() -> None:
    assert outcome(live(*of_revision("default"), *TWO, *shop())).verdict == "mutual_tls"
    assert outcome(live(*of_revision("canary"), *TWO, *shop())).verdict == "plaintext"


def test_an_entry_pins_identities_of_the_trust_domain_of_the_load_balancers_revision() -> None:
    two = [*istiod(), *istiod("canary", mesh="trustDomain: td.example")]
    done = run(live(*of_revision("canary"), *two, *shop("http")), "host_entry")
    assert done.body("DestinationRule")["spec"]["trafficPolicy"]["tls"]["subjectAltNames"] == ["spiffe://td.example/ns/apps/sa/shop"]
    assert done.verdicts == {"mutual_tls"}


def test_a_tag_is_resolved_by_its_webhook() -> None:
    tag = {**INJECTOR, "metadata": {"name": "tag", "labels": {"istio.io/tag": "prod", "istio.io/rev": "canary"}}}
    assert outcome(live(tag, *of_revision("prod"), *TWO, *shop())).verdict == "plaintext"


def test_what_injected_pods_say_counts_before_what_the_namespace_asks() -> None:
    seen = pod("lb", where=EDGE, annotations={"sidecar.istio.io/status": '{"revision": "canary"}'})
    assert revision_of(Snapshot(TWO), {"istio-injection": "enabled"}, {}, [seen]) == "canary"
    assert revision_of(Snapshot(TWO), {"istio-injection": "enabled"}, {}, []) == "default"
    broken = pod("lb", where=EDGE, annotations={"sidecar.istio.io/status": "[]"})
    assert revision_of(Snapshot(TWO), {"istio.io/rev": "gone"}, {}, [broken]) == ""


def test_objects_of_another_revision_are_left_out() -> None:
    def labelled(item: Obj, revision: str) -> Obj:
        return {**item, "metadata": {**item["metadata"], "labels": {"istio.io/rev": revision}}}

    base = [*of_revision("default"), *istiod(), *istiod("canary"), *shop()]
    off, away = destination_rule("shop", "DISABLE"), virtual_service(FQDN, http=[to("gone.apps.svc.cluster.local")])
    assert outcome(live(*base, labelled(off, "default"))).verdict == "plaintext"
    assert outcome(live(*base, labelled(off, "canary"), labelled(away, "canary"))).verdict == "mutual_tls"


def test_shared_settings_are_below_istiods_own() -> None:
    env = [{"name": "SHARED_MESH_CONFIG", "value": "shared"}]
    own = istiod("asm", where="managed", env=env, mesh="trustDomain: own\ndefaultConfig: {interceptionMode: TPROXY}")
    text = "trustDomain: theirs\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\ndefaultConfig: {gatewayTopology: {numTrustedProxies: 1}}"
    snapshot = Snapshot([*own, config_map("shared", "managed", mesh=text)])
    mesh = read_mesh(snapshot)
    assert (mesh.trust_domain, mesh.outbound_traffic_policy) == ("own", "REGISTRY_ONLY")
    assert set(mesh_config(snapshot)["defaultConfig"]) == {"interceptionMode", "gatewayTopology"}
    assert interception_defaults(snapshot, "asm").mode == "TPROXY"


@pytest.mark.parametrize("env", [[], [{"name": "INJECT_ENABLED", "value": "false"}]])
def test_a_pilot_inside_of_another_product_is_not_the_meshs(env: list[Obj]) -> None:
    pilot = {**container("discovery", image="example.com/other/pilot:2.1", args=["discovery"]), "env": env}
    beside = [] if env else [container("core", image="example.com/other/core:2.1")]
    made = workload("other-controller", where="other", containers=[*beside, pilot])
    assert read_mesh(Snapshot([made])).versions == ()
    mirrored = workload("pilot", containers=[container("discovery", image="mirror/pilot:1.30.1")])
    assert read_mesh(Snapshot([mirrored])).versions == ("1.30.1",)


BY_NAME = "{matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [edge]}]}"
SELECTED = istiod(mesh=f"discoverySelectors: [{{matchLabels: {{mesh: 'in'}}}}, {BY_NAME}]")


def test_a_namespace_that_istiod_does_not_look_at_has_no_services() -> None:
    base = [*edge(), *SELECTED, *shop()]
    assert outcome(live(*base)).verdict == "plaintext"
    assert outcome(live(*base, namespace(APPS, mesh="in"))).verdict == "mutual_tls"
    assert outcome(live(*base, namespace(APPS, mesh="in"), peer_authentication("DISABLE", where=APPS))).verdict == "plaintext"


def test_a_namespace_that_istiod_does_not_look_at_has_no_policies() -> None:
    base = [*edge(), *SELECTED, *shop("tcp"), authorization_policy("nobody")]
    assert outcome(live(*base)).access.decision == "allowed"
    assert outcome(live(*base, namespace(APPS, mesh="in"))).access.decision == "denied"


def test_a_namespace_that_istiod_does_not_look_at_has_no_ports_that_are_declared() -> None:
    by_path = authorization_policy("ways", {"to": [{"operation": {"paths": ["/a"]}}]}, where=ROOT)
    base = [*edge(), *SELECTED, *shop("tcp", service_upstream="true"), by_path]
    assert outcome(live(*base)).access.decision == "conditional"
    assert outcome(live(*base, namespace(APPS, mesh="in"))).access.decision == "denied"


def test_a_load_balancer_that_istiod_does_not_look_at_gets_no_root_certificate() -> None:
    snapshot = live(*edge(), *istiod(mesh="discoverySelectors: [{matchLabels: {mesh: 'in'}}]"))
    (said,) = injection_blockers(snapshot, EDGE, {})
    assert "discoverySelectors" in said and "istio-ca-root-cert" in said
    assert not list(injection_blockers(live(*edge(), *SELECTED), EDGE, {}))


def egress(*listeners: Any) -> Obj:
    ports = ({"port": {"number": number, "protocol": protocol}} if number else {} for number, protocol, dummy in listeners)
    return sidecar(egress=[{"hosts": list(hosts), **own} for (dummy, dummy, hosts), own in zip(listeners, ports, strict=True)])


SIDECARS: dict[str, tuple[list[Obj], Obj, str]] = {
    "the port": (shop(), egress((80, "", ["apps/*"])), "mutual_tls"),
    "another port": (shop(), egress((81, "HTTP", ["apps/*"])), "plaintext"),
    "another port, and all others": (shop(), egress((81, "HTTP", ["apps/*"]), (0, "", ["*/*"])), "mutual_tls"),
    "the port for other hosts, and all others": (shop(), egress((80, "TCP", ["other/*"]), (0, "", ["*/*"])), "refused"),
    "tcp: the port for other hosts, and all others": (shop("tcp"), egress((80, "HTTP", ["other/*"]), (0, "", ["*/*"])), "mutual_tls"),
    "the port as HTTP for all hosts, and all others": (shop(), egress((80, "HTTP", ["*/*"]), (0, "", ["*/*"])), "mutual_tls"),
    "http: the port as TCP for other hosts": (
        shop("http", service_upstream="true", upstream_vhost=FQDN), egress((80, "TCP", ["other/*"]), (0, "", ["*/*"])), "plaintext"),
    "http: the port as TCP": (shop("http"), egress((80, "TCP", ["*/*"])), "mutual_tls"),
    "http: the port for other hosts takes no more": (
        shop("http", service_upstream="true", upstream_vhost=FQDN), egress((80, "HTTP", ["other/*"]), (0, "", ["*/*"])), "plaintext"),
    "http: all others": (
        shop("http", service_upstream="true", upstream_vhost=FQDN), egress((81, "HTTP", ["*/*"]), (0, "", ["*/*"])), "mutual_tls"),
    "the listener says what protocol it is": (shop(), egress((80, "HTTP", ["apps/*"])), "plaintext"),
    "left out by name": (shop(), egress((0, "", ["*/*", f"~apps/{FQDN}"])), "plaintext"),
    "left out by namespace": (shop(), egress((0, "", ["*/*", "~apps/*"])), "plaintext"),
    "another left out": (shop(), egress((0, "", ["*/*", "~apps/x.apps.svc.cluster.local"])), "mutual_tls"),
    "nothing at all": (shop(), egress((0, "", ["~/*"])), "plaintext"),
}  # fmt: skip


def headless(name: str) -> list[Obj]:
    return [service("shop", port(name, 8080, 8080), ip="None"), pod("shop", http=8080), ingress("shop", path(backend("shop", 8080)))]


NEIGHBOUR = [service("nb", port("http", 8080, 8080), where="other", ip="None"), pod("nb", where="other")]


SIDECARS.update({
    "headless pods on the port": (headless("web"), egress((8080, "HTTP", ["apps/*"])), "plaintext"),
    "headless pods on another port": (
        headless("web"), egress((81, "HTTP", ["apps/*"]), (0, "", ["*/*"])), "mutual_tls"),
    "headless pods on the port, as TCP": (headless("http"), egress((8080, "TCP", ["apps/*"])), "mutual_tls"),
    "headless pods on the port for other hosts, and all others": (
        headless("web"), egress((8080, "TCP", ["other/*"]), (0, "", ["*/*"])), "refused"),
    "a headless Service of others gets all that is sent to the port": (
        [*headless("http"), *NEIGHBOUR], egress((8080, "TCP", ["other/*"])), "refused"),
})  # fmt: skip


@pytest.mark.parametrize(("objects", "scope", "verdict"), SIDECARS.values(), ids=SIDECARS)
def test_what_a_sidecar_lets_in(objects: list[Obj], scope: Obj, verdict: str) -> None:
    assert outcome(live(*edge(), *istiod(), *objects, scope)).verdict == verdict


def test_older_versions_know_no_host_that_is_left_out() -> None:
    scope = egress((0, "", ["*/*", f"~apps/{FQDN}"]))
    assert outcome(live(*edge(), *istiod(version="1.30.4"), *shop(), scope)).verdict == "mutual_tls"


def test_a_listener_on_an_address_of_its_own_takes_nothing_else() -> None:
    made = {"hosts": ["apps/*"], "bind": "127.0.0.1", "port": {"number": 80, "protocol": "HTTP"}}
    assert outcome(live(*edge(), *istiod(), *shop(), sidecar(egress=[made]))).verdict == "plaintext"
