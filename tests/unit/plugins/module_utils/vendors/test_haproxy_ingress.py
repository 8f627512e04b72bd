# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy Ingress (jcmoraisjr): recognising it, its routes, its four places for a key, and plans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.model import LoadBalancer, Route, Upstream
from ansible_collections.meshlb.istio.plugins.module_utils.observe.detect import config_map_namespaces, detect
from ansible_collections.meshlb.istio.plugins.module_utils.observe.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.base import RouteReading
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.haproxy_ingress import HaproxyIngress

from tests.unit.plugins.module_utils.cluster import (
    APPS,
    EDGE,
    PUBLIC,
    Obj,
    annotated,
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
from tests.unit.plugins.module_utils.cluster import ingress as plain_ingress
from tests.unit.plugins.module_utils.planning import contents, run, taken_back
from tests.unit.plugins.module_utils.vendors.gateways import gateway, gateway_class, rewrite, route, rule, to_service

PREFIX = "haproxy-ingress.github.io"
CONTROLLER = f"{PREFIX}/controller"
ARGS = ("--configmap=edge/lb", "--ingress-class=haproxy", "--sort-backends", "--tcp-services-configmap=$(POD_NAMESPACE)/tcp")
IMAGE = "quay.io/jcmoraisjr/haproxy-ingress:v0.14.7"
OLD, NEW = "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"
POD, VIP = "pod_ips", "cluster_ip"
SHOP_NAME = "shop.apps.svc.cluster.local"
TO_SHOP = path(backend("shop"))


def haproxy(*args: str, image: str = IMAGE, **more: Any) -> Obj:
    return workload("lb", where=EDGE, containers=[container("haproxy-ingress", image=image, args=[*ARGS, *args])], **more)


def keys(prefix: str = PREFIX, **options: str) -> Obj:
    return {f"{prefix}/{key.replace('_', '-')}": value for key, value in options.items()}


def noted(name: str = "shop", *, ports: Iterable[Obj] = (), ip: str = "", **options: str) -> Obj:
    return service(name, *ports, ip=ip, annotations=keys(**options))


def ingress(name: str = "a", *paths: Obj, class_name: str | None = "haproxy", **more: Any) -> Obj:
    """An Ingress whose further keywords are the controller's keys."""
    known = {key: more.pop(key) for key in ("host", "where", "created", "default") if key in more}
    made = plain_ingress(name, *(paths or (() if known.get("default") else (TO_SHOP,))), class_name=class_name, **known)
    made["metadata"]["annotations"] = keys(**more)
    return made


def cluster(*objects: Obj, args: Iterable[str] = (), image: str = IMAGE) -> Snapshot:
    classes = [ingress_class("haproxy", CONTROLLER), gateway_class(CONTROLLER)]
    return live(namespace(EDGE, istio_injection="enabled"), namespace(APPS), haproxy(*args, image=image), *classes, *objects)


def balancer(snapshot: Snapshot) -> LoadBalancer:
    return next(item for item in detect(snapshot)[0] if item.workload)


def reading(snapshot: Snapshot) -> RouteReading:
    return HaproxyIngress().routes(snapshot, balancer(snapshot))


def routes(*objects: Obj, **more: Any) -> list[Route]:
    return sorted(reading(cluster(*objects, **more)).routes, key=lambda item: item.sort_key)


def one(*objects: Obj, **more: Any) -> Route:
    (found,) = routes(*objects, **more)
    return found


RECOGNISED: dict[str, Obj] = {
    "its image": workload("lb", where=EDGE, containers=[container("c", image=IMAGE)]),
    "mirrored": workload("lb", where=EDGE, containers=[container("c", image="mirror.example.com/haproxy-ingress:v0.14.7@sha256:0")]),
    "its options": workload("lb", where=EDGE, containers=[container("c", image="lb:1", args=["--reload-strategy=reusesocket"])]),
    "its labels and an option that others have too": workload(
        "lb", where=EDGE, pod_labels={"app.kubernetes.io/name": "haproxy-ingress"},
        containers=[container("c", image="lb:1", args=["--configmap=edge/lb", "--controller-class=x"])]),
    "its labels": workload("lb", where=EDGE, pod_labels={"app.kubernetes.io/name": "haproxy-ingress"}),
}  # fmt: skip


@pytest.mark.parametrize("item", RECOGNISED.values(), ids=RECOGNISED)
def test_recognised(item: Obj) -> None:
    assert balancer(live(namespace(EDGE), item)).vendor == "haproxy_ingress"


@pytest.mark.parametrize("image", ["docker.io/haproxytech/kubernetes-ingress:3.2.9", "docker.io/library/haproxy:3.0"])
def test_not_recognised(image: str) -> None:
    item = workload("lb", where=EDGE, containers=[container("c", image=image)])
    assert [found.vendor for found in detect(live(namespace(EDGE), item))[0] if found.vendor == "haproxy_ingress"] == []


@pytest.mark.parametrize(
    ("args", "controller"),
    [
        ((), CONTROLLER), (("--controller-class=staging",), f"{CONTROLLER}/staging"),
        (("--controller-class=/staging",), f"{CONTROLLER}/staging"),
        (("--full-controller-name=x.example.com/y",), "x.example.com/y"),
    ],
)  # fmt: skip
def test_classes(args: tuple[str, ...], controller: str) -> None:
    snapshot = cluster(ingress_class("mine", controller), ingress_class("alien", "haproxy.org/ingress-controller"), args=args)
    assert "mine" in balancer(snapshot).classes
    assert "alien" not in balancer(snapshot).classes


def test_config_maps_that_it_reads() -> None:
    assert {"edge", "far"} <= config_map_namespaces(cluster(args=["--configmap=far/lb"]))


def classed(name: str | None, annotation: str | None) -> Obj:
    made = ingress(class_name=name)
    if annotation is not None:
        made["metadata"]["annotations"] = {"kubernetes.io/ingress.class": annotation}
    return made


SERVED: dict[str, tuple[tuple[str, ...], Obj, bool]] = {
    "by class": ((), classed("haproxy", None), True),
    "by another class": ((), classed("alien", None), False),
    "by a class that is missing": ((), classed("missing", None), False),
    "by annotation": ((), classed(None, "haproxy"), True),
    "by another annotation": ((), classed(None, "alien"), False),
    "the annotation before the class": ((), classed("alien", "haproxy"), True),
    "the annotation before the class, the other way": ((), classed("haproxy", "alien"), False),
    "told to look at the class first": (("--ingress-class-precedence",), classed("haproxy", "alien"), True),
    "told to look at the class first, the other way": (("--ingress-class-precedence",), classed("alien", "haproxy"), False),
    "without a class": ((), classed(None, None), False),
    "told to serve those without": (("--watch-ingress-without-class",), classed(None, None), True),
    "told to leave classes": (("--disable-ingress-class-api",), classed("haproxy", None), False),
    "told no Ingresses": (("--watch-ingress=false",), classed("haproxy", None), False),
    "told another namespace": (("--watch-namespace=x",), classed("haproxy", None), False),
    "told another name": (("--ingress-class=x",), classed(None, "x"), True),
}


@pytest.mark.parametrize(("args", "item", "served"), SERVED.values(), ids=SERVED)
def test_which_ingresses_it_serves(args: tuple[str, ...], item: Obj, served: bool) -> None:
    assert bool(routes(service("shop"), ingress_class("alien", "x.example.com/y"), item, args=args)) is served


def parameters(name: str = "options", **more: str) -> list[Obj]:
    made = ingress_class("haproxy", CONTROLLER)
    made["spec"]["parameters"] = {"kind": "ConfigMap", "name": name}
    return [made, config_map(name, **more)]


def lb(**options: str) -> Obj:
    return config_map("lb", **options)


ON, OFF = {"service_upstream": "true"}, {"service_upstream": "false"}
PLACES: dict[str, tuple[list[Obj], str]] = {
    "nowhere": ([service("shop"), ingress()], POD),
    "the Service": ([noted(**ON), ingress()], VIP),
    "the Ingress": ([service("shop"), ingress(**ON)], VIP),
    "the class": ([service("shop"), ingress(), *parameters(**ON)], VIP),
    "the ConfigMap": ([service("shop"), ingress(), lb(**ON)], VIP),
    "the Service before the Ingress": ([noted(**OFF), ingress(**ON)], POD),
    "the Ingress before the class": ([service("shop"), ingress(**OFF), *parameters(**ON)], POD),
    "the class before the ConfigMap": ([service("shop"), ingress(), *parameters(**OFF), lb(**ON)], POD),
    "the Service before the ConfigMap": ([noted(**OFF), ingress(), lb(**ON)], POD),
    "what is no truth value hides the ConfigMap": ([service("shop"), ingress(service_upstream="yes"), lb(**ON)], POD),
    "the older prefix": ([service("shop", annotations=keys("ingress.kubernetes.io", **ON)), ingress()], VIP),
    "the first prefix before the older one": (
        [service("shop", annotations={**keys(**OFF), **keys("ingress.kubernetes.io", **ON)}), ingress()], POD),
    "a class's parameters of another kind": (
        [service("shop"), ingress(), *parameters(**ON)[1:], {**ingress_class("haproxy", CONTROLLER), "spec": {
            "controller": CONTROLLER, "parameters": {"kind": "Other", "name": "options"}}}], POD),
    "a default backend has no class": (
        [service("shop"), ingress("a", default=backend("shop")), *parameters(**ON)], POD),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "address"), PLACES.values(), ids=PLACES)
