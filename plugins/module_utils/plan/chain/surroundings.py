# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan of a chain has to know of the cluster around it, read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.model import LoadBalancer
from ...istio.hosts import Destination
from ...istio.mesh import mesh_config, numbers, read_mesh
from ...istio.outcome import Outlook
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, labels_of, name_of
from ...kube.snapshot import Snapshot
from .options import GatewayOptions
from .target import ISTIO_GATEWAY, GatewaySearch, GatewayState

DEFINITION = "CustomResourceDefinition.apiextensions.k8s.io"
BUNDLE = "gateway.networking.k8s.io/bundle-version"


@dataclass(frozen=True)
class OwnSidecar:
    """What the load balancer's own sidecar would do with HTTP for the gateway: where each host leads, and what becomes of others."""

    destinations: Mapping[str, Destination] = field(default_factory=dict)
    outbound_policy: str = ""


@dataclass(frozen=True)
class Surroundings:
    """The cluster without this collection's chains.

    ``state`` is the gateway as it is. ``version`` is the oldest of Istio's, empty where none is known. ``topology`` is the mesh-wide
    ``gatewayTopology``. ``namespace_labels`` and ``gateways`` (of Istio's API) are all there are. ``bundles`` are the versions of
    CustomResourceDefinitions by kind key; ``unserved`` are the kind keys for which it is known that the API server does not serve them.
    """

    state: GatewayState
    version: str = ""
    topology: dict[str, Any] = field(default_factory=dict)
    namespace_labels: Mapping[str, dict[str, str]] = field(default_factory=dict)
    gateways: tuple[Obj, ...] = ()
    bundles: Mapping[str, str] = field(default_factory=dict)
    served: frozenset[str] | None = None
    unreadable: frozenset[str] = frozenset()
    live: bool = True

    def lacks(self, kind: str) -> bool:
        """Whether the API server is known not to serve a kind."""
        return self.served is not None and kind not in self.served and kind not in self.unreadable


def look_around(base: Snapshot, options: GatewayOptions) -> Surroundings:
    """Read the surroundings of a chain."""
    return Surroundings(
        GatewaySearch(base, options).state(), min(read_mesh(base).versions, default="", key=numbers),
        dict(dig(mesh_config(base), "defaultConfig", "gatewayTopology", default={})),
        {name_of(item): labels_of(item) for item in base.all(kinds.NAMESPACE)}, tuple(base.all(ISTIO_GATEWAY)),
        {key: version for item in base.all(DEFINITION) if (version := annotations_of(item).get(BUNDLE, "")) for key in _kind_keys(item)},
        base.source.available if base.source.live else None, frozenset(base.source.denied), base.source.live,
    )


def own_sidecar(base: Snapshot, load_balancer: LoadBalancer | None, state: GatewayState, hosts: Iterable[str]) -> OwnSidecar | None:
    """The load balancer's sidecar, where it takes what is sent to the gateway as HTTP."""
    if load_balancer is None or not load_balancer.sidecar.present or state.target.tls:
        return None
    outlook, target = Outlook(base, load_balancer), state.target
    taken = load_balancer.interception.takes_outbound(target.address, target.port)[0]
    if not taken or not outlook.hosts.has_http_listener(target.port):
        return None
    found = {host: outlook.hosts.http_destination(target.port, host, "/") for host in hosts}
    return OwnSidecar(found, outlook.visibility.outbound_policy())


def _kind_keys(definition: Obj) -> tuple[str, ...]:
    names = (dig(definition, "spec", "names", "kind", default=""), dig(definition, "spec", "group", default=""))
    return (f"{names[0]}.{names[1]}",)
