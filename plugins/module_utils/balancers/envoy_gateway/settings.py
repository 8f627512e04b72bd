# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which object decides about an Envoy Gateway route's routingType, by the operator's own precedence.

Source: envoyproxy/gateway internal/gatewayapi/policyindex.go (rule, route, listener, Gateway; a policy for a route that says
nothing and merges with nothing ends the search) and contexts.go (an EnvoyProxy of the Gateway before that of its class).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...core.model import replace
from ...kube.objects import Obj, dig, labels_of, name_of, namespace_of, pod_template
from ...kube.snapshot import Snapshot
from ..kit.gateway.attachment import GATEWAY, GATEWAY_CLASS, GROUP
from ..kit.gateway.policies import policies_for

ENVOY_PROXY = "EnvoyProxy.gateway.envoyproxy.io"
BACKEND_TRAFFIC_POLICY = "BackendTrafficPolicy.gateway.envoyproxy.io"


@dataclass(frozen=True)
class Precedence:
    """Who decides, for one version of the operator: ``policies`` is false before BackendTrafficPolicy had a routingType."""

    snapshot: Snapshot
    policies: bool = True

    def is_routed(self, route: Obj, gateway: Obj, rule: int) -> bool:
        """Whether a rule goes to the Service's address: by the policy that holds for it, else by the EnvoyProxy."""
        policy, stated = self._policy(route, gateway, rule)
        if policy is not None and stated:
            return bool(stated == "Service")
        return bool(dig(envoy_proxy_of(self.snapshot, gateway), "spec", "routingType") == "Service")

    def deciding(self, route: Obj, gateway: Obj, rule: int) -> Obj | None:
        """The object in which routingType is (or would have to be) set for a rule; ``None`` where there is none.

        The narrowest that is there: a policy for the rule or the route, one for the Gateway, the EnvoyProxy.
        """
        policy = self._policy(route, gateway, rule)[0]
        return policy if policy is not None else envoy_proxy_of(self.snapshot, gateway)

    def policy_of(self, route: Obj, gateway: Obj, rule: int) -> Obj | None:
        """The policy that holds for a rule in whatever else it says."""
        return replace(self, policies=True)._policy(route, gateway, rule)[0]

    def _policy(self, route: Obj, gateway: Obj, rule: int) -> tuple[Obj | None, str]:
        """The policy that decides, and what it says (empty where it leaves it to the EnvoyProxy)."""
        if not self.policies:
            return None, ""
        own = self._first(route, str(dig(route, "spec", "rules", rule, "name", default="")) or None)
        if own is None:
            return self._above(route, gateway)
        stated = str(dig(own, "spec", "routingType", default=""))
        if stated or not dig(own, "spec", "mergeType"):
            return own, stated
        above, said = self._above(route, gateway)
        return (above, said) if said else (own, "")

    def _first(self, route: Obj, rule_name: str | None) -> Obj | None:
        found = policies_for(self.snapshot, BACKEND_TRAFFIC_POLICY, route, rule_name) if rule_name else []
        return next(iter(found or policies_for(self.snapshot, BACKEND_TRAFFIC_POLICY, route)), None)

    def _above(self, route: Obj, gateway: Obj) -> tuple[Obj | None, str]:
        section = _section(route, gateway)
        for policy in policies_for(self.snapshot, BACKEND_TRAFFIC_POLICY, gateway, section)[:1] if section else []:
            stated = str(dig(policy, "spec", "routingType", default=""))
            if stated:
                return policy, stated
        found = next(iter(policies_for(self.snapshot, BACKEND_TRAFFIC_POLICY, gateway)), None)
        return found, str(dig(found, "spec", "routingType", default=""))


def _section(route: Obj, gateway: Obj) -> str | None:
    """The listener that a route names of a Gateway, if it names one."""
    for parent in dig(route, "spec", "parentRefs", default=[]):
        if (str(parent.get("namespace") or namespace_of(route)), parent.get("name")) == (namespace_of(gateway), name_of(gateway)):
            return str(parent["sectionName"]) if parent.get("sectionName") else None
    return None


def parents_of(route: Obj, gateways: Mapping[tuple[str, str], Obj]) -> Iterator[Obj]:
    """The Gateways among these that a route names."""
    for parent in dig(route, "spec", "parentRefs", default=[]):
        found = gateways.get((str(parent.get("namespace") or namespace_of(route)), str(parent.get("name", ""))))
        if found is not None and parent.get("group", GROUP) == GROUP:
            yield found


def envoy_proxy_of(snapshot: Snapshot, gateway: Obj) -> Obj | None:
    """The EnvoyProxy of a Gateway, else of its class; one that merges is laid over the class's."""
    own = _referenced(snapshot, dig(gateway, "spec", "infrastructure", "parametersRef", default={}), namespace_of(gateway))
    found = snapshot.get(GATEWAY_CLASS, "", str(dig(gateway, "spec", "gatewayClassName", default="")))
    of_class = _referenced(snapshot, dig(found, "spec", "parametersRef", default={}), "")
    if own is None:
        return of_class
    merges = dig(own, "spec", "mergeType") and not dig(own, "spec", "routingType")
    return of_class if merges and dig(of_class, "spec", "routingType") else own


def _referenced(snapshot: Snapshot, reference: Obj, namespace: str) -> Obj | None:
    if reference.get("kind") != "EnvoyProxy":
        return None
    return snapshot.get(ENVOY_PROXY, str(reference.get("namespace") or namespace), str(reference.get("name", "")))


def gateway_of_workload(snapshot: Snapshot, workload: Obj) -> Obj | None:
    """The Gateway for which the operator made a workload; of merged ones the first of the class."""
    labels = {**labels_of(workload), **labels_of(pod_template(workload))}
    prefix = "gateway.envoyproxy.io/owning-gateway"
    if labels.get(f"{prefix}-name"):
        return snapshot.get(GATEWAY, labels.get(f"{prefix}-namespace", ""), labels[f"{prefix}-name"])
    wanted = labels.get(f"{prefix}class", "")
    found = sorted((item for item in snapshot.all(GATEWAY) if dig(item, "spec", "gatewayClassName") == wanted), key=name_of)
    return found[0] if wanted and found else None