def test_places_of_a_key(objects: list[Obj], address: str) -> None:
    assert one(*objects).upstream.address == address


def test_a_prefix_of_ones_own() -> None:
    found = one(service("shop", annotations=keys("lb.example.com", **ON)), ingress(**OFF), args=["--annotations-prefix=lb.example.com"])
    assert found.upstream.address == VIP


OTHER_HOST = {"host": "b.example.com"}
SHARED: dict[str, tuple[list[Obj], list[str]]] = {
    "the oldest decides": ([ingress("a", created=NEW, **ON), ingress("b", created=OLD, **OTHER_HOST)], [POD, POD]),
    "the oldest decides, the other way": ([ingress("a", created=OLD, **ON), ingress("b", created=NEW, **OTHER_HOST)], [VIP, VIP]),
    "of one second the name that comes first": ([ingress("a", created=OLD, **ON), ingress("b", created=OLD, **OTHER_HOST)], [VIP, VIP]),
    "one without the key decides too": ([ingress("a", created=OLD), ingress("b", created=NEW, **ON, **OTHER_HOST)], [POD, POD]),
    "two ports are two backends": (
        [ingress("a", created=OLD, **ON), ingress("b", path(backend("shop", 81)), created=NEW, **OTHER_HOST)], [VIP, POD]),
    "two names of one target port are one": (
        [ingress("a", created=OLD, **ON), ingress("b", path(backend("shop", "also")), created=NEW, **OTHER_HOST)], [VIP, VIP]),
    "a default backend is a path like others": (
        [ingress("a", default=backend("shop"), created=OLD, **ON), ingress("b", created=NEW, **OTHER_HOST)], [VIP, VIP]),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), SHARED.values(), ids=SHARED)
