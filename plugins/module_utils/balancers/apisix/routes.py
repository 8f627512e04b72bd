# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading ApisixRoutes as APISIX's ingress controller translates them.

Source: apache/apisix-ingress-controller internal/adc/translator/apisixroute.go and apisixupstream.go: an ApisixUpstream of the
Service's name holds for it, and its settings for one port replace all of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, Scheme, Upstream
from ...kube.objects import Obj, dig, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..kit.ingresses import is_ignored, make_backend, pinned_strategy
from ..kit.patches import mesh_name
from ..legacy import RouteReading

ROUTE = "ApisixRoute.apisix.apache.org"
UPSTREAM = "ApisixUpstream.apisix.apache.org"
PLUGIN_CONFIG = "ApisixPluginConfig.apisix.apache.org"
KINDS = (ROUTE, UPSTREAM, PLUGIN_CONFIG)
REWRITE = "proxy-rewrite"


@dataclass(frozen=True)
class Backend:
    """One backend of an ApisixRoute: where it and its rule are written."""

    where: tuple[str | int, ...]
    rule: tuple[str | int, ...]
    namespace: str
    service: str
    reference: int | str
    port: int
    granularity: str
    stream: bool = False
    first: bool = True


def http_backends(snapshot: Snapshot, obj: Obj) -> Iterator[Backend]:
    for number, rule in enumerate(dig(obj, "spec", "http", default=[])):
        for place, item in enumerate(rule.get("backends") or []):
            yield _backend(snapshot, obj, ("spec", "http", number), ("backends", place), item, first=place == 0)


def stream_backends(snapshot: Snapshot, obj: Obj) -> Iterator[Backend]:
    for number, rule in enumerate(dig(obj, "spec", "stream", default=[])):
        if str(rule.get("protocol", "")).upper() != "UDP" and rule.get("backend"):
            yield _backend(snapshot, obj, ("spec", "stream", number), ("backend",), rule["backend"], stream=True)


def _backend(
    snapshot: Snapshot, obj: Obj, rule: tuple[str | int, ...], inner: tuple[str | int, ...], item: Obj, *, stream: bool = False,
    first: bool = True,
) -> Backend:
    namespace, service, reference = namespace_of(obj), str(item.get("serviceName", "")), item.get("servicePort", 0)
    found = make_backend(snapshot, namespace, service, reference)
    granularity = str(item.get("resolveGranularity", ""))
    return Backend((*rule, *inner), rule, namespace, service, reference, found.port, granularity, stream, first)


def upstream_settings(snapshot: Snapshot, namespace: str, service: str, port: int) -> tuple[Obj, tuple[str | int, ...], Obj] | None:
    """The ApisixUpstream of a Service, and where in it the settings are that hold for a port."""
    found = snapshot.get(UPSTREAM, namespace, service)
    if found is None:
        return None
    for number, item in reversed(list(enumerate(dig(found, "spec", "portLevelSettings", default=[])))):
        if item.get("port") == port:
            return found, ("spec", "portLevelSettings", number), item
    return found, ("spec",), dig(found, "spec", default={})


def plugin_host(rule: Obj) -> str:
    """The Host that a rule's own plugin sends, empty where it leaves it alone."""
    for plugin in rule.get("plugins") or []:
        if plugin.get("name") == REWRITE and plugin.get("enable") is not False:
            headers = dig(plugin, "config", "headers", default={})
            headers = {**headers, **(headers.get("set") if isinstance(headers.get("set"), dict) else {})}
            sent = next((str(value) for key, value in headers.items() if key.lower() == "host"), "")
            return sent or str(dig(plugin, "config", "host", default=""))
    return ""


def apisix_routes(
    snapshot: Snapshot, load_balancer: LoadBalancer, serves: Callable[[str], bool], only: frozenset[ObjectRef] | None
) -> RouteReading:
    """Routes of all ApisixRoutes whose class is served."""
    routes: list[Route] = []
    findings: list[Finding] = []
    for obj in snapshot.all(ROUTE):
        if (only is not None and ref_of(obj) not in only) or not serves(str(dig(obj, "spec", "ingressClassName", default=""))):
            continue
        for item in http_backends(snapshot, obj):
            routes += _http(snapshot, load_balancer, obj, item)
        routes += (_stream(snapshot, load_balancer, obj, item) for item in stream_backends(snapshot, obj))
        findings += _remarks(obj)
    return RouteReading(tuple(dict.fromkeys(routes)), tuple(findings))


def _remarks(obj: Obj) -> Iterator[Finding]:
    for rule in dig(obj, "spec", "http", default=[]):
        for item in rule.get("upstreams") or []:
            yield finding("MLB208", f"rule {rule.get('name')} sends to the nodes of ApisixUpstream {item.get('name')}", ref_of(obj))
    for rule in dig(obj, "spec", "stream", default=[]):
        if str(rule.get("protocol", "")).upper() == "UDP":
            yield finding("MLB205", f"rule {rule.get('name')} is UDP, which the mesh does not carry", ref_of(obj))


def _http(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, item: Backend) -> Iterator[Route]:
    rule = dig(obj, *item.rule, default={})
    settings = (upstream_settings(snapshot, item.namespace, item.service, item.port) or ({}, (), {}))[2]
    routed = item.granularity == "service"
    scheme: Scheme = "tls" if settings.get("scheme") in ("https", "grpcs") else "http"
    upstream = Upstream("cluster_ip" if routed else "pod_ips", _host(settings, rule, item, routed), scheme)
    features = set(_features(settings, dig(obj, *item.where, default={})))
    if len(rule.get("backends") or []) > 1:
        features |= {"canary", "weights"}
    for host in dig(rule, "match", "hosts", default=[]) or [""]:
        for path in dig(rule, "match", "paths", default=[]) or ["/*"]:
            yield Route(
                load_balancer=load_balancer.key, object=ref_of(obj), host=str(host), path=path[:-1] if path.endswith("*") else path,
                path_type="ImplementationSpecific" if path.endswith("*") else "Exact",
                backend=make_backend(snapshot, item.namespace, item.service, item.reference), upstream=upstream,
                upstream_group=f"{item.namespace}-{name_of(obj)}-{'-'.join(map(str, item.where))}", features=tuple(sorted(features)),
                canary=not item.first or bool(dig(rule, "match", "exprs", default=[])), rewrites_path=_rewrites_path(rule),
                ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
            )


def _stream(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, item: Backend) -> Route:
    rule = dig(obj, *item.rule, default={})
    return Route(
        load_balancer=load_balancer.key, object=ref_of(obj), host=str(dig(rule, "match", "host", default="")),
        path=f"tcp:{dig(rule, 'match', 'ingressPort', default=0)}", path_type="Stream",
        backend=make_backend(snapshot, item.namespace, item.service, item.reference),
        upstream=Upstream("cluster_ip" if item.granularity == "service" else "pod_ips", "", "tcp"),
        upstream_group=f"{item.namespace}-{name_of(obj)}-{'-'.join(map(str, item.where))}",
        ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
    )


def _host(settings: Obj, rule: Obj, item: Backend, routed: bool) -> str:
    """What an ApisixUpstream says about the Host comes after the plugins; a node's Host is its address."""
    if settings.get("passHost") == "rewrite":
        return str(settings.get("upstreamHost", ""))
    if settings.get("passHost") == "node":
        # The Service's address stands for its name in the mesh.
        return mesh_name(item.namespace, item.service) if routed else "$pod_address"
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
