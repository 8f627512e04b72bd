# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services by the names that Istio knows them by, and Services that are only another name of one.

Source: istio/istio pilot/pkg/serviceregistry/kube/conversion.go (Services of type ExternalName are aliases) and pilot/pkg/model/service.go.
"""

from __future__ import annotations

from ..kube import kinds
from ..kube.objects import Obj, dig, name_of, namespace_of
from ..kube.services import full_name, is_external_name
from ..kube.snapshot import Snapshot
from .mesh import cluster_domain

_LONGEST_CHAIN = 5


def fqdn(snapshot: Snapshot, service: Obj) -> str:
    """The Service's name in the mesh's registry."""
    return full_name(namespace_of(service), name_of(service), cluster_domain(snapshot))


def service_of_name(snapshot: Snapshot, host: str) -> Obj | None:
    """The Service of a full or shortened mesh name (``svc.ns``, ``svc.ns.svc``, the full name)."""
    labels = host.split(".")
    if len(labels) == 2 or (len(labels) > 2 and labels[2] == "svc" and host.endswith((".svc", f".svc.{cluster_domain(snapshot)}"))):
        return snapshot.get(kinds.SERVICE, labels[1], labels[0])
    return None


def aliased(snapshot: Snapshot, service: Obj) -> Obj | None:
    """The Service of the cluster that a Service of type ExternalName is another name of; ``None`` where it names something else.

    Whoever resolves the name gets that Service's address, so its listeners and policies are the ones that count.
    """
    found: Obj | None = service
    for _step in range(_LONGEST_CHAIN):
        if found is None or not is_external_name(found):
            return found
        name = str(dig(found, "spec", "externalName", default="")).lower().rstrip(".")
        # Only a full name leads somewhere: the name servers of a cluster know no shorter ones.
        found = service_of_name(snapshot, name)
        if found is not None and name != fqdn(snapshot, found):
            return None
    return None


def dialled_port(service: Obj, port: Obj) -> int:
    """The port that is dialled for a Service's port where the Service is another name: its target, as nothing translates it."""
    target, own = port.get("targetPort"), int(port.get("port", 0))
    return int(target) if is_external_name(service) and target and str(target).isdigit() else own
