# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ingress-nginx can be told about its routes: annotations of an Ingress."""

from __future__ import annotations

from ...core.model import LoadBalancer, ObjectRef
from ...core.writes import Write, annotation, none_before
from ...kube import kinds
from ...kube.services import full_name
from ..contract.switches import PatchSet, Switches
from ..kit.annotations import same_bool
from ..kit.patches import PatchBuilder, PatchTarget, on_targets
from ..kit.settings import settings_of
from .settings import Settings


def to_service(load_balancer: LoadBalancer, targets: list[PatchTarget]) -> PatchSet:
    """Service routing of each Ingress."""
    patches, keys = PatchBuilder(), settings_of(load_balancer, Settings).keys
    for target in targets:
        if target.route.object.kind == "Ingress":
            patches.annotate(target.object, keys.name("service-upstream"), "true", same_bool)
    return patches.switch()


def send_hosts(load_balancer: LoadBalancer, targets: list[PatchTarget]) -> PatchSet:
    """The Host of each Ingress: upstream-vhost belongs to a location, and a canary has none of its own."""
    patches, keys = PatchBuilder(), settings_of(load_balancer, Settings).keys
    located = [target for target in targets if target.route.object.kind == "Ingress" and not target.route.canary]
    services: dict[ObjectRef, set[str]] = {}
    for target in located:
        services.setdefault(target.route.object, set()).add(target.route.backend.service)
    for target in located:
        # nginx fills these variables in per location, so one annotation serves several Services of one namespace.
        several = len(services[target.route.object]) > 1
        name = full_name("$namespace", "$service_name", target.domain) if several else target.mesh_name
        patches.annotate(target.object, keys.name("upstream-vhost"), name)
    return patches.switch()


WRITES = (Write(
    kinds.INGRESS, (annotation("*/service-upstream", none_before), annotation("*/upstream-vhost", none_before)),
    why="Service routing, and the Host that is sent",
),)  # fmt: skip
SWITCHES = Switches(to_service=on_targets(to_service), host=on_targets(send_hosts), writes=WRITES)
