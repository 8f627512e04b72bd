# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes of HAProxy Technologies' controller, all of which go to pod addresses."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, Scheme
from ...kube.objects import Obj, annotations_of, dig, namespace_of
from ..kit.annotations import GO_TRUE
from ..kit.classes import ClassRule
from ..kit.declared import DeclaredRoute, ServiceReference
from ..kit.gateway.dialect import Dialect
from ..kit.ingresses import IngressEntry, ingress_ref
from ..kit.objects import BackendHandling, ServedObject, object_reader
from ..kit.readers import always, gateway_reader, ingress_reader
from ..kit.settings import settings_of
from ..kit.streams import declared_stream, default_backend_reader, tcp_services_reader
from .settings import Settings

_TRUE = GO_TRUE | {"enabled", "on"}
_WHY_NOT = "HAProxy Technologies' controller always sends to pod addresses"
_HTTP_ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute")


def serves(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """The rules of documentation/ingressclass.md: by class, else by the default class, else by what it was started with."""
    settings, names = settings_of(load_balancer, Settings), frozenset(load_balancer.classes)
    # Releases that still looked at the annotation compared it with the class that they were started with.
    rule = ClassRule(names, names | {settings.suffix}, settings.without_class, empty_is_none=True)
    return settings.scope.covers(namespace_of(obj)) and rule.takes(obj)


def serves_tcp(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """Whether it serves an object of kind TCP."""
    name = annotations_of(obj).get("ingress.class", "")
    return name in load_balancer.classes or (not name and settings_of(load_balancer, Settings).tcp_without_class)


def of_entry(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
    """How it reaches the backend of an Ingress."""
    keys = settings_of(load_balancer, Settings).keys
    balanced, affinity = keys.value("load-balance", service, ingress), keys.value("cookie-persistence", service)
    return BackendHandling(
        # HAProxy fills in what stands in %[...] when the request is there.
        host=(keys.value("set-host", ingress) or "").replace("%[", "$["),
        features=(*(("affinity",) if affinity else ()), *(("balancing",) if balanced else ())),
        scheme=_scheme(load_balancer, ingress, service), why_not_settable=_WHY_NOT,
    )


def remarks(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> Iterator[Finding]:
    """A warning where it speaks TLS itself."""
    if _scheme(load_balancer, ingress, service) == "tls":
        yield finding("MLB209", f"TLS is spoken to {entry.service} past the sidecar", ingress_ref(ingress))


def _scheme(load_balancer: LoadBalancer, ingress: Obj, service: Obj) -> Scheme:
    keys = settings_of(load_balancer, Settings).keys
    if any(keys.value(key, service, ingress) in _TRUE for key in ("server-ssl", "ssl-passthrough")):
        return "tls"
    return "tcp" if keys.value("send-proxy-protocol", service, ingress) else "http"


def declared_tcp(item: ServedObject) -> Iterator[DeclaredRoute]:
    """What an object of kind TCP declares."""
    for part in dig(item.obj, "spec", default=[]):
        for service in [*([part["service"]] if part.get("service") else []), *(part.get("services") or [])]:
            target = ServiceReference(namespace_of(item.obj), str(service.get("name")), int(service.get("port") or 0))
            yield declared_stream(f"tcp:{part.get('name')}", target)


def gateway_controllers(load_balancer: LoadBalancer) -> set[str]:
    """The controller of the GatewayClasses that it serves; none unless it was started with one."""
    return {settings_of(load_balancer, Settings).gateway_controller} - {""}


READERS = (
    ingress_reader(of_entry, serves, remarks=remarks),
    tcp_services_reader(lambda load_balancer: settings_of(load_balancer, Settings).tcp_services),
    *(object_reader(f"TCP.ingress.{version}.haproxy.org", declared_tcp, serves_tcp) for version in ("v1", "v3")),
    default_backend_reader(lambda load_balancer: settings_of(load_balancer, Settings).default_backend),
    gateway_reader(gateway_controllers, always(BackendHandling(why_not_settable=_WHY_NOT)), dialect=Dialect().without(*_HTTP_ROUTES)),
)
