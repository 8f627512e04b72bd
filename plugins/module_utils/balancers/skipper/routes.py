# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Skipper's routes: Ingresses and RouteGroups, and what filters make of the Host and the path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache, partial

from ...core.expressions import Budget, matches_part
from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, Upstream, replace
from ...core.re2_syntax import ExpressionError
from ...kube.default_class import CLASS_ANNOTATION
from ...kube.objects import Obj, annotations_of, dig, name_of, namespace_of, ref_of
from ...kube.services import find_port, full_name, target_port
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.declared import DeclaredRoute, ServiceReference
from ..kit.ingresses import IngressEntry, class_of
from ..kit.objects import BackendHandling, ServedObject, objects_of, read_objects, served_object
from ..kit.own_requests import OwnRequests
from ..kit.readers import ingress_reader
from ..kit.settings import settings_of
from .settings import Settings

ROUTE_GROUP = "RouteGroup.zalando.org"
FILTER, PROTOCOL = "zalando.org/skipper-filter", "zalando.org/skipper-backend-protocol"
_ALGORITHM = "zalando.org/skipper-loadbalancer"
_PATH_MODE = "zalando.org/skipper-ingress-path-mode"
_PATH_TYPES = {"path-prefix": "Prefix", "path-regexp": "RegularExpression"}
MOST_STEPS_FOR_A_CLASS = 50_000
_REWRITES = re.compile(r"\b(?:setPath|modPath)\(")
_WHY = "it has no setting per object for Service routing, and its global one (kubernetes-force-service) dials the target port"


@lru_cache(maxsize=1000)
def matches_class(pattern: str, name: str) -> bool:
    """Whether a class's name matches; an expression that is none, or is not evaluated, matches nothing."""
    try:
        return matches_part(pattern, name, Budget(MOST_STEPS_FOR_A_CLASS))
    except ExpressionError:
        return False


