# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the documented ClusterRoles holds a right that is missing."""

from __future__ import annotations

from . import kinds

RIGHTS_URL = "https://github.com/meshlb/istio/blob/main/docs/rbac.md"
ASSESS, SETTINGS, PROVE = "meshlb-assess", "meshlb-settings", "meshlb-prove"
_CHAINED_READ = frozenset({"Gateway.networking.istio.io", "CustomResourceDefinition.apiextensions.k8s.io", "Endpoints"})
_WRITERS = {
    **dict.fromkeys(kinds.WORKLOADS, ("meshlb-load-balancer",)),
    kinds.INGRESS: ("meshlb-routes", "meshlb-chained-routes"),
    kinds.SERVICE: ("meshlb-routes", "meshlb-chained-routes"),
    kinds.DESTINATION_RULE: ("meshlb-load-balancer", "meshlb-routes"),
    kinds.SERVICE_ENTRY: ("meshlb-load-balancer",),
    kinds.VIRTUAL_SERVICE: ("meshlb-load-balancer", "meshlb-chained-gateway"),
    kinds.ENDPOINT_SLICE: ("meshlb-chained-routes",),
    kinds.CONFIG_MAP: ("meshlb-chained-gateway",),
    "Endpoints": ("meshlb-chained-routes",),
    "Gateway.networking.istio.io": ("meshlb-chained-gateway",),
    "Gateway.gateway.networking.k8s.io": ("meshlb-chained-gateway", "meshlb-vendors-write"),
    "HTTPRoute.gateway.networking.k8s.io": ("meshlb-chained-gateway", "meshlb-chained-routes", "meshlb-vendors-write"),
    "ReferenceGrant.gateway.networking.k8s.io": ("meshlb-chained-routes",),
    kinds.POD: (PROVE,),
}


def readers(kind: str) -> tuple[str, ...]:
    """The ClusterRoles that allow a kind to be listed."""
    if not kind:
        return ()
    if kind == kinds.CONFIG_MAP:
        return (SETTINGS,)
    if kind in kinds.BASE:
        return (ASSESS,)
    return ("meshlb-chained-read",) if kind in _CHAINED_READ else ("meshlb-vendors-read",)


def writers(kind: str) -> tuple[str, ...]:
    """The ClusterRoles that allow single objects of a kind to be read and written; of Pods: to be asked."""
    return _WRITERS.get(kind, ("meshlb-vendors-write",) if "." in kind else ())


def hint_for(kind: str, *, one: bool = False) -> str:
    """What to do where a right on a kind is missing; ``one``: on a single object, and not to list them all."""
    roles = writers(kind) if one else readers(kind)
    if not roles or kind == kinds.PEER_AUTHENTICATION and one:
        return f"Grant it to this user: {RIGHTS_URL}."
    return f"Bind ClusterRole {' or '.join(roles)} to this user: {RIGHTS_URL}."
