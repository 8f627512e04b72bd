# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the collection for tests: one that may write whatever tests of the bookkeeping write, and the real ones."""

from __future__ import annotations

from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.writes import Field, Part, Write
from ansible_collections.meshlb.istio.plugins.module_utils.plan import writes

INGRESS = "Ingress.networking.k8s.io"
_PLACES = (
    "/metadata/annotations/*", "/metadata/labels/*", "/spec/*", "/spec/*/*", "/spec/*/*/*", "/spec/*/*/*/*", "/spec/*/*/*/*/*",
)  # fmt: skip

ROUTING = writes.service_routing(REGISTRY)
SIDECAR = writes.lb_sidecar(REGISTRY)
CHAINED = writes.chained_gateway(REGISTRY)


def free(name: str, *makes: str) -> Part:
    """A part that may set any field of an Ingress, and make any Service, and any object of these kinds."""
    fields = tuple(Field(place, lambda value, was: True) for place in _PLACES)
    return Part(name, (Write(INGRESS, fields), *(Write(kind, named=lambda obj: True) for kind in ("Service", *makes))))
