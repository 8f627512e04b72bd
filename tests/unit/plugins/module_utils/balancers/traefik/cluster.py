# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster with a Traefik for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.routes import RouteReading, joined_readings
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.traefik.profile import PROFILE
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import LoadBalancer, ObjectRef, Route
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.gateways import gateway_class
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    Obj,
    container,
    ingress_class,
    live,
    namespace,
    obj,
    pod,
    service,
    workload,
)
from tests.unit.plugins.module_utils.support.known import detect

SERVICE_NOTE = "traefik.ingress.kubernetes.io/service"
# A listener of a Gateway needs an entry point with its port.
ENTRY_POINTS = tuple(f"--entryPoints.on{number}.address=:{number}/tcp" for number in (80, 443, 5432, 8000, 9000, 9443))
ALL = ("--providers.kubernetesingress", "--providers.kubernetescrd", "--providers.kubernetesgateway")
NGINX_TOO = (*ALL, "--providers.kubernetesingressnginx")


def traefik(*args: str, image: str = "docker.io/traefik:v3.6.12", name: str = "lb", **more: Any) -> Obj:
    made = container("traefik", image=image, args=[*ENTRY_POINTS, *args])
    return workload(name, where=EDGE, containers=[{**made, **more.pop("container", {})}], **more)


def cluster(*objects: Obj, args: Iterable[str] = ALL, image: str = "docker.io/traefik:v3.6.12", **more: Any) -> Snapshot:
    base = [
        namespace(EDGE, istio_injection="enabled"), namespace(APPS), traefik(*args, image=image, **more),
        ingress_class("traefik", "traefik.io/ingress-controller"), gateway_class("traefik.io/gateway-controller"),
    ]
    return live(*base, *objects)


def balancer(snapshot: Snapshot) -> LoadBalancer:
    return next(item for item in detect(snapshot)[0] if item.workload)


def reading(snapshot: Snapshot, only: frozenset[ObjectRef] | None = None) -> RouteReading:
    return joined_readings(*(reader.read(snapshot, balancer(snapshot), only) for reader in PROFILE.routes))


def routes(snapshot: Snapshot) -> list[Route]:
    return sorted(reading(snapshot).routes, key=lambda item: item.sort_key)


def only(snapshot: Snapshot) -> Route:
    (found,) = routes(snapshot)
    return found


def noted(name: str, where: str = APPS, *, ports: Iterable[Obj] = (), ip: str = "", created: str = "", **options: str) -> Obj:
    """A Service with Traefik's annotations (``nativelb="true"``)."""
    annotations = {f"{SERVICE_NOTE}.{key.replace('_', '.')}": value for key, value in options.items()}
    return service(name, *ports, where=where, ip=ip, annotations=annotations, created=created)


def ingress_route(
    name: str, *rules: tuple[str, list[Obj]], kind: str = "IngressRoute", where: str = APPS, annotations: Obj | None = None, **spec: Any
) -> Obj:
    """An IngressRoute of rules ``(match, services)``."""
    made = [{"kind": "Rule", "match": match, "services": services} for match, services in rules]
    return obj("traefik.io/v1alpha1", kind, where, name, annotations=annotations, spec={"routes": made, **spec})


def entry(name: str, port: int | str = 80, **more: Any) -> Obj:
    return {"name": name, "port": port, **more}


def traefik_service(name: str, where: str = APPS, **spec: Any) -> Obj:
    return obj("traefik.io/v1alpha1", "TraefikService", where, name, spec=spec)


def middleware(name: str, where: str = APPS, **spec: Any) -> Obj:
    return obj("traefik.io/v1alpha1", "Middleware", where, name, spec=spec)


SHOP = (service("shop", ip="10.96.9.1"), pod("shop"))
