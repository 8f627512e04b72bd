# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of haproxy ingress share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.routes import RouteReading
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import LoadBalancer, ObjectRef, Route
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.gateways import gateway_class
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
    path,
    peer_authentication,
    pod,
    port,
    service,
    workload,
)
from tests.unit.plugins.module_utils.support.cluster import ingress as plain_ingress
from tests.unit.plugins.module_utils.support.known import detect, read_routes

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


def reading(snapshot: Snapshot, only: frozenset[ObjectRef] | None = None) -> RouteReading:
    found, findings = read_routes(snapshot, [balancer(snapshot)], only)
    return RouteReading(tuple(found), tuple(findings))


def routes(*objects: Obj, **more: Any) -> list[Route]:
    return list(reading(cluster(*objects, **more)).routes)


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

PORTS = [port("http", 80, 8080), port("admin", 8080, 9090)]


def meshed(*objects: Obj, declared: str = "http", image: str = IMAGE, **options: str) -> Snapshot:
    return cluster(
        peer_authentication(), noted("shop", ports=[port(declared)], ip="10.96.9.1", **options), pod("shop", http=8080), *objects,
        image=image,
    )


def annotations(snapshot: Snapshot) -> dict[str, str]:
    found = snapshot.get("Service", APPS, "shop") or {}
    return {key.partition("/")[2]: value for key, value in found["metadata"].get("annotations", {}).items() if key.startswith(PREFIX)}


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

REFUSED: dict[str, tuple[list[Obj], dict[str, str], str, str]] = {
    "the Service says no": ([ingress()], OFF, IMAGE, "is 'false', the plan needs 'true'"),
    "the Ingress says no": ([ingress(**OFF)], {}, IMAGE, "is 'false', the plan needs 'true'"),
    "another Host": ([ingress(headers="host: x.example.com")], {}, IMAGE, "sets the Host x.example.com"),
    "an old version": ([ingress()], {}, "haproxy-ingress:v0.10.0", "has no such key"),
}
