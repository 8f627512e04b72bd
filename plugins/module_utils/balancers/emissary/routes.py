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
from collections import Counter
from collections.abc import Iterator
from functools import partial

from ...core.findings import finding
from ...core.model import Address, Backend, Finding, LoadBalancer, ObjectRef, Upstream, replace
from ...kube.objects import Obj, dig
from ...kube.selectors import object_selector
from ...kube.snapshot import Snapshot, Unreadable
from ..contract.routes import RouteReader, RouteReading
from ..kit.declared import DeclaredRoute, ServiceReference
from ..kit.objects import declared_reading, served_object
from .objects import CONSUL_RESOLVER, ENDPOINT_RESOLVER, KINDS, Configuration, DeclaredMapping, declared_mappings, read_configuration

_AFFINITY = frozenset({"ring_hash", "maglev"})
_SHADOW = "mirrored requests get a Host that ends in -shadow, whatever is set"


def read_mappings(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """All routes of one instance."""
    unreadable: list[Unreadable] = []
    mappings = declared_mappings(snapshot, load_balancer, only, unreadable)
    reading = declared_reading(
        partial(served_object, snapshot, load_balancer), _declared(read_configuration(snapshot, load_balancer), mappings)
    )
    return replace(reading, unreadable=(*reading.unreadable, *unreadable))


def _declared(configuration: Configuration, mappings: list[DeclaredMapping]) -> Iterator[tuple[Obj, DeclaredRoute | Finding]]:
    judged = [(item, configuration.mistake(item)) for item in mappings if not item.spec.get("host_redirect")]
    yield from ((item.owner, finding("MLB220", f"{item.label}: {mistake}", item.ref)) for item, mistake in judged if mistake)
    ordered = processing_order([item for item, mistake in judged if not mistake])
    deciders: dict[str, DeclaredMapping] = {}
    for item in ordered:
        deciders.setdefault(configuration.cluster(item), item)
    sizes = Counter(_group(item) for item in ordered if not item.spec.get("shadow"))
    for item in ordered:
        decider = deciders[configuration.cluster(item)]
        yield from ((item.owner, route) for route in _routes(configuration, item, decider, sizes[_group(item)] > 1))
        yield from ((item.owner, remark) for remark in _remarks(configuration, item, decider))


def _routes(configuration: Configuration, item: DeclaredMapping, decider: DeclaredMapping, weighted: bool) -> Iterator[DeclaredRoute]:
    upstream, shadow = upstream_of(configuration, item, decider), bool(item.spec.get("shadow"))
    path, path_type = _place(item)
    for host in [""] if item.is_tcp else _hosts(configuration, item):
        yield DeclaredRoute(
            mapping_backend(configuration, item), host, path, path_type, upstream, configuration.cluster(item),
            _features(configuration, item, upstream, weighted), canary=weighted or shadow, rewrites_path=rewrites_path(item),
            why_not_settable=_SHADOW if shadow else item.origin.value,
        )


def mapping_backend(configuration: Configuration, item: DeclaredMapping) -> ServiceReference | Backend:
    """The Service port that a Mapping's target names; a name that is no Service represents itself, without a namespace."""
    target = configuration.qualified(item)
    number = target.port or (443 if configuration.originates_tls(item) else 80)
    name, namespace = target.service(configuration.home)
    if not namespace or (target.may_be_external and not configuration.in_cluster(namespace, name)):
        return Backend("", target.host, number)
    return ServiceReference(namespace, name, number)


def upstream_of(configuration: Configuration, item: DeclaredMapping, decider: DeclaredMapping) -> Upstream:
    """What is dialled by the first one's resolver, and the Host that this one sends."""
    target, kind = configuration.qualified(item), configuration.kind_of(decider.spec)
    outside = target.is_address or kind == CONSUL_RESOLVER or not mapping_backend(configuration, item).namespace
    address: Address = "external" if outside else "pod_ips" if kind == ENDPOINT_RESOLVER else "cluster_ip"
    host = str(item.spec.get("host_rewrite") or "")
    if not host and item.spec.get("auto_host_rewrite") and address == "cluster_ip":
        # Envoy takes it from the name that it resolves; endpoints that it is told have none.
        host = target.host
    return Upstream(address, "" if item.is_tcp else host, configuration.scheme(item))


def _hosts(configuration: Configuration, item: DeclaredMapping) -> list[str]:
    """Hosts of a Mapping: its own, else those of the Host objects that select it. The empty one is any, or a pattern."""
    spec = item.spec
    own = str(spec.get("hostname") or spec.get("host") or dig(spec, "headers", ":authority", default="") or "")
    if own:
        return [_plain_host(own, bool(spec.get("host_regex")))]
    selectors = ((host, dig(host, "spec", "mappingSelector") or dig(host, "spec", "selector")) for host in configuration.hosts)
    selected = {
        _plain_host(str(dig(host, "spec", "hostname", default="*")), False)
        for host, selector in selectors if selector and object_selector(selector).matches(item.labels)
    }
    return sorted(selected) or [""]


def _features(configuration: Configuration, item: DeclaredMapping, upstream: Upstream, weighted: bool) -> Iterator[str]:
    if weighted:
        yield "weights"
    if upstream.address == "pod_ips":
        spec, module = item.spec, configuration.module
        policy = (spec.get("load_balancer") or module.get("load_balancer") or {}).get("policy")
        if policy in _AFFINITY:
            yield "affinity"
        if policy == "least_request":
            yield "balancing"
        if spec.get("retry_policy") or module.get("retry_policy"):
            yield "retries"
        if spec.get("health_checks"):
            yield "health_checks"


def _remarks(configuration: Configuration, item: DeclaredMapping, decider: DeclaredMapping) -> Iterator[Finding]:
    if configuration.kind_of(item.spec) != configuration.kind_of(decider.spec):
        yield finding(
            "MLB210", f"resolver {configuration.resolver_of(item.spec)} has no effect for {item.spec.get('service')}: "
            f"{decider.label} comes first with {configuration.resolver_of(decider.spec)}", item.ref,
            cause=decider.ref,
        )
    if configuration.scheme(item) == "tls":
        yield finding(
            "MLB209", f"{item.label} has the load balancer speak TLS itself, "
            "and without cacert_chain_file and the mesh's certificate it is not the mesh's mutual TLS", item.ref,
        )


def processing_order(items: list[DeclaredMapping]) -> list[DeclaredMapping]:
    """Emissary makes upstreams group by group, in the order of each group's first Mapping."""
    first: dict[str, int] = {}
    for item in items:
        first.setdefault(_group(item), len(first))
    return sorted(items, key=lambda item: first[_group(item)])


def _group(item: DeclaredMapping) -> str:
    """What Mappings have in common that share one place, by weight."""
    spec = item.spec
    if item.is_tcp:
        return json.dumps(["tcp", spec.get("address") or "*", spec.get("port"), spec.get("host") or "*"])
    return json.dumps([
        spec.get("method") or "GET", spec.get("prefix"), spec.get("hostname") or spec.get("host") or "", spec.get("headers") or {},
        spec.get("regex_headers") or {}, spec.get("query_parameters") or {}, spec.get("regex_query_parameters") or {},
        "" if spec.get("hostname") or spec.get("host") else item.labels, spec.get("precedence") or 0,
    ], sort_keys=True)


def _plain_host(text: str, is_pattern: bool) -> str:
    if is_pattern or text == "*" or "*" in text.removeprefix("*."):
        return ""
    return text.lower()


def _place(item: DeclaredMapping) -> tuple[str, str]:
    spec = item.spec
    if item.is_tcp:
        return f"tcp:{spec.get('port', 0)}", "Stream"
    prefix = str(spec.get("prefix") or "/")
    if spec.get("prefix_regex"):
        return prefix, "RegularExpression"
    # A prefix is a plain text here: /a takes in /ab.
    return prefix, "Exact" if spec.get("prefix_exact") else "PathPrefix"


def rewrites_path(item: DeclaredMapping) -> bool:
    """Whether the backend sees another path: a prefix is replaced by "/" unless ``rewrite`` says something else."""
    spec = item.spec
    if item.is_tcp:
        return False
    # A pattern counts as rewritten: nobody else can repeat its choice by prefixes.
    if spec.get("regex_rewrite") or spec.get("prefix_regex"):
        return True
    rewrite = spec.get("rewrite", "/")
    return rewrite not in ("", None, spec.get("prefix") or "/")


READERS = (RouteReader(read_mappings, KINDS),)