def test_who_decides_about_a_shared_backend(objects: list[Obj], expected: list[str]) -> None:
    made = service("shop", port(), port("more", 81, 8081), port("also", 82, 8080))
    found = {item.object.name: item.upstream.address for item in routes(made, *objects)}
    assert [found[name] for name in sorted(found)] == expected


def test_headers_count_from_the_first_ingress_that_has_them() -> None:
    older, younger = ingress("a", created=OLD), ingress("b", created=NEW, headers="host: x.example.com", **OTHER_HOST)
    assert {item.upstream.host for item in routes(service("shop"), older, younger)} == {"x.example.com"}


def test_a_younger_ingress_without_effect_is_said() -> None:
    found = reading(cluster(service("shop"), ingress("a", created=OLD), ingress("b", created=NEW, **ON, **OTHER_HOST)))
    assert [(item.code, item.object and item.object.name) for item in found.findings] == [("MLB210", "b")]


def test_a_path_that_an_older_ingress_has_is_dropped() -> None:
    found = reading(cluster(service("shop"), ingress("a", created=NEW, **ON), ingress("b", created=OLD)))
    assert [item.object.name for item in found.routes] == ["b"]
    assert [item.code for item in found.findings] == ["MLB220"]


@pytest.mark.parametrize(
    ("options", "image", "host"),
    [
        ({"headers": "host: x.example.com"}, IMAGE, "x.example.com"),
        ({"headers": "x-path: /\nHost x.example.com"}, IMAGE, "x.example.com"),
        ({"headers": "host: %[service].%[namespace].svc.cluster.local"}, IMAGE, SHOP_NAME),
        ({"headers": "x-path: /"}, IMAGE, ""),
        ({"headers": "host: %[req.hdr(x)]"}, IMAGE, "$[req.hdr(x)]"),
        ({"request_set_headers": "host: x.example.com"}, IMAGE, ""),
        ({"request_set_headers": "host: x.example.com", "headers": "host: y"}, "haproxy-ingress:v0.17.0", "x.example.com"),
        ({"request_set_headers": "", "headers": "host: y"}, "haproxy-ingress:v0.17.0", "y"),
    ],
)  # fmt: skip
def test_hosts_that_headers_set(options: dict[str, str], image: str, host: str) -> None:
    assert one(service("shop"), ingress(**options), image=image).upstream.host == host
    assert one(noted(**options), ingress(), image=image).upstream.host == host
    assert one(service("shop"), ingress(), lb(**options), image=image).upstream.host == host


