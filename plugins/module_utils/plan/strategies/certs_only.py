# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``certs_only``: the load balancer speaks mutual TLS itself; its sidecar takes no traffic and only keeps the certificate fresh."""

from __future__ import annotations

from collections.abc import Iterable

from ...balancers.contract.profile import FieldPatch
from ...balancers.registry import profile_of
from ...core.model import Route
from ...kube.objects import Obj
from .base import Context, Proposal, Strategy
from .host_entry import MESH_POLICY


class CertsOnly(Strategy):
    """The vendor's own way, and only where it verifies the backend's certificate."""

    name = "certs_only"
    gain = "the load balancer keeps its own balancing and the Host, and speaks mutual TLS itself"
    cost = "the backend's certificate is verified against the mesh's root but not its identity, and no sidecar applies the mesh's policies"
    loses = frozenset({MESH_POLICY})
    touches_load_balancer = True

    def propose(self, context: Context, targets: Iterable[Route]) -> Proposal:
        wanted = list(targets)
        refusals = {route: route.why_not_settable for route in wanted if not route.settable}
        patches: list[FieldPatch] = []
        bodies: list[Obj] = []
        for key in sorted({route.load_balancer for route in wanted}):
            load_balancer = context.load_balancers[key]
            profile = profile_of(context.snapshot, load_balancer.vendor)
            for name in sorted({route.object for route in wanted if route.load_balancer == key and route.settable}):
                # Object by object, because what one of them lacks does not keep the others from it.
                own = [route for route in wanted if route.load_balancer == key and route.object == name]
                answer = profile.set_certificates(context.snapshot, load_balancer, own)
                patches += answer.patches
                bodies += [body for body in answer.bodies if body not in bodies]
                if answer.refusal:
                    refusals.update(dict.fromkeys(own, answer.refusal))
        return Proposal(tuple(patches), tuple(bodies), refusals)
