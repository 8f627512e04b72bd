# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sidecar that would make a route worse is left out as a whole, and everybody who depends on it is told."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.runs import sidecar as sidecar_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.common import CommonOptions, allowance
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.sidecar import SidecarOptions

from tests.unit.plugins.module_utils.support.cluster import (
    EDGE,
    Obj,
    backend,
    cluster,
    ingress,
    mesh_config,
    path,
    peer_authentication,
    pod,
    port,
    service,
)
from tests.unit.plugins.module_utils.support.known import detect

SHOP = [service("shop"), pod("shop"), ingress("shop", path(backend("shop")))]
WEB = [service("web", port("web"), where="third"), pod("web", where="third"),
       ingress("web", path(backend("web")), host="web.example.com", where="third", service_upstream="true")]  # fmt: skip
ONLY_KNOWN = mesh_config("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")


def decided(snapshot: Snapshot, allow: object = False, capture: str = "none") -> sidecar_run.SidecarDecision:
    options = SidecarOptions((EDGE, "lb"), CommonOptions(allow_regressions=allowance(allow)), inbound_capture=capture)  # type: ignore[arg-type]
    scene = sidecar_run.SidecarScene(snapshot, REGISTRY, detect(snapshot)[0], options)
    return sidecar_run._without_harm(scene, sidecar_run._present(scene))


def without_sidecar(*objects: Obj) -> Snapshot:
    return cluster(*objects, injected=False)


@pytest.mark.parametrize("more", [[], [peer_authentication()], [ONLY_KNOWN, peer_authentication()]])
def test_a_sidecar_that_harms_nobody_is_made(more: list[Obj]) -> None:
    assert decided(without_sidecar(*SHOP, *WEB, *more)).change is not None


def test_a_sidecar_that_cuts_a_route_off_is_left_out() -> None:
    found = decided(without_sidecar(*SHOP, *WEB, ONLY_KNOWN))
    assert found.change is None and found.left_out
    (said,) = (item for item in found.findings if item.code == "MLB223")
    assert said.severity == "error" and str(said.object) == "Deployment edge/lb" and str(said.cause) == "Ingress apps/shop"
    assert "on which all of its routes depend" in said.message and "from plaintext to refused" in said.message


@pytest.mark.parametrize(("allow", "made"), [(True, True), (["apps/Ingress/shop"], True), (["third/Ingress/web"], False)])
def test_what_the_user_allows_may_happen(allow: object, made: bool) -> None:
    assert (decided(without_sidecar(*SHOP, *WEB, ONLY_KNOWN), allow).change is not None) == made
