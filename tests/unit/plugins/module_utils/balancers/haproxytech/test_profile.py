# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy Technologies' controller: recognising it beside the other HAProxy, its routes, and plans without its help."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import LoadBalancer, Route, Upstream
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, listener, route, rule, to_service
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    Obj,
    backend,
    config_map,
    container,
    ingress_class,
    live,
    namespace,
    obj,
    path,
    peer_authentication,
    pod,
    port,
    service,
    workload,
)
from tests.unit.plugins.module_utils.support.cluster import ingress as plain_ingress
from tests.unit.plugins.module_utils.support.known import config_map_namespaces, detect, read_routes
from tests.unit.plugins.module_utils.support.planning import contents, run, taken_back

CONTROLLER = "haproxy.org/ingress-controller"
ARGS = ("--configmap=edge/lb", "--configmap-tcp-services=$(POD_NAMESPACE)/tcp")
IMAGE = "docker.io/haproxytech/kubernetes-ingress:3.2.9"
POD = "pod_ips"
TO_SHOP = path(backend("shop"))


def controller(*args: str, image: str = IMAGE, name: str = "lb", **more: Any) -> Obj:
    return workload(name, where=EDGE, containers=[container("c", image=image, args=[*ARGS, *args])], **more)


def ingress(name: str = "a", *, class_name: str | None = "haproxy", default: Obj | None = None, **options: str) -> Obj:
    made = plain_ingress(name, *(() if default else (TO_SHOP,)), class_name=class_name, default=default)
    made["metadata"]["annotations"] = {f"haproxy.org/{key.replace('_', '-')}": value for key, value in options.items()}
    return made


def cluster(*objects: Obj, args: Iterable[str] = ()) -> Snapshot:
    base = [namespace(EDGE, istio_injection="enabled"), namespace(APPS), controller(*args), ingress_class("haproxy", CONTROLLER)]
    return live(*base, *objects)


def balancer(snapshot: Snapshot) -> LoadBalancer:
    return next(item for item in detect(snapshot)[0] if item.workload)


def routes(*objects: Obj, **more: Any) -> list[Route]:
    snapshot = cluster(*objects, **more)
    return read_routes(snapshot, [balancer(snapshot)])[0]


RECOGNISED: dict[str, Obj] = {
    "its image": workload("lb", where=EDGE, containers=[container("c", image=IMAGE)]),
    "mirrored": workload("lb", where=EDGE, containers=[container("c", image="registry.example.com/x/kubernetes-ingress:3.2.9")]),
    "the enterprise's image": workload("lb", where=EDGE, containers=[container("c", image="hapee-registry.haproxy.com/hapee-ingress:3.0")]),
    "its options": workload("lb", where=EDGE, containers=[container("c", image="lb:1", args=["--ingress.class=x"])]),
    "its label, which the other one has too": workload(
        "lb", where=EDGE, pod_labels={"run": "haproxy-ingress"}, containers=[container("c", image="lb:1", args=["--configmap=a/b"])]),
    "its chart's label": workload("lb", where=EDGE, pod_labels={"app.kubernetes.io/name": "kubernetes-ingress"}),
}  # fmt: skip


@pytest.mark.parametrize("item", RECOGNISED.values(), ids=RECOGNISED)
def test_recognised(item: Obj) -> None:
    assert balancer(live(namespace(EDGE), item)).vendor == "haproxytech"


def test_both_haproxies_under_one_class_name() -> None:
    other = workload("other", where=EDGE, containers=[container("c", image="quay.io/jcmoraisjr/haproxy-ingress:v0.14.7")])
    snapshot = cluster(other, ingress_class("community", "haproxy-ingress.github.io/controller"))
    assert {item.name: (item.vendor, item.classes) for item in detect(snapshot)[0]} == {
        "lb": ("haproxytech", ("haproxy",)), "other": ("haproxy_ingress", ("community",)),
    }  # fmt: skip


@pytest.mark.parametrize(
    "image", ["nginx/nginx-ingress:5.5.4", "kong/kubernetes-ingress-controller:3.5", "docker.io/haproxytech/haproxy-alpine:3.2"]
)
def test_not_recognised(image: str) -> None:
    item = workload("lb", where=EDGE, containers=[container("c", image=image)])
    assert "haproxytech" not in [found.vendor for found in detect(live(namespace(EDGE), item))[0]]


DEFAULT_MINE = {**ingress_class("d", CONTROLLER), "metadata": {
    "name": "d", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}}  # fmt: skip
DEFAULT_OTHER = {**DEFAULT_MINE, "spec": {"controller": "x.example.com/y"}}
PROD = ingress_class("prod", f"{CONTROLLER}/prod")
SERVED: dict[str, tuple[tuple[str, ...], list[Obj], str | None, bool]] = {
    "by its class": ((), [], "haproxy", True),
    "by a class of a named instance": ((), [PROD], "prod", False),
    "a named instance by its class": (("--ingress.class=prod",), [PROD], "prod", True),
    "a named instance by the plain class": (("--ingress.class=prod",), [PROD], "haproxy", False),
    "by a class that is missing": ((), [], "missing", False),
    "without a class": ((), [], None, True),
    "without a class, and the default is its own": ((), [DEFAULT_MINE], None, True),
    "without a class, and the default is another's": ((), [DEFAULT_OTHER], None, False),
    "a named instance without a class": (("--ingress.class=prod",), [PROD], None, False),
    "a named instance that takes them": (("--ingress.class=prod", "--empty-ingress-class"), [PROD], None, True),
    "in its namespaces": (("--namespace-whitelist=apps",), [], "haproxy", True),
    "in other namespaces": (("--namespace-whitelist=x",), [], "haproxy", False),
}


