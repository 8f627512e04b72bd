# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the documented ClusterRoles holds a right that is missing."""

from __future__ import annotations

from . import kinds

RIGHTS_URL = "https://github.com/meshlb/istio/blob/main/docs/rbac.md"
ASSESS, SETTINGS, PROVE, LOCK = "meshlb-assess", "meshlb-settings", "meshlb-prove", "meshlb-lock"
_CHAINED_READ = frozenset({"Gateway.networking.istio.io", "CustomResourceDefinition.apiextensions.k8s.io", "Endpoints"})
_LEASE, _HTTP_ROUTE = kinds.LEASE, kinds.HTTP_ROUTE
_WRITERS = {
    **dict.fromkeys(kinds.WORKLOADS, ("meshlb-load-balancer", "meshlb-chained-gateway")),
    kinds.SERVICE: ("meshlb-routes", "meshlb-chained-gateway"),
    kinds.DESTINATION_RULE: ("meshlb-load-balancer", "meshlb-routes"),
    kinds.SERVICE_ENTRY: ("meshlb-load-balancer",),
    kinds.VIRTUAL_SERVICE: ("meshlb-load-balancer", "meshlb-chained-gateway"),
    kinds.PEER_AUTHENTICATION: ("meshlb-exemption",),
    kinds.CONFIG_MAP: ("meshlb-chained-gateway",),
    "Gateway.networking.istio.io": ("meshlb-chained-gateway",),
    "Gateway.gateway.networking.k8s.io": ("meshlb-chained-gateway",),
    _HTTP_ROUTE: ("meshlb-chained-gateway", "meshlb-chained-routes"),
    "ReferenceGrant.gateway.networking.k8s.io": ("meshlb-chained-routes",),
    _LEASE: (LOCK,),
    kinds.POD: (PROVE,),
}
_OF_ONE = "the load balancer's own (meshlb-*-standalone, meshlb-*-chained or meshlb-*-exemption)"


def readers(kind: str) -> tuple[str, ...]:
    """The ClusterRoles that allow a kind to be listed."""
    if not kind:
        return ()
    if kind in (kinds.CONFIG_MAP, _LEASE):
        return (SETTINGS if kind == kinds.CONFIG_MAP else LOCK,)
    if kind in kinds.BASE:
        return (ASSESS,)
    return ("meshlb-chained-read",) if kind in _CHAINED_READ else ("meshlb-vendors-read",)


def writers(kind: str) -> tuple[str, ...]:
    """The ClusterRoles that allow single objects of a kind to be read and written, whatever the load balancer; of Pods: to be asked."""
    return _WRITERS.get(kind, ())


def hint_for(kind: str, *, one: bool = False) -> str:
    """What to do where a right on a kind is missing; ``one``: on a single object, and not to list them all."""
    if not kind:
        return f"Grant it to this user: {RIGHTS_URL}."
    roles = writers(kind) if one else readers(kind)
    own = () if not one or kind in (_LEASE, kinds.POD) else (_OF_ONE,)
    return f"Bind ClusterRole {' or '.join((*roles, *own))} to this user: {RIGHTS_URL}."
