# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which DestinationRule holds for a host, and what it says about TLS for a port and a subset.

Source: istio/istio pilot/pkg/model/push_context.go (setDestinationRules, destinationRule), destination_rule.go (mergeDestinationRule),
sidecar.go (SidecarScope.DestinationRule), pilot/pkg/networking/util (MergeSubsetTrafficPolicy) and pilot/pkg/xds/endpoints/mtls_checker.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from ..kube import kinds
from ..kube.objects import Obj, created_at, dig, name_of, namespace_of
from .mesh import MESH_DEPENDS, cluster_domain, mesh_config, read_mesh
from .names import below
from .visibility import Visibility, short_name

_DEPENDS = (kinds.DESTINATION_RULE, *MESH_DEPENDS)
_PUBLIC, _PRIVATE = "*", "."


@cache
def rule_hosts(domain: str) -> Callable[[Obj], Iterator[str]]:
    """Index of DestinationRules by full host name, in a cluster with this domain."""
    def index(rule: Obj) -> Iterator[str]:
        yield short_name(str(dig(rule, "spec", "host", default="")), namespace_of(rule), domain).lower()

    return index


def destination_rule(visibility: Visibility, host: str, home: str) -> Obj | None:
    """The DestinationRule that holds for a host of namespace ``home``: those of one host and namespace as one."""
    key = ("destination_rule", visibility.viewer, host.lower(), home)
    return visibility.snapshot.cached(key, lambda view: _chosen(Visibility(view, visibility.viewer), host.lower(), home), _DEPENDS)


def _chosen(visibility: Visibility, host: str, home: str) -> Obj | None:
    """Of the rules for a host: one for this client's pods, else the last that is for all of its namespace."""
    labels, found = dict(visibility.viewer.labels), None
    for rule in _of_host(visibility, host, home):
        wanted = _selector(rule)
        if wanted is None:
            found = rule
        elif namespace_of(rule) == visibility.viewer.namespace and wanted.items() <= labels.items():
            return rule
    return found


def _of_host(visibility: Visibility, host: str, home: str) -> Sequence[Obj]:
    """The merged rules of the first namespace that has any: the client's, the Service's, the root."""
    viewer, root = visibility.viewer.namespace, read_mesh(visibility.snapshot, visibility.viewer.revision).root_namespace
    everything, hosts = _candidates(visibility, host), rule_hosts(cluster_domain(visibility.snapshot))
    own = [item for item in everything if namespace_of(item) == viewer and _for_own(item)]
    if viewer == root:
        own = [item for item in own if _is_private(visibility, item)]
    if own:
        return [rule for dummy, rule in _merged(_narrowest(own, hosts))]
    for namespace in (home, root):
        there = [item for item in everything if namespace_of(item) == namespace and not _is_private(visibility, item)]
        exported = [rule for scopes, rule in _merged(_narrowest(there, hosts)) if not scopes or scopes & {_PUBLIC, viewer}]
        if exported:
            return exported
    return ()


def _candidates(visibility: Visibility, host: str) -> list[Obj]:
    """Every rule for a host, by exact name or by a wildcard over it."""
    names = dict.fromkeys([host, *below(host), "*"])
    index = rule_hosts(cluster_domain(visibility.snapshot))
    found = (item for name in names for item in visibility.snapshot.lookup(kinds.DESTINATION_RULE, index, name))
    return [item for item in found if visibility.known(item)]


def _narrowest(rules: Sequence[Obj], hosts: Callable[[Obj], Iterator[str]]) -> list[Obj]:
    """Those of the most specific host, in the order in which Istio puts them together."""
    if not rules:
        return []
    # An exact host has no star, and candidates come from the exact one to ever wider wildcards.
    host = next(hosts(rules[0]))
    chosen = (item for item in rules if next(hosts(item)) == host)
    return sorted(chosen, key=lambda item: (_selector(item) is None, created_at(item), name_of(item), namespace_of(item)))


def _selector(rule: Obj) -> dict[str, str] | None:
    """The labels of the clients that a rule is for; ``None`` where it is for all of a namespace."""
    selector = dig(rule, "spec", "workloadSelector")
    return None if selector is None else dict(dig(selector, "matchLabels", default={}))


