# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of this collection's own labels and annotations, and of the parts of it that write them.

They are in users' clusters: a name that changes orphans whatever was written under the old one.
"""

from __future__ import annotations

OWN_PREFIX = "meshlb.istio/"
"""What the names of our own annotations begin with."""

MANAGED_BY = ("app.kubernetes.io/managed-by", "meshlb.istio")
"""The label of every object that this collection created."""
PART = "meshlb.istio/part"
"""Which part created an object."""
CREATED_AS = "meshlb.istio/created-as"
"""The namespace and name under which an object was created: a copy that somebody makes of it has another one."""
APPLIED = "meshlb.istio/applied"
"""What was last written of an object that was created."""
REPLACED = "meshlb.istio/replaced"
"""Which fields of somebody else's object were changed, and what was there before."""
LOAD_BALANCERS = "meshlb.istio/load-balancers"
"""For which load balancers an object was created or changed."""
ROUTES_IN = "meshlb.istio/routes-in"
"""The namespaces of the routes that a created object serves, which need not be its own."""
ROUTE_KINDS = "meshlb.istio/route-kinds"
"""The kinds (Kind.group) of the objects that hold the routes that a created object serves, of a chain also of all that is made for it.

Earlier releases did not note them.
"""

RUN_MODULE = "meshlb.istio/module"
"""On a run's Lease: the module that runs."""
RUN_NAMESPACES = "meshlb.istio/namespaces"
"""On a run's Lease: the namespaces that it is limited to, empty where it is not."""

IGNORE = "meshlb.istio/ignore"
"""Set by users: leave the routes of this object alone."""
_YES = frozenset({"1", "t", "true", "y", "yes", "on"})
_NO = frozenset({"0", "f", "false", "n", "no", "off"})
STRATEGY = "meshlb.istio/strategy"
"""Set by users on an object or its namespace: the strategy for its routes."""

SERVICE_ROUTING = "service_routing"
LB_SIDECAR = "lb_sidecar"
CHAINED_GATEWAY = "chained_gateway"
PARTS = frozenset({SERVICE_ROUTING, LB_SIDECAR, CHAINED_GATEWAY})


def opted_out(value: str | None) -> bool | None:
    """What the value of :data:`IGNORE` means; ``None`` where that is unclear. No annotation is no."""
    word = "no" if value is None else value.strip().lower()
    return True if word in _YES else False if word in _NO else None