@pytest.mark.parametrize(
    ("options", "scheme"),
    [
        ({}, "http"), ({"backend_protocol": "h2"}, "http"), ({"backend_protocol": "H1-SSL"}, "tls"), ({"backend_protocol": "grpcs"}, "tls"),
        ({"secure_backends": "true"}, "tls"), ({"backend_protocol": "fcgi"}, "tcp"), ({"proxy_protocol": "v2"}, "tcp"),
        ({"ssl_passthrough": "true"}, "tls"), ({"ssl_passthrough": "false"}, "http"),
    ],
)  # fmt: skip
def test_schemes(options: dict[str, str], scheme: str) -> None:
    assert one(service("shop"), ingress(**options)).upstream.scheme == scheme


@pytest.mark.parametrize(
    ("options", "features"),
    [
        ({}, ()), ({"affinity": "cookie"}, ("affinity",)), ({"blue_green_deploy": "a=b=1"}, ("balancing",)),
        ({"balance_algorithm": "leastconn", "health_check_uri": "/"}, ("balancing", "health_checks")),
    ],
)  # fmt: skip
def test_features(options: dict[str, str], features: tuple[str, ...]) -> None:
    assert one(service("shop"), ingress(**options)).features == features


PORTS = [port("http", 80, 8080), port("admin", 8080, 9090)]


@pytest.mark.parametrize(("reference", "number"), [(80, 80), ("http", 80), (8080, 80), (9090, 8080), ("admin", 8080), (81, 81)])
def test_ports_are_found_by_name_and_target_first(reference: int | str, number: int) -> None:
    assert one(service("shop", *PORTS), ingress("a", path(backend("shop", reference)))).backend.port == number


def test_headless_services() -> None:
    assert one(service("shop", ip="None"), ingress()).settable is False
    found = reading(cluster(service("shop", ip="None"), ingress(), lb(**ON)))
    assert (found.routes, [item.code for item in found.findings]) == ((), ["MLB220"])


def test_other_routes() -> None:
    tcp = config_map("tcp", **{"9000": "apps/shop:80:PROXY"})
    found = routes(service("shop"), tcp, args=["--default-backend-service=apps/shop"])
    assert [(item.path, item.settable, item.upstream) for item in found] == [
        ("default-backend", True, Upstream(POD)), ("tcp:9000", False, Upstream(POD, "", "tcp")),
    ]  # fmt: skip
    listened = one(service("shop"), ingress(tcp_service_port="5432"))
    assert (listened.path, listened.upstream.scheme, listened.path_type) == ("tcp:5432", "tcp", "Stream")
    default = one(noted(**ON), args=["--default-backend-service=apps/shop"])
    assert default.upstream.address == VIP
    assert routes(service("shop"), ingress(redirect_to="https://x.example.com")) == []


