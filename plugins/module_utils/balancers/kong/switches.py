# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kong can be told about its routes: Service routing per Service, and the Host that it sends per Ingress."""

from __future__ import annotations

from ...core.model import LoadBalancer
from ...core.writes import Write, annotation, none_before
from ...kube import kinds
from ...kube.objects import annotations_of
from ..contract.switches import PatchSet, Switches
from ..kit.gateway.hosts import REWRITES, host_rewrites
from ..kit.patches import PatchBuilder, PatchTarget, is_older, joined_patches, on_targets
from ..kit.settings import settings_of
from .routes import HOST_HEADER, PRESERVE_HOST, SERVICE_UPSTREAM
from .settings import Settings


def to_service(load_balancer: LoadBalancer, targets: list[PatchTarget]) -> PatchSet:
    """The annotation of each Service, unless the class's parameters say it for all."""
    patches = PatchBuilder()
    if not settings_of(load_balancer, Settings).class_wide:
        for target in targets:
            if target.service:
                patches.annotate(target.service, SERVICE_UPSTREAM, "true")
    return patches.switch()


def own_hosts(load_balancer: LoadBalancer, targets: list[PatchTarget]) -> PatchSet:
    """The Host of Ingresses, and why that of some HTTPRoutes cannot be set."""
    patches = PatchBuilder()
    for target in targets:
        if target.route.object.kind == "Ingress":
            patches.annotate(target.object, PRESERVE_HOST, "false", lambda present, wanted: str(present).lower() == wanted)
            _check_host_header(patches, target)
        elif target.route.object.kind == "HTTPRoute" and is_older(settings_of(load_balancer, Settings).version, 3, 2, 0):
            patches.refuse("URLRewrite hostname of an HTTPRoute came with 3.2 of the ingress controller")
    return patches.switch()


def set_hosts(load_balancer: LoadBalancer, targets: list[PatchTarget]) -> PatchSet:
    """The Service's name as Host: by an annotation of the Ingress, or by the standard's own filter."""
    standard = [target for target in targets if target.route.object.kind not in ("Ingress", "TCPIngress")]
    return joined_patches(own_hosts(load_balancer, targets), host_rewrites(standard))


def _check_host_header(patches: PatchBuilder, target: PatchTarget) -> None:
    """The Service may say which Host is sent where the client's is not kept; then it must be the Service's own name."""
    present = annotations_of(target.service).get(HOST_HEADER, "")
    name, domain = target.mesh_name, target.domain
    if present and present.partition(":")[0] not in (name, *(name.removesuffix(item) for item in (f".svc.{domain}", f".{domain}"))):
        patches.value_conflict(target.service, HOST_HEADER, present, name)


WRITES = (
    Write(kinds.SERVICE, (annotation(SERVICE_UPSTREAM, none_before),), why="Service routing"),
    Write(kinds.INGRESS, (annotation(PRESERVE_HOST, none_before),), why="the Host that is sent"), REWRITES,
)
SWITCHES = Switches(to_service=on_targets(to_service), host=on_targets(set_hosts), writes=WRITES)
