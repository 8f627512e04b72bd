# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load balancer's sidecar is told about: exportTo, and the Sidecar resource that scopes it.

Source: istio/api networking/v1 (exportTo on VirtualService, ServiceEntry, DestinationRule; Sidecar.egress) and the Service
annotation ``networking.istio.io/exportTo``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..kube import kinds
from ..kube.objects import Obj, annotations_of, created_at, dig, name_of, namespace_of
from ..kube.pods import by_namespace
from ..kube.selectors import selects
from ..kube.services import full_name
from ..kube.snapshot import Snapshot
from .egress import UNNAMED, Egress, egress_of, host_matches, listeners_for
from .mesh import is_discovered, mesh_config, numbers, read_mesh
from .protocols import decided_by_address, declared_protocol
from .revisions import is_of_revision

__all__ = ["EXPORT_TO", "UNNAMED", "OwnListener", "Viewer", "Visibility", "host_matches", "oldest", "short_name"]
EXPORT_TO = "networking.istio.io/exportTo"


_DEFAULT_EXPORTS = {
    "Service": "defaultServiceExportTo", "ServiceEntry": "defaultServiceExportTo", "DestinationRule": "defaultDestinationRuleExportTo",
}
"""Settings of the mesh for kinds that say nothing of exportTo; all others follow the one of VirtualServices."""


@dataclass(frozen=True)
class Viewer:
    """Whose sidecar looks: the load balancer's pods, by namespace and labels, and the revision that configures them (empty: not known)."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    revision: str = ""


@dataclass(frozen=True)
class OwnListener:
    """A listener that no Host decides about. ``scope`` is its port where a Sidecar names that, else :data:`UNNAMED`."""

    protocol: str
    scope: int = UNNAMED


class Visibility:
    """What one viewer's sidecar is told about, in one snapshot."""

    def __init__(self, snapshot: Snapshot, viewer: Viewer) -> None:
        self.snapshot = snapshot
        self.viewer = viewer

    def exported(self, obj: Obj) -> bool:
        """Whether an object is exported to the viewer's namespace."""
        own = self.viewer.namespace
        if not self.known(obj):
            return False
        return any(scope == "*" or (scope == "." and namespace_of(obj) == own) or scope == own for scope in self._scopes(obj))

    def known(self, obj: Obj) -> bool:
        """Whether istiod looks at an object at all: by its namespace, and by the revision that it is for."""
        revision = self.viewer.revision
        return is_discovered(self.snapshot, namespace_of(obj), revision) and is_of_revision(self.snapshot, obj, revision)

    def _scopes(self, obj: Obj) -> list[str]:
        """``exportTo`` of an object, or the mesh's default for its kind."""
        if obj.get("kind") == "Service":
            text = annotations_of(obj).get(EXPORT_TO, "")
            scopes = [item.strip() for item in text.split(",") if item.strip()]
        else:
            scopes = [str(item) for item in dig(obj, "spec", "exportTo", default=[])]
        default = _DEFAULT_EXPORTS.get(str(obj.get("kind")), "defaultVirtualServiceExportTo")
        return scopes or [str(item) for item in mesh_config(self.snapshot, self.viewer.revision).get(default) or ["*"]]

    def nearness(self, obj: Obj) -> int:
        """The order in which Istio asks VirtualServices: those of one namespace alone, those for named ones, those for all."""
        scopes = self._scopes(obj)
        return 2 if "*" in scopes else 0 if "." in scopes else 1

    def scope(self) -> Obj | None:
        """The Sidecar resource that applies: by workload, else the namespace's, else the root namespace's."""
        root = read_mesh(self.snapshot, self.viewer.revision).root_namespace
        own = sorted(filter(self.known, self.snapshot.lookup(kinds.SIDECAR, by_namespace, self.viewer.namespace)), key=created_at)
        for item in own:
            if selects(dig(item, "spec", "workloadSelector", "labels"), dict(self.viewer.labels)):
                return item
        shared = filter(self.known, self.snapshot.lookup(kinds.SIDECAR, by_namespace, root)) if root != self.viewer.namespace else []
        for item in [*own, *sorted(shared, key=created_at)]:
            if not dig(item, "spec", "workloadSelector", "labels"):
                return item
        return None

    def sees(self, obj: Obj, hosts: list[str], port: int = 0, *, http: bool = True, alias: str = "") -> bool:
        """Whether the viewer's sidecar knows an object that defines these hosts; with ``port``, on listeners of that port.

        ``alias``: and knows a Service (of one host) by that other name, too.
        """
        overlapping = obj.get("kind") == "VirtualService"
        if not self.exported(obj):
            return False
        if self.egress is None:
            return True
        found = listeners_for(self.egress, port, http=http)
        home = namespace_of(obj)
        let_in = (item for item in found if item.lets_in(home, hosts, overlapping=overlapping))
        return any(not alias or item.names(home, hosts[0], alias) for item in let_in)

    @cached_property
    def egress(self) -> tuple[Egress, ...] | None:
        """The listeners that a Sidecar resource makes of all outbound traffic; ``None`` where nothing is limited."""
        versions = read_mesh(self.snapshot, self.viewer.revision).versions
        return egress_of(self.scope(), self.viewer.namespace, min(map(numbers, versions), default=()))

    def egress_protocol(self, port: int) -> str:
        """The protocol that a Sidecar's listener gives a port, whatever Services declare; empty where none does."""
        return next((declared_protocol(item.protocol, port) for item in self.egress or () if item.port == port), "")

    def own_listener(self, service: Obj, hosts: list[str], port: int, declared: str) -> OwnListener | None:
        """The listener at a Service's own address: of the protocol that a Sidecar names for the port, else of the declared one."""
        named = self.egress_protocol(port)
        for at, protocol in ((port, named), (UNNAMED, declared)):
            if protocol and decided_by_address(protocol) and self.sees(service, hosts, at):
                return OwnListener(protocol, at)
        return None

    def outbound_policy(self) -> str:
        """``ALLOW_ANY``, ``REGISTRY_ONLY`` or another mode, as it holds for the viewer."""
        sidecar = self.scope()
        own = dig(sidecar, "spec", "outboundTrafficPolicy", "mode") if sidecar else None
        if sidecar and own is None and dig(sidecar, "spec", "outboundTrafficPolicy") is not None:
            # An empty outboundTrafficPolicy is the enum's zero value, REGISTRY_ONLY.
            return "REGISTRY_ONLY"
        return str(own or read_mesh(self.snapshot, self.viewer.revision).outbound_traffic_policy)


def short_name(host: str, namespace: str, domain: str) -> str:
    """The full name of a host that an Istio object in ``namespace`` of a cluster with this domain gives without dots."""
    return host if "." in host or "*" in host or not host else full_name(namespace, host, domain)


def oldest(objects: list[Obj]) -> list[Obj]:
    """Sorted by age: the oldest wins wherever Istio has to choose."""
    return sorted(objects, key=_age)


def _age(obj: Obj) -> tuple[str, str, str]:
    # Services are compared by host name, and a dot is greater than a hyphen.
    return (created_at(obj), f"{name_of(obj)}." if obj.get("kind") == "Service" else name_of(obj), namespace_of(obj))
