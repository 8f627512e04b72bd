# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``certs_only``: the load balancer speaks mutual TLS itself; its sidecar takes no traffic and only keeps the certificate fresh."""

from __future__ import annotations

from collections.abc import Iterable

from ...balancers.contract.switches import FieldPatch, RouteSwitch
from ...core.model import Route
from ...kube.objects import Obj
from .base import Context, Creation, Proposal, Strategy, made_for, refusing
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
            load_balancer = context.inventory.load_balancers[key]
            certificates = _switch(context, load_balancer.vendor)
            for name in sorted({route.object for route in wanted if route.load_balancer == key and route.settable}):
                # Object by object, because what one of them lacks does not keep the others from it.
                own = [route for route in wanted if route.load_balancer == key and route.object == name]
                answer = context.cluster.ask(certificates, load_balancer, own)
                patches += answer.patches
                bodies += [body for body in answer.bodies if body not in bodies]
                if answer.refusal:
                    refusals.update(dict.fromkeys(own, answer.refusal))
        reason = "gives the load balancer the mesh's certificate and root"
        return Proposal(tuple(patches), tuple(made_for(wanted, *(Creation(body, reason) for body in bodies))), refusals)


def _switch(context: Context, vendor: str) -> RouteSwitch:
    profile = context.registry.get(vendor)
    return profile.switches.certificates or refusing(
        f"{profile.about.title} is not known to speak the mesh's mutual TLS itself and verify the backend's certificate"
    )
