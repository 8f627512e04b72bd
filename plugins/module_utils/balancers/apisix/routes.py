# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading ApisixRoutes as APISIX's ingress controller translates them.

Source: apache/apisix-ingress-controller internal/adc/translator/apisixroute.go and apisixupstream.go: an ApisixUpstream of the
Service's name holds for it, and its settings for one port replace all of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from ...core.findings import finding
from ...core.model import Address, Backend, Finding, LoadBalancer, ObjectRef, Scheme, Upstream, replace
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, name_of, namespace_of, ref_of
from ...kube.services import full_name
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.classes import takes_annotated
from ..kit.declared import DeclaredRoute, backend_of
from ..kit.ingresses import IngressEntry, entries
from ..kit.objects import BackendHandling, declared_reading, objects_of, served_object
from ..kit.readers import always, gateway_reader, read_ingresses
from ..kit.settings import settings_of
from .settings import Settings

ROUTE = "ApisixRoute.apisix.apache.org"
UPSTREAM = "ApisixUpstream.apisix.apache.org"
PLUGIN_CONFIG = "ApisixPluginConfig.apisix.apache.org"
REWRITE = "proxy-rewrite"
_ONLY_PODS = "only an ApisixRoute can name the Service (resolveGranularity); an Ingress or a Gateway API route always goes to pod addresses"

_ANNOTATIONS, _REDIRECTS = "k8s.apisix.apache.org/", ("http-redirect",)

Path = tuple["str | int", ...]
Objects = Mapping[tuple[str, str], Obj]
"""Objects by namespace and name, empty where there is none."""


@dataclass(frozen=True)
class RuleBackend:
    """One backend of an ApisixRoute: where it and its rule are written."""

    where: Path
    rule: Path
    item: Obj
    stream: bool = False
    first: bool = True

    @property
    def service(self) -> str:
        """The Service's name."""
        return str(self.item.get("serviceName", ""))

    @property
    def granularity(self) -> str:
        """Whether it is the Service's address, or pods'."""
        return str(self.item.get("resolveGranularity", ""))

    @property
    def gets_requests(self) -> bool:
        """Whether its share is one."""
        return self.item.get("weight") != 0

    def resolved(self, obj: Obj, service: Obj) -> Backend:
        """The Service port that it means."""
        return backend_of(service, namespace_of(obj), self.service, self.item.get("servicePort", 0))


def backends_of(obj: Obj) -> Iterator[RuleBackend]:
    """All backends of an ApisixRoute."""
    for number, rule in enumerate(dig(obj, "spec", "http", default=[])):
        where: Path = ("spec", "http", number)
        for place, item in enumerate(rule.get("backends") or []):
            yield RuleBackend((*where, "backends", place), where, item, first=place == 0)
    for number, rule in enumerate(dig(obj, "spec", "stream", default=[])):
        where = ("spec", "stream", number)
        if str(rule.get("protocol", "")).upper() != "UDP" and rule.get("backend"):
            yield RuleBackend((*where, "backend"), where, rule["backend"], stream=True)


def upstream_settings(upstream: Obj, port: int) -> tuple[Path, Obj]:
    """Where in a Service's ApisixUpstream the settings are that hold for a port, and these."""
    for number, item in reversed(list(enumerate(dig(upstream, "spec", "portLevelSettings", default=[])))):
        if item.get("port") == port:
            return ("spec", "portLevelSettings", number), item
    return ("spec",), dig(upstream, "spec", default={})


def plugin_host(rule: Obj) -> str:
    """The Host that a rule's own plugin sends, empty where it leaves it alone."""
    for plugin in rule.get("plugins") or []:
        if plugin.get("name") == REWRITE and plugin.get("enable") is not False:
            headers = dig(plugin, "config", "headers", default={})
            headers = {**headers, **(headers.get("set") if isinstance(headers.get("set"), dict) else {})}
            sent = next((str(value) for key, value in headers.items() if key.lower() == "host"), "")
            return sent or str(dig(plugin, "config", "host", default=""))
    return ""


