# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for Traefik: what each strategy writes per kind of route, which serve, which refuse and why; again, and back."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.gateways import gateway, listener, rewrite, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.traefik.cluster import (
    ALL,
    NGINX_TOO,
    cluster,
    entry,
    ingress_route,
    middleware,
    noted,
    traefik_service,
)
from tests.unit.plugins.module_utils.support.cluster import (
    PUBLIC,
    Obj,
    backend,
    ingress,
    ingress_class,
    path,
    peer_authentication,
    pod,
    port,
    service,
)
from tests.unit.plugins.module_utils.support.planning import contents, run, taken_back

HOST = f"Host(`{PUBLIC}`)"
TO_SHOP = path(backend("shop"))
SHOP_NAME = "shop.apps.svc.cluster.local"
NEW = "traefik:v3.7.9"
EXPERIMENTAL = (*ALL, "--providers.kubernetesgateway.experimentalchannel=true")


def meshed(*objects: Obj, args: tuple[str, ...] = ALL, image: str = NEW, declared: str = "http") -> Snapshot:
    """STRICT, with a Service of one port that declares a protocol, or none."""
    return cluster(
        peer_authentication(), service("shop", port(declared), ip="10.96.9.1"), pod("shop", http=8080), *objects, args=args, image=image
    )


INGRESS = ingress("a", TO_SHOP, class_name="traefik")
ROUTE = ingress_route("a", (HOST, [entry("shop")]))
WEIGHTED = ingress_route("a", (HOST, [entry("split", kind="TraefikService")]))
SPLIT = traefik_service("split", weighted={"services": [entry("shop", weight=9), entry("next", weight=1)]})
NEXT = [service("next"), pod("next", http=8080)]
ATTACHED = route("a", rule(to_service("shop")))
GRPC = route("a", rule(to_service("shop")), kind="GRPCRoute")
NGINX = [ingress_class("nginx"), ingress("a", TO_SHOP)]
SERVICE, IR, TS, HR = "patch Service apps/shop", "patch IngressRoute apps/a", "patch TraefikService apps/split", "patch HTTPRoute apps/a"
MESH = {"host_entry": ["create DestinationRule", "create ServiceEntry"], "headless_twin": ["create DestinationRule", "create Service"]}

KINDS: dict[str, tuple[list[Obj], list[str], list[str]]] = {
    "Ingress": ([INGRESS], [SERVICE], [SERVICE]),
    "IngressRoute": ([ROUTE], [IR], [IR]),
    "TraefikService": ([WEIGHTED, SPLIT, *NEXT], [TS], [TS]),
    "HTTPRoute": ([gateway(), ATTACHED], [SERVICE], [HR, SERVICE]),
    "in ingress-nginx's place": (NGINX, ["patch Ingress apps/a"], ["patch Ingress apps/a"]),
}


def args_for(kind: str) -> tuple[str, ...]:
    return NGINX_TOO if kind.startswith("in ") else ALL


@pytest.mark.parametrize(("kind", "objects", "vip", "both"), [(key, *item) for key, item in KINDS.items()], ids=KINDS)
def test_strategies_on_a_declared_port(kind: str, objects: list[Obj], vip: list[str], both: list[str]) -> None:
    snapshot = meshed(*objects, args=args_for(kind))
    assert run(snapshot).verdicts == {"mutual_tls"}
    refused = run(snapshot, "service_vip")
    assert ("MLB202" in refused.codes, refused.written) == (True, [])
    rewritten = run(snapshot, "host_rewrite")
    assert (rewritten.verdicts, rewritten.written) == ({"mutual_tls"}, both)
    for strategy, kinds in MESH.items():
        found = run(snapshot, strategy)
        assert found.verdicts == {"mutual_tls"}
        assert {item.rpartition(" ")[0] for item in found.written} == set(kinds)
    alias = run(snapshot, "host_alias")
    if kind == "TraefikService":
        assert all("a canary shares host" in item.after.why for item in alias.plan.routes)
    else:
        assert alias.verdicts == {"mutual_tls"}
        assert set(vip) < set(alias.written)