def serves_ingress(load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """An annotation and a field that do not match rule an Ingress out; one without a class is served."""
    settings, annotations = settings_of(load_balancer, Settings), annotations_of(ingress)
    if CLASS_ANNOTATION in annotations and not matches_class(settings.ingress_class, annotations[CLASS_ANNOTATION]):
        return False
    name = class_of(ingress)[0]
    return _watches(settings, ingress) and (not name or matches_class(settings.ingress_class, name))


def serves_group(load_balancer: LoadBalancer, group: Obj) -> bool:
    """Whether a RouteGroup is served; one without a class is."""
    settings, name = settings_of(load_balancer, Settings), annotations_of(group).get("zalando.org/routegroup.class")
    return _watches(settings, group) and (name is None or matches_class(settings.group_class, name))


def _watches(settings: Settings, obj: Obj) -> bool:
    return settings.namespace in ("", namespace_of(obj))


def handle_entry(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
    """Pod addresses, or the Service's name with the port that pods listen on."""
    settings, annotations = settings_of(load_balancer, Settings), annotations_of(ingress)
    filters = annotations.get(FILTER, "")
    if settings.force_service:
        host = _host(settings, filters, full_name(namespace_of(ingress), entry.service, load_balancer.cluster_domain))
        return BackendHandling("host_name" if _other_port(service, entry) else "cluster_ip", host, why_not_settable=_WHY)
    return BackendHandling(
        "pod_ips", _host(settings, filters, "$pod_address"), features=_balanced(annotations.get(_ALGORITHM, "")),
        scheme="tls" if annotations.get(PROTOCOL) == "https" else "http", why_not_settable=_WHY,
    )


def remarks(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> Iterator[Finding]:
    """Whether its Service routing dials a port that the Service does not have."""
    port = _other_port(service, entry)
    if settings_of(load_balancer, Settings).force_service and port:
        yield finding("MLB206", f"it dials {entry.service}:{port}, the target port, which is no port of the Service", ref_of(ingress))


def _other_port(service: Obj, entry: IngressEntry) -> int | str:
    """The target port, where its number is not the Service's own; else nothing."""
    port = find_port(service, entry.reference)
    return target_port(port) if port and target_port(port) != port.get("port") else 0


def refine(load_balancer: LoadBalancer, ingress: Obj, route: Route) -> Route:
    """A route of an Ingress with what Skipper makes of its path: by elements, or as an expression, where the type leaves it open."""
    annotations, path_type = annotations_of(ingress), route.path_type
    mode = annotations.get(_PATH_MODE) or settings_of(load_balancer, Settings).path_mode
    if path_type == "ImplementationSpecific" and route.path != "/":
        path_type = _PATH_TYPES.get(mode, path_type)
    return replace(route, path_type=path_type, rewrites_path=_rewrites_path(annotations.get(FILTER, "")))


def _rewrites_path(filters: str) -> bool:
    return _REWRITES.search(filters) is not None


def _host(settings: Settings, filters: str, address: str) -> str:
    """What filters make of the Host, else the option; the backend's address where the client's is not kept."""
    keeps = settings.preserve_host
    for value in re.findall(r"preserveHost\(\s*\"(true|false)\"\s*\)", filters):
        keeps = value == "true"
    literal = re.findall(r"setRequestHeader\(\s*\"[Hh]ost\"\s*,\s*\"([^\"]*)\"\s*\)", filters)
    return literal[-1] if literal else "" if keeps else address


def _balanced(algorithm: str) -> tuple[str, ...]:
    return ("affinity",) if algorithm == "consistentHash" else ("balancing",) if algorithm else ()


def read_groups(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of all RouteGroups that it serves."""
    own = OwnRequests(snapshot, load_balancer)
    served = (obj for obj in objects_of(snapshot, ROUTE_GROUP, only) if serves_group(load_balancer, obj))
    return read_objects((served_object(snapshot, load_balancer, obj) for obj in served), partial(declare_group, own))


def declare_group(own: OwnRequests, item: ServedObject) -> Iterator[DeclaredRoute | Finding]:
    """What a RouteGroup declares: per rule its backends, else the default ones; without rules every path."""
    group = item.obj
    backends = {str(one.get("name", "")): one for one in dig(group, "spec", "backends", default=[])}
    default = dig(group, "spec", "defaultBackends", default=[])
    for rule in dig(group, "spec", "routes", default=[]) or [{}]:
        listed = rule.get("backends") or default
        for place, reference in enumerate(listed):
            backend = backends.get(str(reference.get("backendName", "")), {})
            for part in _declared_to(own, group, rule, backend):
                if isinstance(part, Finding):
                    yield part
                    continue
                features = (*part.features, *(("canary", "weights") if len(listed) > 1 else ()))
                declared = replace(part, features=features, canary=place > 0 or bool(rule.get("predicates")))
                yield from (replace(declared, host=str(host)) for host in dig(group, "spec", "hosts", default=[]) or [""])


def _declared_to(own: OwnRequests, group: Obj, rule: Obj, backend: Obj) -> Iterator[DeclaredRoute | Finding]:
    """The route to a Service, or to each address of a backend that is one of the cluster's Services by its name or address."""
    settings = settings_of(own.load_balancer, Settings)
    declared = _declared(settings, group, rule, backend)
    if backend.get("type") == "service":
        yield declared
    addresses = [backend.get("address")] if backend.get("type") == "network" else backend.get("endpoints") or []
    for address in filter(None, addresses):
        found = own.at_url(str(address), own.load_balancer.namespace)
        if found is None or found.target is None:
            yield finding("MLB208", f"backend {backend.get('name')} is {address}, which is no Service of the cluster", ref_of(group))
            continue
        host = _host(settings, " ".join(rule.get("filters") or []), found.name)
        yield replace(declared, backend=found.target, upstream=Upstream(found.address, host, found.scheme))


def _declared(settings: Settings, group: Obj, rule: Obj, backend: Obj) -> DeclaredRoute:
    filters = " ".join(rule.get("filters") or [])
    path, path_type = _path(rule)
    return DeclaredRoute(
        ServiceReference(namespace_of(group), str(backend.get("serviceName", "")), int(backend.get("servicePort") or 0)),
        path=path, path_type=path_type, upstream=Upstream("pod_ips", _host(settings, filters, "$pod_address"), "http"),
        group=f"RouteGroup-{namespace_of(group)}-{name_of(group)}-{backend.get('name')}",
        features=_balanced(str(backend.get("algorithm") or "")), rewrites_path=_rewrites_path(filters), why_not_settable=_WHY,
    )


def _path(rule: Obj) -> tuple[str, str]:
    if rule.get("path"):
        return str(rule["path"]), "Exact"
    if rule.get("pathRegexp"):
        return str(rule["pathRegexp"]), "RegularExpression"
    return str(rule.get("pathSubtree") or "/"), "Prefix"


GROUPS = RouteReader(read_groups, (ROUTE_GROUP,), (ROUTE_GROUP,))
READERS = (ingress_reader(handle_entry, serves_ingress, refine=refine, remarks=remarks), GROUPS)
