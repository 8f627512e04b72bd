# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading ingress-nginx's routes as the controller does: oldest Ingress first, one upstream per Service port reference.

Source: kubernetes/ingress-nginx internal/ingress/controller/controller.go (createUpstreams, getBackendServers) and
store/store.go (GetIngressClass, sortIngressSlice).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Scheme, Upstream
from ...istio.mesh import reads_http_1_0
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, created_at, dig, name_of, namespace_of
from ...kube.services import target_port
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.annotations import go_bool
from ..kit.classes import ClassRule
from ..kit.declared import DeclaredRoute, ServiceLookup, ServiceReference
from ..kit.ingresses import IngressEntry, entries, ingress_ref, resource_findings
from ..kit.objects import declared_reading, objects_of, served_object, services_of
from ..kit.own_requests import OwnRequests
from ..kit.settings import settings_of
from ..kit.streams import default_backend_reader, tcp_services_reader
from .settings import Settings

_REWRITES = ("rewrite-target", "app-root", "use-regex")
_REDIRECTS = ("temporal-redirect", "permanent-redirect")
_TLS_PROTOCOLS = frozenset({"HTTPS", "GRPCS"})
_PROXIED, _HTTP_VERSIONS = ("", "HTTP", "AUTO_HTTP"), ("1.0", "1.1")

Location = tuple[str, str, str]


@dataclass(frozen=True)
class AnnotatedIngress:
    """An Ingress, and what its annotations say (by key, without their prefix)."""

    ingress: Obj
    said: Mapping[str, str]
    service_upstream: bool
    canary: bool


@dataclass
class Locations:
    """What is shared by host and path: ``main`` is the first Ingress that is no canary, and its entry.

    ``aliases`` are further names of hosts, which no Ingress has as its own.
    """

    main: dict[Location, tuple[AnnotatedIngress, IngressEntry]] = field(default_factory=dict)
    canaries: set[Location] = field(default_factory=set)
    passed_through: set[str] = field(default_factory=set)
    aliases: dict[str, dict[str, None]] = field(default_factory=dict)