@pytest.mark.parametrize(("args", "objects", "name", "served"), SERVED.values(), ids=SERVED)
def test_which_ingresses_it_serves(args: tuple[str, ...], objects: list[Obj], name: str | None, served: bool) -> None:
    assert bool(routes(service("shop"), *objects, ingress(class_name=name), args=args)) is served


UPSTREAMS: dict[str, tuple[list[Obj], Upstream]] = {
    "nothing": ([service("shop"), ingress()], Upstream(POD)),
    "a Host": ([service("shop"), ingress(set_host="x.example.com")], Upstream(POD, "x.example.com")),
    "a Host of the ConfigMap": ([service("shop"), ingress(), config_map("lb", set_host="x.example.com")], Upstream(POD, "x.example.com")),
    "a Host made of the request": ([service("shop"), ingress(set_host="%[req.hdr(x)]")], Upstream(POD, "$[req.hdr(x)]")),
    "TLS": ([service("shop"), ingress(server_ssl="true")], Upstream(POD, "", "tls")),
    "TLS of the Service": ([service("shop", annotations={"haproxy.org/server-ssl": "true"}), ingress()], Upstream(POD, "", "tls")),
    "no TLS of the Service": (
        [service("shop", annotations={"haproxy.org/server-ssl": "false"}), ingress(server_ssl="true")], Upstream(POD)),
    "TLS of the ConfigMap": ([service("shop"), ingress(), config_map("lb", server_ssl="true")], Upstream(POD, "", "tls")),
    "passed through": ([service("shop"), ingress(ssl_passthrough="true")], Upstream(POD, "", "tls")),
    "PROXY protocol": ([service("shop"), ingress(send_proxy_protocol="proxy-v2")], Upstream(POD, "", "tcp")),
    "another prefix": ([service("shop", annotations={"haproxy.com/server-ssl": "true"}), ingress()], Upstream(POD, "", "tls")),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), UPSTREAMS.values(), ids=UPSTREAMS)
def test_upstreams(objects: list[Obj], expected: Upstream) -> None:
    (found,) = routes(*objects)
    assert (found.upstream, found.settable) == (expected, False)


def test_features() -> None:
    noted = service("shop", annotations={"haproxy.org/cookie-persistence": "x"})
    (found,) = routes(noted, ingress(load_balance="leastconn"))
    assert found.features == ("affinity", "balancing")


def tcp(name: str, version: str = "v3", **more: Any) -> Obj:
    spec = [{"name": "db", "service": {"name": "shop", "port": 80}}]
    return obj(f"ingress.{version}.haproxy.org/{version}", "TCP", APPS, name, spec=spec, **more)


def test_streams() -> None:
    listed = config_map("tcp", **{"3306": "apps/shop:80:ssl"})
    found = routes(service("shop"), listed, tcp("a"), tcp("b", "v1"), args=["--default-backend-service=apps/shop"])
    assert [(item.path, item.object.kind, item.upstream.scheme) for item in found] == [
        ("default-backend", "Deployment", "http"), ("tcp:3306", "ConfigMap", "tcp"), ("tcp:db", "TCP", "tcp"), ("tcp:db", "TCP", "tcp"),
    ]  # fmt: skip
    assert routes(service("shop"), tcp("a", annotations={"ingress.class": "x"})) == []
    assert routes(service("shop"), tcp("a"), args=["--ingress.class=prod"]) == []


def test_gateway_routes_are_tcp_alone() -> None:
    objects = [
        service("shop"), gateway_class("haproxy.org/gateway-controller"), gateway(listener(), listener("t", "TCP", 9000)),
        route("a", rule(to_service("shop")), kind="TCPRoute"), route("b", rule(to_service("shop"))),
    ]
    assert routes(*objects) == []
    told = routes(*objects, args=["--gateway-controller-name=haproxy.org/gateway-controller"])
    assert [(item.object.name, item.settable) for item in told] == [("a", False)]


def test_config_maps_that_it_reads() -> None:
    assert EDGE in config_map_namespaces(cluster())


@pytest.mark.parametrize("declared", ["http", "web", "tcp"])
def test_plans(declared: str) -> None:
    snapshot = cluster(peer_authentication(), service("shop", port(declared)), pod("shop", http=8080), ingress(load_balance="leastconn"))
    for strategy in ("host_entry", "headless_twin", "auto"):
        found = run(snapshot, strategy)
        assert found.verdicts == {"mutual_tls"}
        assert run(found.after, strategy).written == []
        assert contents(taken_back(found.after)) == contents(snapshot)
    for strategy in ("service_vip", "host_rewrite", "host_alias"):
        refused = run(snapshot, strategy)
        assert (refused.written, "always sends to pod addresses" in refused.route("a").after.why) == ([], True)


def test_reading_only_some_objects_gives_the_same_routes() -> None:
    snapshot = cluster(service("shop"), ingress(), tcp("b"), config_map("tcp", **{"3306": "apps/shop:80"}))
    everything = read_routes(snapshot, [balancer(snapshot)])[0]
    assert len(everything) == 3
    for item in everything:
        assert read_routes(snapshot, [balancer(snapshot)], frozenset([item.object]))[0] == [item]
