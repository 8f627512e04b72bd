# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Tailscale's proxies carry: Ingresses, by one of their processes, and Services, by the kernel of their pods."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, Route, Upstream, replace
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, name_of, namespace_of, ref_of
from ...kube.services import cluster_ips, find_port
from ..kit.ingresses import IngressEntry, class_of
from ..kit.objects import BackendHandling, ServedObject, is_ignored, object_reader
from ..kit.readers import ingress_reader
from ..kit.settings import settings_of
from ..kit.streams import fixed_route
from .settings import PROXY_CLASS, PROXY_GROUP, Role, Settings

GROUP_KEY, EXPOSE = "tailscale.com/proxy-group", "tailscale.com/expose"
LOAD_BALANCER_CLASS = "tailscale"
FORWARDED = "the kernel of its pods forwards what is for a Service (DNAT), which no sidecar captures"


def serves(load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """The Ingress that a proxy was made for, or all those that are for its group."""
    return class_of(ingress)[0] in load_balancer.classes and _is_for(settings_of(load_balancer, Settings), ingress, Role.INGRESS)


def of_entry(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
    """How it reaches the backend of an Ingress."""
    tls = (find_port(service, entry.reference) or {}).get("port") == 443 or entry.reference == "https"
    dropped = _why_dropped(settings_of(load_balancer, Settings), ingress, entry, service)
    return BackendHandling("cluster_ip", scheme="tls" if tls else "http", dropped=dropped)


def _why_dropped(settings: Settings, ingress: Obj, entry: IngressEntry, service: Obj) -> str:
    if not cluster_ips(service):
        return "the operator takes only Services with an address of their own"
    expected = _published(ingress) if settings.role is Role.GROUP else dig(ingress, "spec", "tls", 0, "hosts", 0, default="")
    known = bool(expected) or settings.role is Role.INGRESS
    return "the operator takes no rule for another host than its own" if entry.host and known and entry.host != expected else ""


def _published(ingress: Obj) -> str:
    """The name in the tailnet by which clients ask, as soon as the operator has written it down."""
    return str(dig(ingress, "status", "loadBalancer", "ingress", 0, "hostname", default=""))


def as_published(_load_balancer: LoadBalancer, ingress: Obj, route: Route) -> Route:
    """With the Host that clients send, and with paths as a proxy matches them: all of them by whole elements."""
    return replace(route, host=_published(ingress), path_type="Prefix")


def read_service(item: ServedObject) -> Iterator[Route | Finding]:
    """Ports of an exposed Service: routes where the proxy can have no sidecar anyway, else a finding, as none would see them."""
    service, load_balancer, ref = item.obj, item.load_balancer, ref_of(item.obj)
    if settings_of(load_balancer, Settings).role is not Role.SERVICE or load_balancer.sidecar.present:
        yield finding("MLB221", f"{load_balancer.label}: {FORWARDED}", ref)
        return
    for port in dig(service, "spec", "ports", default=[]):
        number = int(port.get("port", 0))
        target = (namespace_of(service), name_of(service), number)
        route = fixed_route(load_balancer, ref, f"tcp:{number}", target, "tcp", item.service, ignored=is_ignored(service))
        yield replace(route, upstream=Upstream("cluster_ip", "", "tcp"), why_not_settable=FORWARDED)


def exposes(load_balancer: LoadBalancer, service: Obj) -> bool:
    """Whether a Service is exposed by this proxy."""
    return _exposed(service) and _is_for(settings_of(load_balancer, Settings), service, Role.SERVICE)


def _exposed(service: Obj) -> bool:
    named = dig(service, "spec", "type") == "LoadBalancer" and dig(service, "spec", "loadBalancerClass") == LOAD_BALANCER_CLASS
    return bool(cluster_ips(service)) and (named or annotations_of(service).get(EXPOSE) == "true")


def _is_for(settings: Settings, obj: Obj, role: Role) -> bool:
    """Whether an object is the one that a proxy of this role was made for, or is for its group."""
    group = annotations_of(obj).get(GROUP_KEY, "")
    if settings.role is Role.GROUP:
        return group == settings.name
    return settings.role is role and not group and (namespace_of(obj), name_of(obj)) == (settings.namespace, settings.name)


READERS = (
    ingress_reader(of_entry, serves, refine=as_published, kinds=(PROXY_CLASS, PROXY_GROUP)),
    object_reader(kinds.SERVICE, read_service, exposes),
)
