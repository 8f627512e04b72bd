# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which policies hold for a workload: those of the mesh's root namespace and of its own, by selector.

Source: istio/istio pilot/pkg/model/authorization.go and pilot/pkg/model/policyattachment.go. A policy with ``targetRefs`` is for gateways
and waypoints, and for no sidecar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, name_of, namespace_of
from ...kube.pods import by_namespace
from ...kube.snapshot import Snapshot
from ..mesh import MESH_DEPENDS, is_discovered, mesh_config, read_mesh
from .rules import Rule, TrustDomains, read_rule

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
_DRY_RUN = "istio.io/dry-run"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_GATEWAY_GROUP = "gateway.networking.k8s.io"
_DEPENDS = (*kinds.ACCESS, *MESH_DEPENDS)


@dataclass(frozen=True)
class AccessPolicy:
    """One AuthorizationPolicy that is enforced."""

    namespace: str
    name: str
    rules: tuple[Rule, ...]

    @property
    def label(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Tokens:
    """The RequestAuthentications of a workload: their names, and who may have issued a token, each with the audiences it needs."""

    labels: tuple[str, ...] = ()
    issuers: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, eq=False)
class Policies:
    """All that is enforced in front of one workload. Policies that only watch (AUDIT, dry runs) are not.

    They are kept as long as their snapshot, and compared by what they are: to compare what they hold takes as long as they are large.
    """

    custom: tuple[AccessPolicy, ...] = ()
    deny: tuple[AccessPolicy, ...] = ()
    allow: tuple[AccessPolicy, ...] = ()
    tokens: Tokens = Tokens()

    @property
    def none(self) -> bool:
        """Whether nothing is enforced at all."""
        return not (self.custom or self.deny or self.allow or self.tokens.issuers)


NOTHING = Policies()


def any_policies(snapshot: Snapshot) -> bool:
    """Whether there is any policy in a cluster: in most there is none, and nothing more to ask."""
    return snapshot.cached("access policies", lambda view: any(view.count(kind) for kind in kinds.ACCESS), kinds.ACCESS)


def policies_in_front(snapshot: Snapshot, namespace: str, labels: Mapping[str, str]) -> Policies:
    """What is enforced in front of pods of this namespace with these labels."""
    if not any_policies(snapshot):
        return NOTHING
    own = tuple(sorted(labels.items()))
    return snapshot.cached(("access", namespace, own), lambda view: _policies(view, namespace, dict(own)), _DEPENDS)


def _policies(snapshot: Snapshot, namespace: str, labels: dict[str, str]) -> Policies:
    found: dict[str, list[AccessPolicy]] = {"ALLOW": [], "DENY": [], "CUSTOM": []}
    domains = trust_domains(snapshot)
    for item in _attached(snapshot, kinds.AUTHORIZATION_POLICY, namespace, labels):
        action = str(dig(item, "spec", "action", default="ALLOW"))
        if action in found and annotations_of(item).get(_DRY_RUN) not in _TRUE:
            rules = (read_rule(rule, domains) for rule in dig(item, "spec", "rules", default=[]))
            action = "DENY" if action == "CUSTOM" and _denies(snapshot, item) else action
            found[action].append(AccessPolicy(namespace_of(item), name_of(item), tuple(rule for rule in rules if rule is not None)))
    own = [
        item for item in _attached(snapshot, kinds.REQUEST_AUTHENTICATION, namespace, labels) if dig(item, "spec", "jwtRules", default=[])
    ]
    issuers = {
        (str(rule.get("issuer") or ""), tuple(rule.get("audiences") or ())) for item in own for rule in dig(item, "spec", "jwtRules")
    }
    tokens = Tokens(tuple(f"{namespace_of(item)}/{name_of(item)}" for item in own), tuple(sorted(issuers)))
    return Policies(tuple(found["CUSTOM"]), tuple(found["DENY"]), tuple(found["ALLOW"]), tokens)


def _denies(snapshot: Snapshot, policy: Obj) -> bool:
    """Whether a policy would ask a service that no control plane's settings know: Istio has it deny what it would ask about."""
    configs = [mesh_config(snapshot, revision) for revision in ("", *read_mesh(snapshot).revisions)]
    known = {
        str(dig(item, "name", default=""))
        for config in configs for item in config.get("extensionProviders") or [] if isinstance(item, dict)
    }
    return all(configs) and dig(policy, "spec", "provider", "name", default="") not in known


def policies_of_ambient(snapshot: Snapshot, namespace: str, labels: Mapping[str, str]) -> tuple[Obj, ...]:
    """The policies that ztunnel may enforce for a pod, or a waypoint in front of it."""
    found = []
    for kind in kinds.ACCESS:
        for home in dict.fromkeys((read_mesh(snapshot).root_namespace, namespace)):
            for item in sorted(snapshot.lookup(kind, by_namespace, home), key=name_of):
                if _attaches(item, namespace, dict(labels)) or _targets(item):
                    found.append(item)
    return tuple(found)


def trust_domains(snapshot: Snapshot) -> TrustDomains:
    """The mesh's own trust domain and its aliases."""
    aliases = mesh_config(snapshot).get("trustDomainAliases")
    more = [str(item) for item in aliases] if isinstance(aliases, list) else []
    return TrustDomains((read_mesh(snapshot).trust_domain, *more))


def _attached(snapshot: Snapshot, kind: str, namespace: str, labels: dict[str, str]) -> Iterator[Obj]:
    for home in dict.fromkeys((read_mesh(snapshot).root_namespace, namespace)):
        if not is_discovered(snapshot, home):
            continue
        for item in sorted(snapshot.lookup(kind, by_namespace, home), key=name_of):
            if _attaches(item, namespace, labels):
                yield item


def _targets(policy: Obj) -> list[Obj]:
    return dig(policy, "spec", "targetRefs", default=[]) or [item for item in [dig(policy, "spec", "targetRef")] if item]


def _attaches(policy: Obj, namespace: str, labels: dict[str, str]) -> bool:
    targets = _targets(policy)
    if not targets:
        return all(labels.get(key) == value for key, value in dig(policy, "spec", "selector", "matchLabels", default={}).items())
    return GATEWAY_NAME in labels and namespace_of(policy) == namespace and any(
        item.get("kind") == "Gateway" and item.get("group") == _GATEWAY_GROUP and item.get("name") == labels[GATEWAY_NAME]
        and item.get("namespace") in (None, "", namespace) for item in targets
    )