@pytest.mark.parametrize(
    ("options", "kind", "expected"),
    [
        ({}, "Prefix", ("Prefix", False)), ({"path_type": "exact"}, "ImplementationSpecific", ("Exact", False)),
        ({"path_type": "regex"}, "ImplementationSpecific", ("ImplementationSpecific", True)),
        ({"path_type": "regex"}, "Exact", ("Exact", False)),
        ({"rewrite_target": "/"}, "Prefix", ("Prefix", True)),
    ],
)  # fmt: skip
def test_paths(options: dict[str, str], kind: str, expected: tuple[str, bool]) -> None:
    found = one(service("shop"), ingress("a", path(backend("shop"), "/x", kind), **options))
    assert (found.path_type, found.rewrites_path) == expected


def test_gateway_routes_go_to_pods_whatever_is_set() -> None:
    made = noted(headers="host: x.example.com", **ON)
    found = one(made, gateway(), route("a", rule(to_service("shop"), filters=[rewrite("y.example.com")])), lb(**ON))
    assert (found.upstream, found.settable) == (Upstream(POD, "x.example.com"), False)
    assert routes(made, gateway(), route("a", rule(to_service("shop")), kind="GRPCRoute")) == []
    assert routes(made, gateway(), route("a", rule(to_service("shop"))), args=["--watch-gateway=false"]) == []
    header = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "Host", "value": "z.example.com"}]}}
    assert one(service("shop"), gateway(), route("a", rule(to_service("shop"), filters=[header]))).upstream.host == "z.example.com"


def test_reading_only_some_objects_gives_the_same_routes() -> None:
    tcp = config_map("tcp", **{"9000": "apps/shop:80"})
    snapshot = cluster(
        service("shop"), tcp, ingress("a"), ingress("b", path(backend("shop", 81)), **OTHER_HOST), gateway(),
        route("c", rule(to_service("shop"))),
        args=["--default-backend-service=apps/shop"],
    )  # fmt: skip
    everything = reading(snapshot).routes
    assert len(everything) == 5
    for item in everything:
        assert list(HaproxyIngress().routes(snapshot, balancer(snapshot), frozenset([item.object])).routes) == [item]


# Plans -------------------------------------------------------------------------------------------------------------------


def meshed(*objects: Obj, declared: str = "http", image: str = IMAGE, **options: str) -> Snapshot:
    return cluster(
        peer_authentication(), noted("shop", ports=[port(declared)], ip="10.96.9.1", **options), pod("shop", http=8080), *objects,
        image=image,
    )


def annotations(snapshot: Snapshot) -> dict[str, str]:
    found = snapshot.get("Service", APPS, "shop") or {}
    return {key.partition("/")[2]: value for key, value in found["metadata"].get("annotations", {}).items() if key.startswith(PREFIX)}


@pytest.mark.parametrize(("strategy", "written"), [
    ("host_rewrite", ["patch Service apps/shop"]),
    ("host_alias", ["create VirtualService edge/meshlb-alias-shop.example.com", "patch Service apps/shop"]),
    ("host_entry", ["create DestinationRule edge/meshlb-entry-shop.example.com", "create ServiceEntry edge/meshlb-entry-shop.example.com"]),
    ("headless_twin", ["create Service apps/shop-meshlb"]),
])  # fmt: skip
def test_strategies(strategy: str, written: list[str]) -> None:
    snapshot = meshed(ingress())
    found = run(snapshot, strategy)
    assert (found.verdicts, found.written) == ({"mutual_tls"}, written)
    again = run(found.after, strategy)
    assert (again.written, again.strategies) == ([], found.strategies)
    assert contents(taken_back(found.after)) == contents(snapshot)


def test_service_routing_alone_is_for_undeclared_ports() -> None:
    found = run(meshed(ingress(), declared="web"), "service_vip")
    assert (found.verdicts, annotations(found.after)) == ({"mutual_tls"}, {"service-upstream": "true"})
    assert run(meshed(ingress()), "service_vip").written == []


