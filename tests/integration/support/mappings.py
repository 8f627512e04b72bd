# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Emissary's routes of every kind, each for a Host of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import apps
from .cluster import Cluster, Obj

NAMESPACE = "mappings"
HOME = "emissary"
STREAM = 9000
V3 = "getambassador.io/v3alpha1"
# Each Service has a pod port of its own: a sidecar's inbound side serves one port with one protocol.
SERVICES: dict[str, tuple[int, int, str]] = {
    "http": (80, 8080, "http"), "http-8000": (8000, 8081, "http"), "auto": (80, 8082, ""), "tcp": (80, 8083, "tcp-web"),
    "equal": (8084, 8084, "http"), "raw": (81, 8085, "tcp-raw"), "shared": (80, 8086, "http"), "auto-endpoint": (80, 8087, ""),
    "http-endpoint": (80, 8088, "http"), "equal-endpoint": (8089, 8089, "http"), "noted": (80, 8092, "http"),
    "weighted": (80, 8093, "http"), "prefixed": (80, 8094, "http"), "balanced": (80, 8095, "http"),
}  # fmt: skip
HEADLESS = {"headless-auto": (8091, 8091, ""), "headless-http": (8090, 8090, "http")}
ENDPOINT = {"resolver": "endpoint"}
FULL = "http.mappings.svc.cluster.local"
KINDS: dict[str, dict[str, Any]] = {
    "http": {}, "http-8000": {"service": "http-8000:8000"}, "auto": {}, "tcp": {}, "equal": {"service": "equal:8084"},
    "full-name": {"service": "http.mappings.svc.cluster.local:80"}, "rewritten": {"service": "http:80", "host_rewrite": FULL},
    "resolved": {"service": "http.mappings", "auto_host_rewrite": True}, "prefixed": {"prefix": "/p/"},
    "http-endpoint": ENDPOINT, "auto-endpoint": ENDPOINT, "equal-endpoint": {"service": "equal-endpoint:8089", **ENDPOINT},
    "balanced": {"load_balancer": {"policy": "ring_hash", "header": "x-user"}, **ENDPOINT},
    # One upstream for both: the first one's resolver holds for the second as well.
    "shared-a": {"service": "shared", **ENDPOINT}, "shared-b": {"service": "shared"},
    "headless-auto": {"service": "headless-auto:8091"}, "headless-http": {"service": "headless-http:8090"}, "no-sidecar": {},
}  # fmt: skip
INGRESSES = {"ingress-http": "http", "ingress-auto": "auto"}
ANNOTATED, STREAMED = "noted", "stream"


def kinds() -> list[str]:
    """The kinds of route, in the order of the table."""
    return [*KINDS, *INGRESSES, ANNOTATED, STREAMED]


def host(kind: str) -> str:
    """The Host of a kind's route."""
    return f"{kind}.mappings.example.test"


def first_objects(image: str) -> list[Obj]:
    """Applications, and Services that have their pods' ports read as HTTP, so that the application is told who calls."""
    numbers = [pod_port for _number, pod_port, _name in SERVICES.values()]
    declared = [apps.port(10000 + number, number, f"http-{number}") for number in numbers]
    headless = [pod_port for _number, pod_port, _name in HEADLESS.values()]
    return [
        apps.namespace(NAMESPACE),
        *apps.echo(NAMESPACE, "echo", image, numbers),
        *apps.echo(NAMESPACE, "headless", image, headless),
        *apps.echo(NAMESPACE, "plain", image, [8080], sidecar=False),
        apps.service(NAMESPACE, "echo-read-as-http", {"app": "echo"}, declared),
        apps.service(NAMESPACE, "headless-read-as-http", {"app": "headless"}, [apps.port(10000 + n, n, f"http-{n}") for n in headless]),
    ]


def routes() -> Iterator[Obj]:
    """One Service of each sort, and one route of each kind."""
    for name, (number, pod_port, port_name) in SERVICES.items():
        made = apps.service(NAMESPACE, name, {"app": "echo"}, [apps.port(number, pod_port, port_name)])
        if name == ANNOTATED:
            made["metadata"]["annotations"] = {"getambassador.io/config": note()}
        yield made
    for name, (number, pod_port, port_name) in HEADLESS.items():
        yield apps.service(NAMESPACE, name, {"app": "headless"}, [apps.port(number, pod_port, port_name)], headless=True)
    yield apps.service(NAMESPACE, "no-sidecar", {"app": "plain"}, [apps.port(80, 8080, "http")])
    for kind, spec in KINDS.items():
        yield mapping(kind, {"hostname": host(kind), "prefix": "/", "service": kind, **spec})
    for kind, service in INGRESSES.items():
        yield apps.ingress(NAMESPACE, kind, host(kind), (service, 80), ingress_class="ambassador")
    yield mapping(STREAMED, {"port": STREAM, "service": "raw:81"}, "TCPMapping")
    selector = {"app.kubernetes.io/name": "emissary-ingress", "app.kubernetes.io/instance": "emissary-ingress"}
    yield apps.service(HOME, "stream", selector, [apps.port(STREAM, STREAM, "http")])


def mapping(name: str, spec: Obj, kind: str = "Mapping") -> Obj:
    """A Mapping or a TCPMapping."""
    return {"apiVersion": V3, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def note() -> str:
    """A Mapping inside of an annotation."""
    return f"apiVersion: {V3}\nkind: Mapping\nname: in-a-note\nhostname: {host(ANNOTATED)}\nprefix: /\nservice: {ANNOTATED}\n"


def module(**config: Any) -> Obj:
    """Emissary's global settings."""
    return {"apiVersion": V3, "kind": "Module", "metadata": {"name": "ambassador", "namespace": HOME}, "spec": {"config": config}}


def build(cluster: Cluster, image: str) -> None:
    """Make all of it, the readers first."""
    cluster.apply(*first_objects(image))
    cluster.rolled_out(NAMESPACE, "deployment/echo", "deployment/headless", "deployment/plain")
    cluster.apply(*routes())