def serves(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """By class, or without one where its class is the default."""
    return takes_annotated(load_balancer.classes, obj, without_class=settings_of(load_balancer, Settings).default_class)


def serves_own(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """The same for an ApisixRoute."""
    name = str(dig(obj, "spec", "ingressClassName", default=""))
    return name in load_balancer.classes if name else settings_of(load_balancer, Settings).default_class


def read_apisix_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of all ApisixRoutes whose class is served."""
    ours = [obj for obj in objects_of(snapshot, ROUTE, only) if serves_own(load_balancer, obj)]
    names = {(namespace_of(obj), item.service) for obj in ours for item in backends_of(obj)}
    services, upstreams = ({name: snapshot.get(kind, *name) or {} for name in names} for kind in (kinds.SERVICE, UPSTREAM))
    shared = partial(_plugins, snapshot)
    declared = ((obj, item) for obj in ours for item in declared_by_route(obj, services, upstreams, load_balancer.cluster_domain, shared))
    return declared_reading(partial(served_object, snapshot, load_balancer), declared)


def _plugins(snapshot: Snapshot, obj: Obj, rule: Obj) -> Obj:
    """A rule with the plugins of the ApisixPluginConfig that it names, behind its own, which go before them."""
    namespace = str(rule.get("plugin_config_namespace") or namespace_of(obj))
    shared = snapshot.get(PLUGIN_CONFIG, namespace, str(rule.get("plugin_config_name", "")))
    return {**rule, "plugins": [*(rule.get("plugins") or []), *dig(shared, "spec", "plugins", default=[])]}


def declared_by_route(
    obj: Obj, services: Objects, upstreams: Objects, domain: str, with_plugins: Callable[[Obj, Obj], Obj]
) -> Iterator[DeclaredRoute | Finding]:
    """What an ApisixRoute declares."""
    for item in backends_of(obj):
        name = (namespace_of(obj), item.service)
        backend = item.resolved(obj, services[name])
        if item.stream:
            yield _stream(obj, item, backend)
            continue
        rule = with_plugins(obj, dig(obj, *item.rule, default={}))
        if not item.gets_requests and any(other.get("weight") != 0 for other in rule.get("backends") or []):
            yield finding("MLB157", f"rule {rule.get('name')} gives {item.service} a share of 0, so no request reaches it", ref_of(obj))
            continue
        yield from _http(obj, rule, item, backend, upstream_settings(upstreams[name], backend.port)[1], domain)
    yield from _remarks(obj)


def _remarks(obj: Obj) -> Iterator[Finding]:
    for rule in dig(obj, "spec", "http", default=[]):
        for item in rule.get("upstreams") or []:
            yield finding("MLB208", f"rule {rule.get('name')} sends to the nodes of ApisixUpstream {item.get('name')}", ref_of(obj))
    for rule in dig(obj, "spec", "stream", default=[]):
        if str(rule.get("protocol", "")).upper() == "UDP":
            yield finding("MLB205", f"rule {rule.get('name')} is UDP, which the mesh does not carry", ref_of(obj))


def _http(obj: Obj, rule: Obj, item: RuleBackend, backend: Backend, settings: Obj, domain: str) -> Iterator[DeclaredRoute]:
    scheme: Scheme = "tls" if settings.get("scheme") in ("https", "grpcs") else "http"
    split = ("canary", "weights") if len(rule.get("backends") or []) > 1 else ()
    for host in dig(rule, "match", "hosts", default=[]) or [""]:
        for path in dig(rule, "match", "paths", default=[]) or ["/*"]:
            yield DeclaredRoute(
                backend, str(host), path.removesuffix("*"), "ImplementationSpecific" if path.endswith("*") else "Exact",
                Upstream(_address(item), _host(settings, rule, item, backend, domain), scheme), _group(obj, item),
                (*_features(settings, item.item), *split),
                canary=not item.first or bool(dig(rule, "match", "exprs", default=[])), rewrites_path=_rewrites_path(rule),
            )


def _stream(obj: Obj, item: RuleBackend, backend: Backend) -> DeclaredRoute:
    match = dig(obj, *item.rule, "match", default={})
    path = f"tcp:{dig(match, 'ingressPort', default=0)}"
    return DeclaredRoute(
        backend, str(dig(match, "host", default="")), path, "Stream", Upstream(_address(item), "", "tcp"), _group(obj, item),
    )


def _address(item: RuleBackend) -> Address:
    return "cluster_ip" if item.granularity == "service" else "pod_ips"


def _group(obj: Obj, item: RuleBackend) -> str:
    return f"{namespace_of(obj)}-{name_of(obj)}-{'-'.join(map(str, item.where))}"


def _host(settings: Obj, rule: Obj, item: RuleBackend, backend: Backend, domain: str) -> str:
    """What an ApisixUpstream says about the Host comes after the plugins; a node's Host is its address."""
    if settings.get("passHost") == "rewrite":
        return str(settings.get("upstreamHost", ""))
    if settings.get("passHost") == "node":
        # The Service's address represents its name in the mesh.
        return full_name(backend.namespace, backend.service, domain) if item.granularity == "service" else "$pod_address"
    return plugin_host(rule)


def _features(settings: Obj, backend: Obj) -> Iterator[str]:
    kind = dig(settings, "loadbalancer", "type", default="")
    if kind == "chash":
        yield "affinity"
    elif kind not in ("", "roundrobin") or backend.get("subset"):
        yield "balancing"
    if settings.get("healthCheck"):
        yield "health_checks"
    if settings.get("retries"):
        yield "retries"


def _rewrites_path(rule: Obj) -> bool:
    return any(
        plugin.get("name") == REWRITE and (dig(plugin, "config", "uri") or dig(plugin, "config", "regex_uri"))
        for plugin in rule.get("plugins") or []
    )


def of_entry(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
    """To pods; a default backend is not read, and a redirect answers in place of the backend."""
    said = annotations_of(ingress)
    redirect = next((key for key in _REDIRECTS if said.get(f"{_ANNOTATIONS}{key}") not in (None, "", "false")), "")
    dropped = "APISIX's controller does not read a default backend" if entry.default else ""
    dropped = f"{redirect} has it answer by itself" if redirect else dropped
    return BackendHandling(why_not_settable=_ONLY_PODS, dropped=dropped)


def entries_of(ingress: Obj) -> Iterator[IngressEntry]:
    """Its entries, whose Services are in the namespace that an annotation may name."""
    home = annotations_of(ingress).get(f"{_ANNOTATIONS}svc-namespace", "")
    yield from (replace(entry, namespace=home) for entry in entries(ingress))


_PODS = always(BackendHandling(why_not_settable=_ONLY_PODS))
READERS = (
    RouteReader(read_apisix_routes, (ROUTE, UPSTREAM, PLUGIN_CONFIG), (ROUTE,)),
    RouteReader(partial(read_ingresses, handle=of_entry, serves=serves, entries_of=entries_of)),
    gateway_reader(lambda load_balancer: {settings_of(load_balancer, Settings).controller}, _PODS),
)