HEADERS: dict[str, tuple[list[Obj], dict[str, str], str, dict[str, str]]] = {
    "none": ([ingress()], {}, IMAGE, {"headers": f"x-forwarded-host: %[req.hdr(host)]\nhost: {SHOP_NAME}"}),
    "the Service's": (
        [ingress()], {"headers": "x-a: b"}, IMAGE, {"headers": f"x-a: b\nx-forwarded-host: %[req.hdr(host)]\nhost: {SHOP_NAME}"}),
    "the Ingress'": (
        [ingress(headers="X-Forwarded-Host: y\n")], {}, IMAGE, {"headers": f"X-Forwarded-Host: y\nhost: {SHOP_NAME}"}),
    "the ConfigMap's": (
        [ingress(), lb(headers="x-a: b")], {}, IMAGE, {"headers": f"x-a: b\nx-forwarded-host: %[req.hdr(host)]\nhost: {SHOP_NAME}"}),
    "the newer key": (
        [ingress()], {"request_set_headers": "x-a: b", "headers": "x-c: d"}, "haproxy-ingress:v0.17.0",
        {"request-set-headers": f"x-a: b\nx-forwarded-host: %[req.hdr(host)]\nhost: {SHOP_NAME}", "headers": "x-c: d"}),
    "the Host already": ([ingress(headers="host: %[service].%[namespace].svc.cluster.local")], {}, IMAGE, {}),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "options", "image", "expected"), HEADERS.values(), ids=HEADERS)
def test_headers_are_kept(objects: list[Obj], options: dict[str, str], image: str, expected: dict[str, str]) -> None:
    snapshot = meshed(*objects, image=image, **options)
    found = run(snapshot, "host_rewrite")
    assert (found.verdicts, annotations(found.after)) == ({"mutual_tls"}, {"service-upstream": "true", **expected})
    assert contents(taken_back(found.after)) == contents(snapshot)


REFUSED: dict[str, tuple[list[Obj], dict[str, str], str, str]] = {
    "the Service says no": ([ingress()], OFF, IMAGE, "is 'false', the plan needs 'true'"),
    "the Ingress says no": ([ingress(**OFF)], {}, IMAGE, "is 'false', the plan needs 'true'"),
    "another Host": ([ingress(headers="host: x.example.com")], {}, IMAGE, "sets the Host x.example.com"),
    "an old version": ([ingress()], {}, "haproxy-ingress:v0.10.0", "has no such key"),
}


@pytest.mark.parametrize(("objects", "options", "image", "said"), REFUSED.values(), ids=REFUSED)
def test_refusals(objects: list[Obj], options: dict[str, str], image: str, said: str) -> None:
    found = run(meshed(*objects, image=image, **options), "host_rewrite")
    assert (found.written, said in found.route("a").after.why) == ([], True)


def test_ingresses_of_one_service_are_switched_together() -> None:
    found = run(meshed(ingress(), ingress("b", **OTHER_HOST), declared="web"), "service_vip")
    assert (found.written, found.verdicts) == (["patch Service apps/shop"], {"mutual_tls"})


def test_gateway_routes_are_served_without_the_vendor() -> None:
    snapshot = meshed(gateway(), route("a", rule(to_service("shop"))))
    for strategy in ("host_entry", "headless_twin", "auto"):
        assert run(snapshot, strategy).verdicts == {"mutual_tls"}
    for strategy in ("host_rewrite", "host_alias", "service_vip"):
        refused = run(snapshot, strategy)
        assert (refused.written, "pod addresses" in refused.route("a").after.why) == ([], True)


def test_both_kinds_of_routes_of_one_service_do_not_disturb_one_another() -> None:
    snapshot = meshed(ingress(), gateway(), route("b", rule(to_service("shop")), hosts=("b.example.com",)))
    found = run(snapshot)
    assert found.verdicts == {"mutual_tls"}
    assert contents(taken_back(found.after)) == contents(snapshot)


def test_the_global_config_map_is_read_and_left_alone() -> None:
    found = run(meshed(ingress(), lb(service_upstream="true", headers="host: %[service].%[namespace]")))
    assert (found.written, found.verdicts) == ([], {"mutual_tls"})


def test_ignored_ingresses() -> None:
    found = run(meshed(annotated(ingress(), ignore="true")), "host_rewrite")
    assert (found.written, PUBLIC) == ([], found.route("a").route.host)


def test_names_of_objects() -> None:
    assert obj("v1", "Service", APPS, "x")["metadata"] == {"name": "x", "namespace": APPS}
