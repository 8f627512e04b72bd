# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load balancer's sidecar is told about: exportTo, and the Sidecar resource that scopes it.

Source: istio/api networking/v1 (exportTo on VirtualService, ServiceEntry, DestinationRule; Sidecar.egress) and the Service
annotation ``networking.istio.io/exportTo``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..kube import kinds
from ..kube.objects import Obj, annotations_of, created_at, dig, name_of, namespace_of
from ..kube.pods import by_namespace
from ..kube.selectors import selects
from ..kube.snapshot import Snapshot
from .mesh import mesh_config, read_mesh

EXPORT_TO = "networking.istio.io/exportTo"


@dataclass(frozen=True)
class Viewer:
    """Whose sidecar looks: the load balancer's pods, by namespace and labels."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()


def exported(snapshot: Snapshot, obj: Obj, viewer: Viewer) -> bool:
    """Whether an object is exported to the viewer's namespace."""
    home = namespace_of(obj)
    if obj.get("kind") == "Service":
        text = annotations_of(obj).get(EXPORT_TO, "")
        scopes = [item.strip() for item in text.split(",") if item.strip()]
        default = "defaultServiceExportTo"
    else:
        scopes = [str(item) for item in dig(obj, "spec", "exportTo", default=[])]
        default = "defaultDestinationRuleExportTo" if obj.get("kind") == "DestinationRule" else "defaultVirtualServiceExportTo"
        default = "defaultServiceExportTo" if obj.get("kind") == "ServiceEntry" else default
    scopes = scopes or [str(item) for item in mesh_config(snapshot).get(default) or ["*"]]
    return any(scope == "*" or (scope == "." and home == viewer.namespace) or scope == viewer.namespace for scope in scopes)


def scope_of(snapshot: Snapshot, viewer: Viewer) -> Obj | None:
    """The Sidecar resource that applies: by workload, else the namespace's, else the root namespace's."""
    root = read_mesh(snapshot).root_namespace
    own = sorted(snapshot.lookup(kinds.SIDECAR, by_namespace, viewer.namespace), key=created_at)
    for item in own:
        if selects(dig(item, "spec", "workloadSelector", "labels"), dict(viewer.labels)):
            return item
    shared = snapshot.lookup(kinds.SIDECAR, by_namespace, root) if root != viewer.namespace else []
    for item in [*own, *sorted(shared, key=created_at)]:
        if not dig(item, "spec", "workloadSelector", "labels"):
            return item
    return None


def in_scope(sidecar: Obj | None, viewer: Viewer, home: str, hosts: list[str]) -> bool:
    """Whether one of ``hosts``, defined in namespace ``home``, is among a Sidecar's egress hosts (all, without one)."""
    egress = dig(sidecar, "spec", "egress", default=[]) if sidecar else []
    if not egress:
        return True
    for listener in egress:
        for item in listener.get("hosts") or []:
            namespace, dummy, pattern = str(item).partition("/")
            wanted = viewer.namespace if namespace == "." else namespace
            if wanted in ("*", home) and any(host_matches(pattern, host) for host in hosts):
                return True
    return False


def sees(snapshot: Snapshot, viewer: Viewer, obj: Obj, hosts: list[str]) -> bool:
    """Whether the viewer's sidecar knows an object that defines these hosts."""
    return exported(snapshot, obj, viewer) and in_scope(scope_of(snapshot, viewer), viewer, namespace_of(obj), hosts)


def outbound_policy(snapshot: Snapshot, viewer: Viewer) -> str:
    """``ALLOW_ANY``, ``REGISTRY_ONLY`` or another mode, as it holds for the viewer."""
    sidecar = scope_of(snapshot, viewer)
    own = dig(sidecar, "spec", "outboundTrafficPolicy", "mode") if sidecar else None
    if sidecar and own is None and dig(sidecar, "spec", "outboundTrafficPolicy") is not None:
        # An empty outboundTrafficPolicy is the enum's zero value, REGISTRY_ONLY.
        return "REGISTRY_ONLY"
    return str(own or read_mesh(snapshot).outbound_traffic_policy)


def host_matches(pattern: str, host: str) -> bool:
    """Whether a host pattern (exact, ``*.suffix`` or ``*``) covers a host or a narrower pattern."""
    pattern, host = pattern.lower(), host.lower()
    if pattern in ("*", host):
        return True
    return pattern.startswith("*.") and host.endswith(pattern[1:]) and host != pattern[1:]


def short_name(host: str, namespace: str) -> str:
    """The full name of a host that an Istio object in ``namespace`` gives without dots."""
    if "." in host or "*" in host or not host:
        return host
    return f"{host}.{namespace}.svc.cluster.local"


def oldest(objects: list[Obj]) -> list[Obj]:
    """Sorted by age: the oldest wins wherever Istio has to choose."""
    return sorted(objects, key=lambda item: (created_at(item), namespace_of(item), name_of(item)))
