# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that Envoy Gateway's proxies make themselves: to authorisers, key servers and external processors.

Source: envoyproxy/gateway d32f282 internal/gatewayapi/ext_service.go (the routingType is the EnvoyProxy's) and securitypolicy.go,
envoyextensionpolicy.go (a policy holds for the Gateways and routes that it names, or selects, in its own namespace).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Upstream
from ...kube.objects import Obj, dig, name_of, namespace_of, ref_of
from ...kube.pods import by_namespace
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.declared import DeclaredRoute, ServiceReference
from ..kit.gateway.listeners import granted
from ..kit.gateway.names import GATEWAY, REFERENCE_GRANT, ROUTE_KINDS
from ..kit.gateway.policies import targeted
from ..kit.objects import ServedObject, objects_of, read_objects, served_object
from ..kit.own_requests import OWN_HOST, OwnRequests
from .routes import envoy_proxy_of, gateways_here, parents_of

SECURITY_POLICY = "SecurityPolicy.gateway.envoyproxy.io"
EXTENSION_POLICY = "EnvoyExtensionPolicy.gateway.envoyproxy.io"
POLICIES = (SECURITY_POLICY, EXTENSION_POLICY)
KINDS = (*POLICIES, GATEWAY, *ROUTE_KINDS, REFERENCE_GRANT)


def read_own_requests(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """What the policies for a workload's Gateways and routes have it ask."""
    gateways = {key: snapshot.get(GATEWAY, *key) or {} for key in gateways_here(snapshot, load_balancer)}
    own = OwnRequests(snapshot, load_balancer)

    def read(item: ServedObject) -> Iterator[DeclaredRoute | Finding]:
        holding = list(_gateways_of(snapshot, gateways, item.obj))
        if holding:
            routed = any(dig(envoy_proxy_of(snapshot.get, one), "spec", "routingType") == "Service" for one in holding)
            yield from _requests(own, item.obj, Upstream("cluster_ip" if routed else "pod_ips", OWN_HOST))

    policies = (obj for kind in POLICIES for obj in objects_of(snapshot, kind, only))
    return read_objects((served_object(snapshot, load_balancer, obj) for obj in policies), read)


def _gateways_of(snapshot: Snapshot, gateways: Mapping[tuple[str, str], Obj], policy: Obj) -> Iterator[Obj]:
    """Those of the Gateways for which a policy holds, by itself or by a route of theirs."""
    for kind in (GATEWAY, *ROUTE_KINDS):
        for obj in snapshot.lookup(kind, by_namespace, namespace_of(policy)):
            if targeted(policy, obj) and kind == GATEWAY:
                yield from filter(None, [gateways.get((namespace_of(obj), name_of(obj)))])
            elif targeted(policy, obj):
                yield from parents_of(obj, gateways)


def _requests(own: OwnRequests, policy: Obj, upstream: Upstream) -> Iterator[DeclaredRoute | Finding]:
    grants = partial(own.snapshot.lookup, REFERENCE_GRANT, by_namespace)
    for what, reference in _references(policy):
        namespace, name = str(reference.get("namespace") or namespace_of(policy)), str(reference.get("name", ""))
        kind = (str(reference.get("group") or ""), str(reference.get("kind") or "Service"))
        if kind != ("", "Service"):
            yield finding("MLB208", f"{what} goes to {kind[1]} {namespace}/{name}", ref_of(policy))
        elif not granted(policy, namespace, (*kind, name), grants):
            message = f"{what} goes to Service {namespace}/{name}, and no ReferenceGrant there allows that"
            yield finding("MLB218", message, ref_of(policy), cause=ObjectRef("v1", "Service", namespace, name))
        else:
            yield own.to_service(what, ServiceReference(namespace, name, int(reference.get("port") or 0)), upstream)


def _references(policy: Obj) -> Iterator[tuple[str, Obj]]:
    """What a policy has the proxy ask, each with where it is."""
    spec = policy.get("spec") or {}
    providers = [item.get("remoteJWKS") for item in dig(spec, "jwt", "providers", default=[])]
    places = {
        "external authorization": [dig(spec, "extAuth", way) for way in ("http", "grpc")], "OIDC": [dig(spec, "oidc", "provider")],
        "fetching keys (JWKS)": providers, "external processing": spec.get("extProc") or [],
    }
    for what, holders in places.items():
        for holder in filter(None, holders):
            # One in the first version of the kind, a list since.
            for reference in (*(holder.get("backendRefs") or []), *([holder["backendRef"]] if holder.get("backendRef") else [])):
                yield what, reference


READER = RouteReader(read_own_requests, KINDS)