@pytest.mark.parametrize(("kind", "objects", "vip", "both"), [(key, *item) for key, item in KINDS.items()], ids=KINDS)
def test_service_routing_on_an_undeclared_port(kind: str, objects: list[Obj], vip: list[str], both: list[str]) -> None:
    snapshot = meshed(*(item for item in objects if item not in NEXT), service("next", port("web")), pod("next", http=8080),
                      declared="web", args=args_for(kind))  # fmt: skip
    found = run(snapshot, "service_vip")
    assert (found.verdicts, found.written) == ({"mutual_tls"}, vip)


@pytest.mark.parametrize("strategy", ["service_vip", "host_rewrite", "host_alias", "host_entry", "headless_twin", "auto"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_changes_nothing_and_all_can_be_taken_back(kind: str, strategy: str) -> None:
    snapshot = meshed(*KINDS[kind][0], args=args_for(kind))
    first = run(snapshot, strategy)
    again = run(first.after, strategy)
    assert (again.written, again.strategies) == ([], first.strategies)
    assert contents(taken_back(first.after)) == contents(snapshot)


def test_what_is_written() -> None:
    vip = run(meshed(INGRESS), "host_rewrite").after.get("Service", "apps", "shop")
    assert vip is not None
    assert vip["metadata"]["annotations"]["traefik.ingress.kubernetes.io/service.nativelb"] == "true"
    assert vip["metadata"]["annotations"]["traefik.ingress.kubernetes.io/service.passhostheader"] == "false"
    item = run(meshed(ROUTE), "host_rewrite").after.get("IngressRoute.traefik.io", "apps", "a")
    assert item is not None
    assert item["spec"]["routes"][0]["services"] == [{"name": "shop", "port": 80, "nativeLB": True, "passHostHeader": False}]
    split = run(meshed(WEIGHTED, SPLIT, *NEXT), "host_rewrite").after.get("TraefikService.traefik.io", "apps", "split")
    assert split is not None
    assert [found["nativeLB"] for found in split["spec"]["weighted"]["services"]] == [True, True]
    nginx = run(meshed(*NGINX, args=NGINX_TOO), "host_rewrite").after.get("Ingress.networking.k8s.io", "apps", "a")
    assert nginx is not None
    assert nginx["metadata"]["annotations"]["nginx.ingress.kubernetes.io/upstream-vhost"] == SHOP_NAME
    attached = run(meshed(gateway(), ATTACHED), "host_rewrite").after.get("HTTPRoute.gateway.networking.k8s.io", "apps", "a")
    assert attached is not None
    assert attached["spec"]["rules"][0]["filters"] == [rewrite(SHOP_NAME)]


REFUSED: dict[str, tuple[list[Obj], str, str, str]] = {
    "a user's own annotation": ([noted("shop", nativelb="false"), INGRESS], NEW, "host_alias", "is 'false', the plan needs 'true'"),
    "a user's own Host": ([noted("shop", passhostheader="true"), INGRESS], NEW, "host_rewrite", "is 'true', the plan needs 'false'"),
    "a user's own field": (
        [ingress_route("a", (HOST, [entry("shop", nativeLB=False)]))], NEW, "host_alias", "nativeLB is False, the plan needs True"),
    "a middleware's Host": (
        [ingress_route("a", (HOST, [{**entry("shop"), "middlewares": [{"name": "m"}]}])),
         middleware("m", headers={"customRequestHeaders": {"Host": "x.example.com"}})], NEW, "host_rewrite", "a middleware makes the Host"),
    "an older ingress-nginx provider": (NGINX, "traefik:v3.6.12", "host_rewrite", "does not know upstream-vhost"),
    "a gRPC route": ([gateway(), GRPC], NEW, "host_rewrite", "GRPCRoute has no filter"),
    "weights before 3.7": (
        [gateway(), route("a", rule(to_service("shop"), to_service("next"))), *NEXT], "traefik:v3.6.12", "host_rewrite",
        "has several backends"),
    "another Host of a rule": (
        [gateway(), route("a", rule(to_service("shop"), filters=[rewrite("x.example.com")]))], NEW, "host_rewrite",
        "sends Host x.example.com"),
    "an old version": ([INGRESS], "traefik:v2.9.6", "host_rewrite", "cannot send to a Service's address"),
    "an old version's Gateway API": ([gateway(), ATTACHED], "traefik:v3.1.0", "host_rewrite", "cannot send to a Service's address"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "image", "strategy", "said"), REFUSED.values(), ids=REFUSED)
def test_refusals(objects: list[Obj], image: str, strategy: str, said: str) -> None:
    found = run(meshed(*objects, args=NGINX_TOO, image=image), strategy)
    assert found.written == []
    assert any(said in item.after.why for item in found.plan.routes), [item.after.why for item in found.plan.routes]


def test_weights_keep_their_hosts_apart_since_3_7() -> None:
    item = route("a", rule(to_service("shop", weight=9), to_service("next", weight=1)))
    snapshot = meshed(gateway(), item, *NEXT)
    found = run(snapshot, "host_rewrite")
    assert (found.verdicts, "MLB215" in found.codes) == ({"mutual_tls"}, False)
    after = found.after.get("HTTPRoute.gateway.networking.k8s.io", "apps", "a")
    assert after is not None
    assert [one["filters"] for one in after["spec"]["rules"][0]["backendRefs"]] == [
        [rewrite(SHOP_NAME)], [rewrite("next.apps.svc.cluster.local")],
    ]  # fmt: skip
    assert contents(taken_back(found.after)) == contents(snapshot)


def test_headless_backends_are_matched_as_they_are() -> None:
    snapshot = cluster(peer_authentication(), service("shop", port("tcp-x", 8080), ip="None"), pod("shop", http=8080),
                       ingress("a", path(backend("shop", 8080)), class_name="traefik"))  # fmt: skip
    found = run(snapshot, "service_vip")
    assert (found.verdicts, found.written) == ({"mutual_tls"}, [])


STREAMS: dict[str, list[Obj]] = {
    "IngressRouteTCP": [ingress_route("a", ("HostSNI(`*`)", [entry("shop")]), kind="IngressRouteTCP")],
    "TCPRoute": [gateway(listener("t", "TCP", 9000)), route("a", rule(to_service("shop")), kind="TCPRoute")],
    "TLSRoute": [gateway(listener("t", "TLS", 9443, tls={"mode": "Passthrough"})), route("a", rule(to_service("shop")), kind="TLSRoute")],
    "IngressRouteTCP passed through": [
        ingress_route("a", (f"HostSNI(`{PUBLIC}`)", [entry("shop")]), kind="IngressRouteTCP", tls={"passthrough": True})],
}  # fmt: skip


@pytest.mark.parametrize("objects", STREAMS.values(), ids=STREAMS)
def test_streams(objects: list[Obj]) -> None:
    snapshot = meshed(*objects, args=EXPERIMENTAL, declared="tcp")
    for strategy in ("service_vip", "headless_twin", "auto"):
        found = run(snapshot, strategy)
        assert found.verdicts == {"mutual_tls"}
        assert contents(taken_back(found.after)) == contents(snapshot)
    refused = run(snapshot, "host_entry")
    assert (refused.written, refused.verdicts) == ([], {"refused"})


def test_routes_of_one_service_are_switched_together() -> None:
    other = ingress("b", TO_SHOP, host="b.example.com", class_name="traefik")
    found = run(meshed(INGRESS, other, declared="web"), "service_vip")
    assert (found.written, found.verdicts) == ([SERVICE], {"mutual_tls"})


def test_a_canary_in_ingress_nginx_place_is_switched_by_its_main_ingress() -> None:
    canary = ingress("next", path(backend("next")), canary="true", canary_weight="10")
    objects = [ingress_class("nginx"), ingress("a", TO_SHOP), canary, service("next", port("web")), pod("next", http=8080)]
    found = run(meshed(*objects, declared="web", args=NGINX_TOO), "service_vip")
    assert (found.written, found.verdicts) == (["patch Ingress apps/a"], {"mutual_tls"})


def test_the_global_switch_is_read() -> None:
    args = (*ALL, "--providers.kubernetesingress.nativelbbydefault=true")
    found = run(meshed(INGRESS, declared="web", args=args))
    assert (found.written, found.verdicts) == ([], {"mutual_tls"})
