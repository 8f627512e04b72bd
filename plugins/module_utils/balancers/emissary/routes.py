# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emissary's Mappings as routes: which address it dials, which Host it sends, and who decides about a shared upstream.

Source: emissary-ingress/emissary v4.1.0, python/ambassador/src/ambassador: ir/irhttpmapping.py, ir/irhttpmappinggroup.py,
ir/irtcpmapping.py, ir/irhost.py, ir/irmappingfactory.py, envoy/v3/v3cluster.py, envoy/v3/v3route.py. The resolver's effect on
addresses and Hosts, and the shared upstream, were measured with 3.10.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...core.findings import finding
from ...core.model import Address, Backend, Finding, ObjectRef, Route, Scheme, Upstream
from ...kube import kinds
from ...kube.objects import dig
from ...kube.selectors import object_selector
from ..kit.ingresses import is_ignored, make_backend, pinned_strategy
from ..legacy import RouteReading
from .objects import ANNOTATION, CONSUL_RESOLVER, ENDPOINT_RESOLVER, HOST, Declared, Reader
from .settings import ISTIO_SECRET, Settings, Target

_AFFINITY = frozenset({"ring_hash", "maglev"})
_WHY = {
    "annotation": f"it is written in the annotation {ANNOTATION}, which is one text; a Mapping of its own could be set",
    "ingress": "an Ingress has neither a resolver nor a Host of its own here; a Mapping in its place could be set",
    "shadow": "mirrored requests get a Host that ends in -shadow, whatever is set",
}


class MappingRoutes:
    """All routes of one instance, read in one pass."""

    def __init__(self, reader: Reader, settings: Settings) -> None:
        self.reader = reader
        self.settings = settings
        self.snapshot = reader.snapshot

    def read(self, only: frozenset[ObjectRef] | None = None) -> RouteReading:
        routes: list[Route] = []
        findings: list[Finding] = []
        listed = []
        for item in self.reader.declared(only):
            mistake = "" if item.spec.get("host_redirect") else self.settings.mistake(item)
            if mistake:
                findings.append(finding("MLB220", f"{item.kind} {item.namespace}/{item.name}: {mistake}", item.ref))
            elif not item.spec.get("host_redirect"):
                listed.append(item)
        ordered = processing_order(listed)
        deciders: dict[str, Declared] = {}
        for item in ordered:
            deciders.setdefault(self.settings.cluster(item), item)
        crowds = _crowds(ordered)
        for item in ordered:
            decider = deciders[self.settings.cluster(item)]
            routes += self._routes(item, decider, crowds[_group(item)] > 1)
            findings += self._remarks(item, decider)
        return RouteReading(tuple(routes), tuple(findings))

    def _routes(self, item: Declared, decider: Declared, weighted: bool) -> Iterator[Route]:
        upstream, target = self.upstream(item, decider), self.settings.qualified(item)
        shadow = bool(item.spec.get("shadow"))
        origin = "shadow" if shadow else item.origin
        for host in [""] if item.is_tcp else self._hosts(item):
            path, path_type = _place(item)
            yield Route(
                load_balancer=self.reader.load_balancer.key, object=item.ref, host=host, path=path, path_type=path_type,
                backend=self.backend(target, item), upstream=upstream, upstream_group=self.settings.cluster(item),
                features=self._features(item, upstream, weighted), canary=weighted or shadow, rewrites_path=rewrites_path(item),
                settable=origin == "object", why_not_settable=_WHY.get(origin, ""),
                ignored=is_ignored(item.owner), pinned_strategy=pinned_strategy(self.snapshot, item.owner),
            )

    def backend(self, target: Target, item: Declared) -> Backend:
        """The Service port that a target names; a name that is no Service stands for itself, without a namespace."""
        number = target.port or (443 if self.settings.originates_tls(item) else 80)
        name, namespace = service_name(target, self.reader.namespace)
        if not namespace or (_may_be_external(target) and not self._in_cluster(namespace, name)):
            return Backend("", target.host, number)
        return make_backend(self.snapshot, namespace, name, number)

    def _in_cluster(self, namespace: str, name: str) -> bool:
        found = self.snapshot.get(kinds.SERVICE, namespace, name) or self.snapshot.get(kinds.NAMESPACE, "", namespace)
        return found is not None

    def upstream(self, item: Declared, decider: Declared) -> Upstream:
        """What is dialled by the first one's resolver, and the Host that this one sends."""
        target, kind = self.settings.qualified(item), self.settings.kind_of(decider.spec)
        address: Address = "cluster_ip"
        if target.is_address or kind == CONSUL_RESOLVER or not self.backend(target, item).namespace:
            address = "external"
        elif kind == ENDPOINT_RESOLVER:
            address = "pod_ips"
        return Upstream(address, "" if item.is_tcp else self._host(item, target, address), self._scheme(item))

    def _host(self, item: Declared, target: Target, address: Address) -> str:
        if item.spec.get("host_rewrite"):
            return str(item.spec["host_rewrite"])
        # Envoy takes it from the name that it resolves; endpoints that it is told have none.
        return target.host if item.spec.get("auto_host_rewrite") and address == "cluster_ip" else ""

    def _scheme(self, item: Declared) -> Scheme:
        if not self.settings.originates_tls(item):
            return "tcp" if item.is_tcp else "http"
        context = self.settings.contexts.get(self.settings.context_of(item), {})
        verified = context.get("secret") == ISTIO_SECRET and context.get("cacert_chain_file")
        return "mutual_tls" if verified else "tls"

    def _hosts(self, item: Declared) -> list[str]:
        """Hosts of a Mapping: its own, else those of the Host objects that select it. The empty one stands for any, or a pattern."""
        spec = item.spec
        own = str(spec.get("hostname") or spec.get("host") or dig(spec, "headers", ":authority", default="") or "")
        if own:
            return [_plain_host(own, bool(spec.get("host_regex")))]
        selected = []
        for host in self.reader.ours(HOST):
            selector = dig(host, "spec", "mappingSelector") or dig(host, "spec", "selector")
            if selector and object_selector(selector).matches(item.labels):
                selected.append(_plain_host(str(dig(host, "spec", "hostname", default="*")), False))
        return sorted(set(selected)) or [""]

    def _features(self, item: Declared, upstream: Upstream, weighted: bool) -> tuple[str, ...]:
        found = {"weights"} if weighted else set()
        if upstream.address == "pod_ips":
            balancer = item.spec.get("load_balancer") or self.settings.module.get("load_balancer") or {}
            if balancer.get("policy") in _AFFINITY:
                found.add("affinity")
            if balancer.get("policy") == "least_request":
                found.add("balancing")
            if item.spec.get("retry_policy") or self.settings.module.get("retry_policy"):
                found.add("retries")
            if item.spec.get("health_checks"):
                found.add("health_checks")
        return tuple(sorted(found))

    def _remarks(self, item: Declared, decider: Declared) -> Iterator[Finding]:
        if self.settings.kind_of(item.spec) != self.settings.kind_of(decider.spec):
            yield finding(
                "MLB210", f"resolver {self.settings.resolver_of(item.spec)} has no effect for {item.spec.get('service')}: "
                f"{decider.kind} {decider.namespace}/{decider.name} comes first with {self.settings.resolver_of(decider.spec)}", item.ref,
                cause=decider.ref,
            )
        if self.settings.originates_tls(item) and self._scheme(item) == "tls":
            yield finding(
                "MLB209", f"{item.kind} {item.namespace}/{item.name} has the load balancer speak TLS itself, "
                "and without cacert_chain_file and the mesh's certificate it is not the mesh's mutual TLS", item.ref,
            )


