# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers and their routes: how each is recognised, and how it addresses what it serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.oracle.cluster import TLS_MODE, Obj, name, namespace

from . import parts
from .backends import Backends
from .dice import Dice

HOME = "ingress"
ADDRESS = "10.0.9.9"
NGINX = "nginx.ingress.kubernetes.io/"
HOSTS = ("shop.example.com", "shop.example.com", "api.example.com", "*.example.com", "")
INBOUND = "traffic.sidecar.istio.io/includeInboundPorts"


@dataclass(frozen=True)
class Kind:
    """A load balancer as it is installed. ``to_service`` are annotations of the Service that make it dial the Service's address."""

    feature: str
    container: Obj
    controller: str
    labels: Mapping[str, str]
    on_route: Mapping[str, str] = field(default_factory=dict)
    on_service: Mapping[str, str] = field(default_factory=dict)
    rewrites: Callable[[str], dict[str, str]] = lambda host: {}


def _program(image: str, *args: str) -> Obj:
    return {"name": "controller", "image": image, "args": list(args)}


INGRESS_NGINX = Kind(
    "ingress-nginx",
    _program("registry.k8s.io/ingress-nginx/controller:v1.11.0", "/nginx-ingress-controller", "--controller-class=k8s.io/ingress-nginx",
             "--election-id=x"),
    "k8s.io/ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": "controller"},
    on_route={f"{NGINX}service-upstream": "true"}, rewrites=lambda host: {f"{NGINX}upstream-vhost": host},
)  # fmt: skip
TRAEFIK = Kind(
    "Traefik",
    _program("docker.io/traefik:v3.7.9", "--entryPoints.web.address=:8000/tcp", "--providers.kubernetescrd",
             "--providers.kubernetesingress"),
    "traefik.io/ingress-controller", {"app.kubernetes.io/name": "traefik"},
    on_service={"traefik.ingress.kubernetes.io/service.nativelb": "true"},
)  # fmt: skip
HAPROXY = Kind(
    "HAProxy Ingress",
    _program("quay.io/jcmoraisjr/haproxy-ingress:v0.15.0", "--configmap=ingress/x", "--controller-class=", "--ingress-class=edge"),
    "haproxy-ingress.github.io/controller", {"app.kubernetes.io/name": "haproxy-ingress"},
    on_service={"haproxy-ingress.github.io/service-upstream": "true"},
)  # fmt: skip
KINDS = (INGRESS_NGINX, INGRESS_NGINX, INGRESS_NGINX, TRAEFIK, HAPROXY)


def draw(dice: Dice, backends: Backends) -> list[Obj]:
    """A load balancer with one to four routes."""
    kind = dice.one(KINDS)
    dice.mark(kind.feature)
    routes = [_route(dice, kind, dice.one(backends.services), number) for number in range(dice.number(1, 4))]
    if len(routes) > 1:
        dice.mark("several routes")
    return [*_installed(dice, kind), *routes]


def _installed(dice: Dice, kind: Kind) -> list[Obj]:
    sidecar = not dice.on("load balancer without sidecar", 0.1)
    selector = {"app": "edge", **kind.labels}
    labels = {**selector, **({"sidecar.istio.io/inject": "true", TLS_MODE: "disabled"} if sidecar else {})}
    notes = {INBOUND: ""} if sidecar else {}
    if sidecar and dice.on("excluded address", 0.04):
        notes["traffic.sidecar.istio.io/excludeOutboundIPRanges"] = dice.one(["10.96.0.0/16", "10.0.1.0/24"])
    if sidecar and dice.on("excluded outbound port", 0.04):
        notes["traffic.sidecar.istio.io/excludeOutboundPorts"] = dice.one(["80", "8080"])
    spec = {"serviceAccountName": "edge", "containers": [kind.container]}
    template = {"metadata": {"labels": labels, "annotations": notes}, "spec": spec}
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "edge", "namespace": HOME, "labels": selector},
        "spec": {"selector": {"matchLabels": selector}, "template": template},
    }
    ingress_class = {
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "edge"}, "spec": {"controller": kind.controller},
    }
    running = parts.pod(
        HOME, "edge-5d8f7-x2x4z", ADDRESS, labels, sidecar=sidecar, account="edge", notes=notes, container=kind.container,
        owner="edge-5d8f7",
    )
    return [parts.namespace(HOME), deployment, running, ingress_class]


def _route(dice: Dice, kind: Kind, service: Obj, number: int) -> Obj:
    notes: dict[str, str] = {}
    headless = service["spec"].get("clusterIP", "None") == "None"
    if dice.on("Service address", 0.35) and not headless:
        notes.update(kind.on_route)
        service["metadata"]["annotations"].update(kind.on_service)
    full = f"{name(service)}.{namespace(service)}.svc.cluster.local"
    short = f"{name(service)}.{namespace(service)}"
    sent = dice.one([full, full, short, name(service), service["spec"].get("clusterIP", full), "nb.other.svc.cluster.local"])
    if kind.rewrites("x") and dice.on("Host rewrite", 0.15):
        notes.update(kind.rewrites(sent if sent != "None" else full))
    if kind is INGRESS_NGINX and dice.on("affinity", 0.12):
        notes[f"{NGINX}affinity"] = "cookie"
    if kind is INGRESS_NGINX and dice.on("TLS to the backend", 0.06):
        notes[f"{NGINX}backend-protocol"] = "HTTPS"
    elif kind is INGRESS_NGINX and dice.on("gRPC", 0.06):
        notes[f"{NGINX}backend-protocol"] = "GRPC"
    host, path = dice.one(HOSTS), dice.one(["/", "/", "/", f"/x{number}", "/a"])
    entry = dice.one(service["spec"]["ports"])
    return parts.ingress(namespace(service), f"route{number}", "edge", host, path, (name(service), entry["port"]), dice.age(), notes)