def _scopes(rule: Obj) -> frozenset[str]:
    """``exportTo`` as Istio reads it: a rule for some pods is its own namespace's."""
    if _selector(rule) is not None:
        return frozenset({_PRIVATE})
    return frozenset(str(item) for item in dig(rule, "spec", "exportTo", default=[]))


def _for_own(rule: Obj) -> bool:
    scopes = _scopes(rule)
    return not scopes or bool(scopes & {_PUBLIC, _PRIVATE, namespace_of(rule)})


def _is_private(visibility: Visibility, rule: Obj) -> bool:
    scopes = _scopes(rule)
    if not scopes:
        return _PRIVATE in (mesh_config(visibility.snapshot, visibility.viewer.revision).get("defaultDestinationRuleExportTo") or [])
    return scopes in (frozenset({_PRIVATE}), frozenset({namespace_of(rule)}))


def _merged(rules: Sequence[Obj]) -> list[tuple[frozenset[str], Obj]]:
    """Rules of one host and namespace, put together as far as they are exported to the same namespaces and are for the same pods."""
    found: list[tuple[frozenset[str], Obj]] = []
    for rule in rules:
        scopes, separate = _scopes(rule), True
        for place, (known, merged) in enumerate(found):
            if scopes != known and not (known and scopes > known):
                separate = True
                continue
            separate = scopes != known
            both = (_selector(rule), _selector(merged))
            if None not in both and both[0] != both[1]:
                separate = True
                continue
            if both[0] == both[1]:
                separate = False
            found[place] = (known, _with(merged, rule))
        if separate:
            found.append((scopes, rule))
    return found


def _with(merged: Obj, rule: Obj) -> Obj:
    """The older rule with the subsets of a younger one, and with its traffic policy where the older has none."""
    spec, more = merged["spec"], rule["spec"]
    known = {item.get("name") for item in spec.get("subsets") or []}
    subsets = [*(spec.get("subsets") or []), *(item for item in more.get("subsets") or [] if item.get("name") not in known)]
    policy = spec.get("trafficPolicy") if spec.get("trafficPolicy") is not None else more.get("trafficPolicy")
    return {**merged, "spec": {**spec, "subsets": subsets, **({"trafficPolicy": policy} if policy is not None else {})}}


@dataclass(frozen=True)
class Policy:
    """What holds for one port and subset. ``cluster`` is TLS as the cluster has it, empty for automatic mutual TLS.

    ``endpoints`` is the mode by which endpoints are marked for automatic mutual TLS, empty where each is looked at. ``labels`` are those of
    the subset's pods; ``known`` is false for a subset that there is not. ``original``: the dialled address is kept.
    """

    cluster: Obj
    endpoints: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    known: bool = True
    original: bool = False


def policy_of(rule: Obj | None, port: int, subset: str = "") -> Policy:
    """A rule's settings for a port and, where one is named, a subset."""
    general = dig(rule, "spec", "trafficPolicy", default={}) if rule else {}
    subsets = dig(rule, "spec", "subsets", default=[]) if rule and subset else []
    named = next((item for item in subsets if item.get("name") == subset), None)
    own = dig(named, "trafficPolicy", default={}) if named else {}
    merged = _for_port(general, port)
    if own:
        at_port = _for_port(own, port)
        merged = at_port if at_port is not own else {**merged, **{key: value for key, value in own.items() if value is not None}}
    marked = _marked(own, port) or _marked(general, port)
    balancing = str(dig(merged, "loadBalancer", "simple", default=""))
    return Policy(
        dict(merged.get("tls") or {}), marked, tuple(sorted(dig(named, "labels", default={}).items())),
        not subset or named is not None, balancing == "PASSTHROUGH",
    )


def _for_port(policy: Obj, port: int) -> Obj:
    """The settings of a port replace the others as a whole: without tls, that is automatic mutual TLS."""
    return next((item for item in policy.get("portLevelSettings") or [] if dig(item, "port", "number") == port), policy)


def _marked(policy: Obj, port: int) -> str:
    """The mode that endpoints are marked with: unlike the cluster's, it is taken from the whole where the port says nothing."""
    at_port = _for_port(policy, port)
    tls = at_port.get("tls") if at_port.get("tls") is not None else policy.get("tls")
    return "" if tls is None else str(tls.get("mode") or "DISABLE")
