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


_DEFAULT_EXPORTS = {
    "Service": "defaultServiceExportTo", "ServiceEntry": "defaultServiceExportTo", "DestinationRule": "defaultDestinationRuleExportTo",
}
"""Settings of the mesh for kinds that say nothing of exportTo; all others follow the one of VirtualServices."""


@dataclass(frozen=True)
class Viewer:
    """Whose sidecar looks: the load balancer's pods, by namespace and labels."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()


class Visibility:
    """What one viewer's sidecar is told about, in one snapshot."""

    def __init__(self, snapshot: Snapshot, viewer: Viewer) -> None:
        self.snapshot = snapshot
        self.viewer = viewer

    def exported(self, obj: Obj) -> bool:
        """Whether an object is exported to the viewer's namespace."""
        own = self.viewer.namespace
        return any(scope == "*" or (scope == "." and namespace_of(obj) == own) or scope == own for scope in self._scopes(obj))

    def _scopes(self, obj: Obj) -> list[str]:
        """``exportTo`` of an object, or the mesh's default for its kind."""
        if obj.get("kind") == "Service":
            text = annotations_of(obj).get(EXPORT_TO, "")
            scopes = [item.strip() for item in text.split(",") if item.strip()]
        else:
            scopes = [str(item) for item in dig(obj, "spec", "exportTo", default=[])]
        default = _DEFAULT_EXPORTS.get(str(obj.get("kind")), "defaultVirtualServiceExportTo")
        return scopes or [str(item) for item in mesh_config(self.snapshot).get(default) or ["*"]]

    def nearness(self, obj: Obj) -> int:
        """The order in which Istio asks VirtualServices: those of one namespace alone, those for named ones, those for all."""
        scopes = self._scopes(obj)
        return 2 if "*" in scopes else 0 if "." in scopes else 1

    def scope(self) -> Obj | None:
        """The Sidecar resource that applies: by workload, else the namespace's, else the root namespace's."""
        root = read_mesh(self.snapshot).root_namespace
        own = sorted(self.snapshot.lookup(kinds.SIDECAR, by_namespace, self.viewer.namespace), key=created_at)
        for item in own:
            if selects(dig(item, "spec", "workloadSelector", "labels"), dict(self.viewer.labels)):
                return item
        shared = self.snapshot.lookup(kinds.SIDECAR, by_namespace, root) if root != self.viewer.namespace else []
        for item in [*own, *sorted(shared, key=created_at)]:
            if not dig(item, "spec", "workloadSelector", "labels"):
                return item
        return None

    def sees(self, obj: Obj, hosts: list[str]) -> bool:
        """Whether the viewer's sidecar knows an object that defines these hosts."""
        return self.exported(obj) and in_scope(self.scope(), self.viewer, namespace_of(obj), hosts)

    def outbound_policy(self) -> str:
        """``ALLOW_ANY``, ``REGISTRY_ONLY`` or another mode, as it holds for the viewer."""
        sidecar = self.scope()
        own = dig(sidecar, "spec", "outboundTrafficPolicy", "mode") if sidecar else None
        if sidecar and own is None and dig(sidecar, "spec", "outboundTrafficPolicy") is not None:
            # An empty outboundTrafficPolicy is the enum's zero value, REGISTRY_ONLY.
            return "REGISTRY_ONLY"
        return str(own or read_mesh(self.snapshot).outbound_traffic_policy)


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
    return sorted(objects, key=_age)


def _age(obj: Obj) -> tuple[str, str, str]:
    # Services are compared by host name, and a dot is greater than a hyphen.
    return (created_at(obj), f"{name_of(obj)}." if obj.get("kind") == "Service" else name_of(obj), namespace_of(obj))
