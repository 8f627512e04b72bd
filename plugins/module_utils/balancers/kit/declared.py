# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an object declares of a route, and the one way in which that becomes a :class:`core.model.Route`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...core.model import Backend, LoadBalancer, ObjectRef, Route, Upstream
from ...istio.protocols import port_protocol
from ...kube.objects import Obj
from ...kube.services import find_port

ServiceLookup = Callable[[str, str], Obj]
"""A Service by namespace and name, empty where there is none."""


@dataclass(frozen=True)
class ServiceReference:
    """A Service port as an object names it, by number or by name."""

    namespace: str
    service: str
    port: int | str = 0


@dataclass(frozen=True)
class DeclaredRoute:
    """What an object declares of one host and path.

    ``backend`` is resolved already where it may be no Service. ``upstream`` may depend on the Service, which is empty where there is none.
    ``group`` names the upstream inside the load balancer. ``why_not_settable`` is empty where the load balancer has a switch for the route.
    The other fields are those of :class:`core.model.Route`.
    """

    backend: ServiceReference | Backend
    host: str = ""
    path: str = "/"
    path_type: str = "Prefix"
    upstream: Upstream | Callable[[Obj], Upstream] = Upstream()
    group: str = ""
    features: Iterable[str] = ()
    canary: bool = False
    rewrites_path: bool = False
    why_not_settable: str = ""


def host_among(headers: Iterable[Obj]) -> str | None:
    """The Host among headers that are set, each a map of ``name`` and ``value``; ``None`` where it is not among them."""
    return next((str(item.get("value", "")) for item in headers if str(item.get("name", "")).lower() == "host"), None)


def as_route(
    load_balancer: LoadBalancer, ref: ObjectRef, declared: DeclaredRoute, service: ServiceLookup, *,
    ignored: bool = False, pinned: str = "",
) -> Route:
    """The route that the object ``ref`` declares. ``ignored`` and ``pinned`` are what the user's annotations ask for."""
    target, upstream = declared.backend, declared.upstream
    if isinstance(target, ServiceReference):
        target = backend_of(service(target.namespace, target.service), target.namespace, target.service, target.port)
    if not isinstance(upstream, Upstream):
        upstream = upstream(service(target.namespace, target.service))
    return Route(
        load_balancer=load_balancer.key, object=ref, host=declared.host, path=declared.path, path_type=declared.path_type,
        backend=target, upstream=upstream, upstream_group=declared.group, features=tuple(sorted(set(declared.features))),
        canary=declared.canary, rewrites_path=declared.rewrites_path, settable=not declared.why_not_settable,
        why_not_settable=declared.why_not_settable, ignored=ignored, pinned_strategy=pinned,
    )


def backend_of(service: Obj | None, namespace: str, name: str, reference: int | str) -> Backend:
    """The port of a Service (empty where there is none) that a reference leads to; number 0 where there is no such port."""
    port = find_port(service, reference) if service else None
    if port is None:
        return Backend(namespace, name, reference if isinstance(reference, int) else 0, str(reference), "unknown")
    return Backend(namespace, name, int(port.get("port", 0)), str(port.get("name") or ""), port_protocol(port))