def processing_order(items: list[Declared]) -> list[Declared]:
    """Emissary makes upstreams group by group, in the order of each group's first Mapping."""
    first: dict[str, int] = {}
    for item in items:
        first.setdefault(_group(item), len(first))
    return sorted(items, key=lambda item: first[_group(item)])


def _crowds(items: list[Declared]) -> dict[str, int]:
    found = {_group(item): 0 for item in items}
    for item in items:
        found[_group(item)] += not item.spec.get("shadow")
    return found


def _group(item: Declared) -> str:
    """What Mappings have in common that share one place, by weight."""
    spec = item.spec
    if item.is_tcp:
        return json.dumps(["tcp", spec.get("address") or "*", spec.get("port"), spec.get("host") or "*"])
    return json.dumps([
        spec.get("method") or "GET", spec.get("prefix"), spec.get("hostname") or spec.get("host") or "", spec.get("headers") or {},
        spec.get("regex_headers") or {}, spec.get("query_parameters") or {}, spec.get("regex_query_parameters") or {},
        "" if spec.get("hostname") or spec.get("host") else item.labels, spec.get("precedence") or 0,
    ], sort_keys=True)


def service_name(target: Target, home: str) -> tuple[str, str]:
    """Service and namespace that a host stands for seen from Emissary's pod; no namespace where it cannot be a Service."""
    if target.is_address or target.host == "localhost":
        return target.host, ""
    name, dot, rest = target.host.partition(".")
    return name, rest.partition(".")[0] if dot else home


def _may_be_external(target: Target) -> bool:
    """Whether a host may be any domain: one with dots that does not say that it is a Service."""
    labels = target.host.split(".")
    return len(labels) > 1 and labels[2:3] != ["svc"]


def _plain_host(text: str, is_pattern: bool) -> str:
    if is_pattern or text == "*" or "*" in text.removeprefix("*."):
        return ""
    return text.lower()


def _place(item: Declared) -> tuple[str, str]:
    spec = item.spec
    if item.is_tcp:
        return f"tcp:{spec.get('port', 0)}", "Stream"
    prefix = str(spec.get("prefix") or "/")
    if spec.get("prefix_regex"):
        return prefix, "RegularExpression"
    # A prefix is a plain text here: /a takes in /ab.
    return prefix, "Exact" if spec.get("prefix_exact") else "PathPrefix"


def rewrites_path(item: Declared) -> bool:
    """Whether the backend sees another path: a prefix is replaced by "/" unless ``rewrite`` says something else."""
    spec = item.spec
    if item.is_tcp:
        return False
    # A pattern counts as rewritten: nobody else can repeat its choice by prefixes.
    if spec.get("regex_rewrite") or spec.get("prefix_regex"):
        return True
    rewrite = spec.get("rewrite", "/")
    return rewrite not in ("", None, spec.get("prefix") or "/")