def serves(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """Whether this instance serves an Ingress: by class name, else by annotation, else without a class."""
    settings = settings_of(load_balancer, Settings)
    rule = ClassRule(frozenset(load_balancer.classes), frozenset({settings.class_name}), settings.without_class)
    allowed = settings.catch_all or not dig(obj, "spec", "defaultBackend")
    return allowed and settings.scope.covers(namespace_of(obj)) and rule.takes(obj)


def read_ingress_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of its Ingresses, which decide about each other."""
    asked = list(objects_of(snapshot, kinds.INGRESS, only))
    # No route of theirs is among those asked for where they have none, and yet they may decide for others' upstreams.
    deciding = [] if only is None else snapshot.lookup(kinds.INGRESS, _may_lack_routes, True)
    ours = [item for item in {ingress_ref(item): item for item in (*asked, *deciding)}.values() if serves(load_balancer, item)]
    settings = settings_of(load_balancer, Settings)
    if reads_http_1_0(snapshot, load_balancer.revision):
        settings = replace(settings, http_1_0="http")
    by_itself = _own_requests(OwnRequests(snapshot, load_balancer), settings, ours)
    declared = (*declared_together(settings, ours, services_of(snapshot)), *by_itself)
    return declared_reading(
        partial(served_object, snapshot, load_balancer), [item for item in declared if only is None or ingress_ref(item[0]) in only]
    )


def _may_lack_routes(ingress: Obj) -> Iterator[bool]:
    """Whether annotations may keep all requests from an Ingress's backends."""
    if any(key.rpartition("/")[2] in ("canary", *_REDIRECTS) for key in annotations_of(ingress)):
        yield True


def _own_requests(own: OwnRequests, settings: Settings, ingresses: Iterable[Obj]) -> Iterator[tuple[Obj, DeclaredRoute | Finding]]:
    """What nginx asks for by itself: whether a request is allowed, copies, and pages for errors (to pods)."""
    for ingress in ingresses:
        said = settings.keys.of(ingress)
        # An Ingress may keep the authentication that holds for all away from itself.
        for_all = settings.auth_url if go_bool(said.get("enable-global-auth"), default=True) else ""
        mirror = ("mirror-target", said.get("mirror-target", ""), said.get("mirror-host", ""))
        urls = (("auth-url", said.get("auth-url") or for_all, ""), mirror)
        yield from ((ingress, part) for what, url, host in urls for part in own.to_url(ingress, what, url, host))
        page = said.get("default-backend", "")
        service = services_of(own.snapshot)(namespace_of(ingress), page) if page else {}
        for port in dig(service, "spec", "ports", default=[])[:1]:
            target = ServiceReference(namespace_of(ingress), page, int(port.get("port", 0)))
            yield ingress, own.to_service("default-backend", target, Upstream("pod_ips"))


def declared_together(
    settings: Settings, ingresses: Iterable[Obj], service: ServiceLookup
) -> Iterator[tuple[Obj, DeclaredRoute | Finding]]:
    """What Ingresses declare together."""
    ordered = [_annotated(settings, item) for item in by_age(ingresses)]
    deciders, shared = _deciders(ordered), _locations(ordered)
    for item in ordered:
        for remark in _remarks(settings, item, deciders):
            yield item.ingress, remark
        for entry in served_entries(item.ingress):
            unserved = _why_unserved(item, entry, shared)
            if unserved:
                yield item.ingress, finding("MLB220", f"{entry.host}{entry.path}: {unserved}", ingress_ref(item.ingress))
                continue
            decider = deciders[_group(item.ingress, entry)]
            why_not = _why_not_settable(decider, _group(item.ingress, entry), shared)
            for part in _routes(settings, item, entry, decider, shared, service, why_not):
                yield item.ingress, part


def _why_unserved(item: AnnotatedIngress, entry: IngressEntry, shared: Locations) -> str:
    """Why no request reaches an entry's backend, empty where some do."""
    redirect = next((key for key in _REDIRECTS if str(item.said.get(key) or "").startswith("http")), "")
    if redirect and not item.canary:
        return f"{redirect} has it answer by itself, with {item.said[redirect]!r}"
    if not item.canary:
        return ""
    main = shared.main.get(_location(entry))
    if main is None:
        return "a canary is served only beside an Ingress of the same host, path and path type that is none, and there is none"
    if _group(item.ingress, entry) == _group(main[0].ingress, main[1]):
        return f"a canary to the same Service and port as its main one, {ingress_ref(main[0].ingress)}, is left out"
    return _why_unserved(*main, shared)


def _why_not_settable(decider: AnnotatedIngress, group: str, shared: Locations) -> str:
    """Why nothing is set for a shared upstream: an Ingress decides about it that has no route in it, so that no plan changes it."""
    its_own = (entry for entry in served_entries(decider.ingress) if _group(decider.ingress, entry) == group)
    if any(not _why_unserved(decider, entry, shared) for entry in its_own):
        return ""
    return f"{ingress_ref(decider.ingress)} is older and decides for the same Service and port, and it is not served"


def by_age(ingresses: Iterable[Obj]) -> list[Obj]:
    """Ingresses in the controller's own order: oldest first, and of one second the name that sorts last."""
    by_name = sorted(ingresses, key=lambda item: f"{namespace_of(item)}/{name_of(item)}", reverse=True)
    return sorted(by_name, key=created_at)


def _annotated(settings: Settings, ingress: Obj) -> AnnotatedIngress:
    said = settings.keys.of(ingress)
    by_address = go_bool(said.get("service-upstream"), default=settings.service_upstream)
    return AnnotatedIngress(ingress, said, by_address, go_bool(said.get("canary")))


def _locations(ordered: list[AnnotatedIngress]) -> Locations:
    """What Ingresses share by host and path: a canary has no location of its own, so the main one's settings hold."""
    shared = Locations()
    for item in ordered:
        for entry in served_entries(item.ingress):
            if item.canary:
                shared.canaries.add(_location(entry))
                continue
            shared.main.setdefault(_location(entry), (item, entry))
            if go_bool(item.said.get("ssl-passthrough")):
                shared.passed_through.add(entry.host)
    hosts = {str(rule.get("host", "")) for item in ordered for rule in dig(item.ingress, "spec", "rules", default=[])}
    for item in ordered:
        names = [name.strip() for name in str(item.said.get("server-alias") or "").split(",")]
        for rule in dig(item.ingress, "spec", "rules", default=[]):
            # Those that begin with a tilde are regular expressions.
            more = {name: None for name in names if name and name not in hosts and not name.startswith("~")}
            shared.aliases.setdefault(str(rule.get("host", "")), {}).update(more)
    return shared


def _deciders(ordered: list[AnnotatedIngress]) -> dict[str, AnnotatedIngress]:
    """Which Ingress decides about each shared upstream: the first one, but a default backend starts it anew."""
    deciders: dict[str, AnnotatedIngress] = {}
    for item in ordered:
        for entry in entries(item.ingress):
            if entry.default or _group(item.ingress, entry) not in deciders:
                deciders[_group(item.ingress, entry)] = item
    return deciders


def _routes(
    settings: Settings, item: AnnotatedIngress, entry: IngressEntry, decider: AnnotatedIngress, shared: Locations, service: ServiceLookup,
    why_not: str,
) -> Iterator[DeclaredRoute | Finding]:
    """The routes of an entry, one for each name of its host. ``why_not`` is empty where it can be set how they are dialled."""
    namespace = namespace_of(item.ingress)
    number = _port(service(namespace, entry.service), entry.reference)
    if number != entry.reference and isinstance(entry.reference, int):
        why_not = f"port {entry.reference} is that of the pods, and none of Service {entry.service}, where nothing listens on it"
        if decider.service_upstream:
            message = f"{entry.host}{entry.path}: with service-upstream nothing answers, as {why_not}"
            yield finding("MLB220", message, ingress_ref(item.ingress))
            return
    canary = ("canary",) if item.canary or _location(entry) in shared.canaries else ()
    route = DeclaredRoute(
        ServiceReference(namespace, entry.service, number), entry.host, entry.path, entry.path_type,
        _upstream(settings, item, entry, decider, shared), _group(item.ingress, entry), (*_features(decider, item), *canary),
        canary=item.canary, rewrites_path=any(item.said.get(key) for key in _REWRITES), why_not_settable=why_not,
    )
    yield from (replace(route, host=host) for host in (entry.host, *shared.aliases.get(entry.host, ())))


def _port(service: Obj, reference: int | str) -> int | str:
    """The Service's port that a reference means: one of that number or name, or one that leads to the pods' port of that number or name."""
    for port in dig(service, "spec", "ports", default=[]):
        if str(reference) in (str(port.get("port")), str(port.get("name", "")), str(target_port(port))):
            return int(port.get("port", 0))
    return reference


def _upstream(settings: Settings, item: AnnotatedIngress, entry: IngressEntry, decider: AnnotatedIngress, shared: Locations) -> Upstream:
    passed = entry.host in shared.passed_through and entry.host and entry.path == "/"
    if passed and settings.ssl_passthrough:
        return Upstream("cluster_ip", "", "tls")
    owner, location = shared.main.get(_location(entry), (item, entry)) if item.canary else (item, entry)
    protocol = _protocol(owner)
    plain = settings.http_1_0 if _is_old(settings, owner) else "http"
    scheme: Scheme = "tls" if protocol in _TLS_PROTOCOLS else "tcp" if protocol == "FCGI" else plain
    return Upstream("cluster_ip" if decider.service_upstream else "pod_ips", _host(owner, location), scheme)


def _protocol(item: AnnotatedIngress) -> str:
    return item.said.get("backend-protocol", "").upper()


def _is_old(settings: Settings, item: AnnotatedIngress) -> bool:
    """Whether HTTP/1.0 is spoken to the backends."""
    said = item.said.get("proxy-http-version", "")
    return (said if said in _HTTP_VERSIONS else settings.http_version) == "1.0" and _protocol(item) in _PROXIED


def _host(item: AnnotatedIngress, entry: IngressEntry) -> str:
    """upstream-vhost with the variables filled in that the plan itself uses; others stay and count as unknown."""
    text = "" if item.canary else item.said.get("upstream-vhost", "")
    for name, value in (("service_name", entry.service), ("namespace", namespace_of(item.ingress))):
        text = text.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return "" if text in ("$host", "$http_host", "$best_http_host") else text


def _features(decider: AnnotatedIngress, item: AnnotatedIngress) -> Iterator[str]:
    if item.said.get("affinity") == "cookie":
        yield "affinity"
    if decider.said.get("upstream-hash-by") or decider.said.get("load-balance"):
        yield "balancing"
    if item.said.get("proxy-next-upstream"):
        yield "retries"


def _remarks(settings: Settings, item: AnnotatedIngress, deciders: dict[str, AnnotatedIngress]) -> Iterator[Finding]:
    ingress, ref, written = item.ingress, ingress_ref(item.ingress), item.said.get("service-upstream")
    for group in sorted({_group(ingress, entry) for entry in entries(ingress)}):
        decider = deciders[group]
        if written is not None and item.service_upstream != decider.service_upstream:
            other = ingress_ref(decider.ingress)
            message = f"service-upstream {written!r} has no effect for upstream {group}: older {other} decides"
            yield finding("MLB210", message, ref, cause=other)
    if item.said.get("default-backend"):
        yield finding("MLB205", "the default-backend annotation sends errors to pod addresses", ref)
    yield from resource_findings(ingress)
    if _protocol(item) in _TLS_PROTOCOLS:
        yield finding("MLB209", "backend-protocol has the load balancer speak TLS itself", ref)
    if _is_old(settings, item) and settings.http_1_0 != "http":
        message = "proxy-http-version is 1.0, which its sidecar lets pass whatever the Host, and the backend's answers with 426"
        yield finding("MLB230", message, ref)


def _location(entry: IngressEntry) -> Location:
    return (entry.host, entry.path, entry.path_type)


def served_entries(ingress: Obj) -> Iterator[IngressEntry]:
    """Entries as this controller serves them: beside rules, a default backend is for the rest of their hosts, not for any host."""
    listed = list(entries(ingress))
    hosts = dict.fromkeys(str(rule.get("host", "")) for rule in dig(ingress, "spec", "rules", default=[]))
    served = {"", *(entry.host for entry in listed if not entry.default and entry.path == "/")}
    for entry in listed:
        if entry.default and hosts:
            yield from (replace(entry, host=host) for host in hosts if host not in served)
        else:
            yield entry


def _group(ingress: Obj, entry: IngressEntry) -> str:
    return f"{namespace_of(ingress)}-{entry.service}-{entry.reference}"


READERS = (
    RouteReader(read_ingress_routes), tcp_services_reader(lambda load_balancer: settings_of(load_balancer, Settings).tcp_services),
    default_backend_reader(lambda load_balancer: settings_of(load_balancer, Settings).default_backend),
)
