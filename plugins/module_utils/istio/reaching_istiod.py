# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether NetworkPolicies let a workload's pods send to istiod, from where a sidecar gets its certificate and its configuration.

Source: Kubernetes' NetworkPolicy (policies of one pod add up; egress is limited where one of them is about it) and Istio's page on ports.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ..core.findings import finding
from ..core.model import Finding, LoadBalancer
from ..kube import kinds
from ..kube.objects import Obj, dig, labels_of, name_of, namespace_of, ref_of
from ..kube.pods import by_namespace
from ..kube.selectors import object_selector
from ..kube.snapshot import Snapshot
from .mesh import control_planes

PORT = 15012
_WIDE = 8
"""Blocks of addresses with at most this prefix count as covering istiod, whose address is not looked for."""


def about_istiod(snapshot: Snapshot, load_balancer: LoadBalancer) -> Iterator[Finding]:
    """Finding MLB127 where policies keep a load balancer's pods away from every istiod that is known."""
    istiods = control_planes(snapshot)
    if load_balancer.workload is None or not istiods:
        return
    policies = [
        item for item in snapshot.lookup(kinds.NETWORK_POLICY, by_namespace, load_balancer.namespace)
        if _limits_egress(item) and object_selector(dig(item, "spec", "podSelector", default={})).matches(dict(load_balancer.pod_labels))
    ]
    rules = [rule for item in policies for rule in dig(item, "spec", "egress", default=[])]
    if not policies or any(_allows(snapshot, load_balancer.namespace, rule, istiod) for rule in rules for istiod in istiods):
        return
    names = ", ".join(name_of(item) for item in policies[:3])
    message = f"{load_balancer.label}: NetworkPolicy {names} keeps its pods from istiod (TCP port {PORT}), so a sidecar is never ready"
    yield finding("MLB127", message, load_balancer.workload, cause=ref_of(policies[0]))


def _limits_egress(policy: Obj) -> bool:
    types = dig(policy, "spec", "policyTypes", default=[])
    return "Egress" in types or (not types and dig(policy, "spec", "egress") is not None)


def _allows(snapshot: Snapshot, home: str, rule: Obj, istiod: Obj) -> bool:
    ports = rule.get("ports") or []
    if ports and not any(map(_is_port, ports)):
        return False
    peers = rule.get("to") or []
    return not peers or any(_is_peer(snapshot, home, peer, istiod) for peer in peers)


def _is_port(port: Obj) -> bool:
    number = port.get("port")
    if port.get("protocol", "TCP") != "TCP":
        return False
    # A name may be that of istiod's port.
    return not isinstance(number, int) or number <= PORT <= int(port.get("endPort") or number)


def _is_peer(snapshot: Snapshot, home: str, peer: Obj, istiod: Obj) -> bool:
    if peer.get("ipBlock"):
        try:
            return ipaddress.ip_network(str(dig(peer, "ipBlock", "cidr")), strict=False).prefixlen <= _WIDE
        except ValueError:
            return False
    where = namespace_of(istiod)
    labels = {"kubernetes.io/metadata.name": where, **labels_of(snapshot.get(kinds.NAMESPACE, "", where) or {})}
    there = object_selector(peer["namespaceSelector"]).matches(labels) if peer.get("namespaceSelector") is not None else where == home
    pods = labels_of(dig(istiod, "spec", "template", default={}))
    return there and (peer.get("podSelector") is None or object_selector(peer["podSelector"]).matches(pods))
