# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envoy Gateway's routes, and which object decides about a route's routingType, by the operator's own precedence.

Source: envoyproxy/gateway internal/gatewayapi/policyindex.go (rule, route, listener, Gateway; a policy for a route that says
nothing and merges with nothing ends the search) and contexts.go (an EnvoyProxy of the Gateway before that of its class).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from ...core.model import LoadBalancer, ObjectRef, replace
from ...kube.objects import Obj, dig, name_of, namespace_of
from ...kube.pods import by_namespace
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.gateway.names import GROUP, KINDS, ROUTE_KINDS
from ..kit.gateway.policies import Named, parameters_of, policies_for
from ..kit.gateway.routes import AttachPoint, read_gateway_routes, served_gateways
from ..kit.objects import BackendHandling
from ..kit.patches import is_older
from ..kit.settings import settings_of
from .dialect import FILTER, dialect
from .settings import Settings

ENVOY_PROXY = "EnvoyProxy.gateway.envoyproxy.io"
BACKEND_TRAFFIC_POLICY = "BackendTrafficPolicy.gateway.envoyproxy.io"


@dataclass(frozen=True)
class Precedence:
    """Who decides, for one version of the operator: ``by_policy`` is false before BackendTrafficPolicy had a routingType.

    ``policies`` gives the BackendTrafficPolicies for a route or a Gateway (or a section of it), ``proxy`` the EnvoyProxy of a Gateway.
    """

    policies: Callable[[Obj, str | None], list[Obj]]
    proxy: Callable[[Obj], Obj | None]
    by_policy: bool = True

    def deciding(self, route: Obj, gateway: Obj, rule: int) -> tuple[Obj | None, bool]:
        """The object in which routingType is (or would have to be) set for a rule, and whether it goes to the Service's address.

        The narrowest that is there: a policy for the rule or the route, one for the Gateway, the EnvoyProxy; ``None`` where there is none.
        """
        policy, stated = self._policy(route, gateway, rule)
        proxy = self.proxy(gateway)
        routing = stated or dig(proxy, "spec", "routingType")
        return (proxy if policy is None else policy), bool(routing == "Service")

    def policy_of(self, route: Obj, gateway: Obj, rule: int) -> Obj | None:
        """The policy that holds for a rule in whatever else it says."""
        return replace(self, by_policy=True)._policy(route, gateway, rule)[0]

    def _policy(self, route: Obj, gateway: Obj, rule: int) -> tuple[Obj | None, str]:
        """The policy that decides, and what it says (empty where it leaves it to the EnvoyProxy)."""
        if not self.by_policy:
            return None, ""
        name = str(dig(route, "spec", "rules", rule, "name", default=""))
        policies = (self.policies(route, name) if name else []) or self.policies(route, None)
        if not policies:
            return self._above(route, gateway)
        policy = policies[0]
        stated = str(dig(policy, "spec", "routingType", default=""))
        if stated or not dig(policy, "spec", "mergeType"):
            return policy, stated
        above, stated_above = self._above(route, gateway)
        return (above, stated_above) if stated_above else (policy, "")

    def _above(self, route: Obj, gateway: Obj) -> tuple[Obj | None, str]:
        section = _section(route, gateway)
        for policy in self.policies(gateway, section)[:1] if section else []:
            stated = str(dig(policy, "spec", "routingType", default=""))
            if stated:
                return policy, stated
        whole = next(iter(self.policies(gateway, None)), None)
        return whole, str(dig(whole, "spec", "routingType", default=""))


def precedence(snapshot: Snapshot, load_balancer: LoadBalancer) -> Precedence:
    """Who decides in this cluster."""
    policies = partial(policies_for, partial(snapshot.lookup, BACKEND_TRAFFIC_POLICY, by_namespace))
    return Precedence(policies, partial(envoy_proxy_of, snapshot.get), not is_older(load_balancer.version, 1, 7, 0))


def _section(route: Obj, gateway: Obj) -> str | None:
    """The listener that a route names of a Gateway, if it names one."""
    for parent in dig(route, "spec", "parentRefs", default=[]):
        if (str(parent.get("namespace") or namespace_of(route)), parent.get("name")) == (namespace_of(gateway), name_of(gateway)):
            return str(parent["sectionName"]) if parent.get("sectionName") else None
    return None


def parents_of(route: Obj, gateways: Mapping[tuple[str, str], Obj]) -> Iterator[Obj]:
    """The Gateways among these that a route names."""
    for parent in dig(route, "spec", "parentRefs", default=[]):
        gateway = gateways.get((str(parent.get("namespace") or namespace_of(route)), str(parent.get("name", ""))))
        if gateway is not None and parent.get("group", GROUP) == GROUP:
            yield gateway


def envoy_proxy_of(named: Named, gateway: Obj) -> Obj | None:
    """The EnvoyProxy of a Gateway, else of its class; one that merges is laid over the class's."""
    of_gateway, of_class = parameters_of(named, ENVOY_PROXY, gateway)
    if of_gateway is None:
        return of_class
    merges = dig(of_gateway, "spec", "mergeType") and not dig(of_gateway, "spec", "routingType")
    return of_class if merges and dig(of_class, "spec", "routingType") else of_gateway


def carries(load_balancer: LoadBalancer, gateway: Obj) -> bool:
    """Whether a workload is made for a Gateway."""
    return settings_of(load_balancer, Settings).carries(gateway)


def read_gateways(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of the Gateway API; what one object decides for several routes is planned as one."""
    settings, order = settings_of(load_balancer, Settings), precedence(snapshot, load_balancer)

    def of_point(load_balancer: LoadBalancer, point: AttachPoint) -> BackendHandling:
        where = (point.route, point.gateway, point.rule)
        holder, routed = order.deciding(*where)
        return BackendHandling(
            "cluster_ip" if routed else "pod_ips", features=tuple(_features(order.policy_of(*where))),
            group=f"{holder['kind']}-{namespace_of(holder)}-{name_of(holder)}" if holder else "",
            scheme="tls" if point.policy_tls else None,
        )

    own = dialect(snapshot.get, settings.extended)
    return read_gateway_routes(snapshot, load_balancer, only, {settings.controller}, of_point, carries, dialect=own)


def _features(policy: Obj | None) -> Iterator[str]:
    kind = dig(policy, "spec", "loadBalancer", "type", default="")
    if kind == "ConsistentHash":
        yield "affinity"
    elif kind:
        yield "balancing"
    if dig(policy, "spec", "healthCheck"):
        yield "health_checks"
    if dig(policy, "spec", "retry"):
        yield "retries"


def gateways_here(snapshot: Snapshot, load_balancer: LoadBalancer) -> Iterable[tuple[str, str]]:
    """The Gateways whose routes a workload carries."""
    return served_gateways(snapshot, load_balancer, {settings_of(load_balancer, Settings).controller}, carries)


READERS = (RouteReader(read_gateways, (*KINDS, ENVOY_PROXY, BACKEND_TRAFFIC_POLICY, FILTER), ROUTE_KINDS, gateways_here),)
