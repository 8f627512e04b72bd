# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster whose Services are in another domain: all is as it would be in the usual one, under other names."""

from __future__ import annotations

import json

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.table import STRATEGIES

from tests.unit.plugins.module_utils.support.cluster import (
    EDGE,
    ROOT,
    Obj,
    backend,
    cluster,
    config_map,
    destination_rule,
    external_name,
    ingress,
    istiod,
    obj,
    outcome,
    path,
    peer_authentication,
    pod,
    port,
    service,
    service_entry,
    sidecar,
    to,
    virtual_service,
)
from tests.unit.plugins.module_utils.support.planning import run

USUAL, OWN = ".svc.cluster.local", ".svc.k8s.corp"
FQDN, OTHER = f"shop.apps{USUAL}", f"cart.apps{USUAL}"
SHOP = [service("shop"), pod("shop")]
CART = [service("cart"), pod("cart", sidecar=False)]
UNDECLARED = [service("shop", port("web")), pod("shop", http=8080)]
GATEWAY_ROUTE = obj(
    "gateway.networking.k8s.io/v1", "HTTPRoute", "apps", "split",
    spec={"parentRefs": [{"kind": "Service", "name": "shop"}], "rules": [{"backendRefs": [{"name": "cart", "port": 80}]}]},
)  # fmt: skip


TWO = ingress("two", path(backend("shop"), "/a"), path(backend("cart"), "/b"), host="d.example.com")


def second(name: str, target: str, **annotations: str) -> Obj:
    return ingress(name, path(backend(target)), host="b.example.com", **annotations)


TOLD: dict[str, list[Obj]] = {
    "istiod's arguments": [istiod("--domain", "k8s.corp")],
    "one argument": [istiod("--domain=K8s.corp")],
    "the injector's values": [istiod(), config_map("istio-sidecar-injector", ROOT, values="global: {proxy: {clusterDomain: k8s.corp}}")],
}  # fmt: skip
MESHES: dict[str, list[Obj]] = {
    "declared HTTP": SHOP,
    "the Service's name as Host": [*SHOP, second("vip", "shop", service_upstream="true", upstream_vhost=FQDN)],
    "two Services of an Ingress": [*SHOP, service("cart"), pod("cart"), TWO],
    "a rule about TLS": [*UNDECLARED, destination_rule(FQDN, "DISABLE", where=EDGE)],
    "a rule with a short name": [*UNDECLARED, destination_rule("shop", "DISABLE")],
    "a rule for a wildcard": [*UNDECLARED, destination_rule(f"*.apps{USUAL}", "DISABLE", where=EDGE)],
    "a VirtualService to another": [*UNDECLARED, *CART, virtual_service(FQDN, http=[to(OTHER)])],
    "a VirtualService with short names": [*UNDECLARED, *CART, virtual_service("shop", http=[to("cart")], where="apps")],
    "a route of the Gateway API": [*UNDECLARED, *CART, GATEWAY_ROUTE],
    "a Sidecar resource": [*UNDECLARED, sidecar(f"*/{OTHER}"), *CART],
    "a ServiceEntry for its own name": [*UNDECLARED, service_entry(FQDN, 80)],
    "another name": [*UNDECLARED, external_name("alias", FQDN), second("alias", "alias")],
    "another name in no domain of the cluster's": [*SHOP, external_name("alias", f"{FQDN}.org"), second("alias", "alias")],
}  # fmt: skip
ROUTE = ingress("shop", path(backend("shop")), service_upstream="true")


def elsewhere(objects: list[Obj]) -> list[Obj]:
    """The same objects in a cluster of the other domain."""
    renamed: list[Obj] = json.loads(json.dumps(objects).replace(USUAL, OWN))
    return renamed


@pytest.mark.parametrize("objects", MESHES.values(), ids=MESHES)
def test_what_happens_is_the_same_under_other_names(objects: list[Obj]) -> None:
    everything = [*objects, ROUTE, peer_authentication()]
    usual, own = cluster(*everything, istiod()), cluster(*elsewhere(everything), istiod("--domain", "k8s.corp"))
    for strategy in ("auto", *STRATEGIES):
        here, there = run(usual, strategy), run(own, strategy)
        assert [(item.before.verdict, item.after.verdict, item.strategy) for item in here.plan.routes] == [
            (item.before.verdict, item.after.verdict, item.strategy) for item in there.plan.routes
        ]
        written = [there.after.at(item.object) for item in there.changes]
        assert written == elsewhere([here.after.at(item.object) or {} for item in here.changes])
        assert USUAL not in json.dumps(written)
        assert run(there.after, strategy).written == []


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_where_the_domain_is_told(told: list[Obj]) -> None:
    found = run(cluster(*SHOP, ROUTE, peer_authentication(), *told), "host_alias")
    assert "shop.apps.svc.k8s.corp" in json.dumps(found.body("VirtualService"))


@pytest.mark.parametrize("objects", [MESHES["a rule about TLS"], MESHES["a VirtualService to another"]], ids=["rule", "routing"])
def test_names_of_the_usual_domain_are_nobodys_in_another(objects: list[Obj]) -> None:
    everything = [*objects, ROUTE, peer_authentication()]
    assert outcome(cluster(*everything, istiod())).verdict != "mutual_tls"
    assert outcome(cluster(*everything, istiod("--domain", "k8s.corp"))).verdict == "mutual_tls"


def test_a_name_of_the_usual_domain_as_host_leads_nowhere_in_another() -> None:
    def sent(name: str) -> Snapshot:
        route = ingress("shop", path(backend("shop")), service_upstream="true", upstream_vhost=name)
        return cluster(*SHOP, route, peer_authentication(), istiod("--domain", "k8s.corp"))

    assert outcome(sent("shop.apps.svc.k8s.corp")).verdict == outcome(sent("shop.apps")).verdict == "mutual_tls"
    assert outcome(sent(FQDN)).verdict == "refused"
