# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which other tool an object belongs to."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply.managers import manager, manager_finding

HELM = {"meta.helm.sh/release-name": "edge", "meta.helm.sh/release-namespace": "ns"}


def obj(labels: Any = None, annotations: Any = None, owners: Any = None) -> dict[str, Any]:
    metadata = {"name": "x", "namespace": "ns", "labels": labels, "annotations": annotations, "ownerReferences": owners}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}


@pytest.mark.parametrize(
    ("found", "tool", "advice"),
    [
        (obj({"argocd.argoproj.io/instance": "shop"}), "Argo CD (Application shop)", "ignoreDifferences"),
        (obj(None, {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:ns/x"}), "Argo CD (Application shop)", "Commit"),
        (
            obj({"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux"}),
            "Flux (Kustomization flux/apps)",
            "to the source of Flux's Kustomization flux/apps",
        ),
        (
            obj({"helm.toolkit.fluxcd.io/name": "edge", "app.kubernetes.io/managed-by": "Helm"}, HELM),
            "Flux (HelmRelease edge)",
            "to the values of Flux's HelmRelease edge",
        ),
        (obj({"app.kubernetes.io/managed-by": "Helm"}, HELM), "Helm (release ns/edge)", "values of release ns/edge"),
        (obj(None, None, [{"kind": "Gate", "name": "g", "controller": True}]), "the operator of Gate g", "Change Gate g"),
        (obj({"olm.owner": "edge.v1"}), "the Operator Lifecycle Manager (edge.v1)", "operator's own resource"),
    ],
)
def test_tools_are_recognised_and_say_where_to_change(found: dict[str, Any], tool: str, advice: str) -> None:
    known = manager(found)
    assert known is not None
    assert known.tool == tool
    assert advice in known.advice
    remark = manager_finding(found, "the pod template")
    assert remark is not None
    assert (remark.code, str(remark.object)) == ("MLB216", "Deployment ns/x")
    assert (remark.remedy, remark.details.to_result()) == (known.advice, {"tool": tool})
    assert f"managed by {tool}, which may put back the pod template" in remark.message


@pytest.mark.parametrize(
    "free",
    [
        obj(),
        obj({"app.kubernetes.io/managed-by": "Helm"}),
        obj({"app.kubernetes.io/managed-by": "meshlb.istio"}, HELM),
        obj(None, None, [{"kind": "Gate", "name": "g"}]),
    ],
)
def test_other_objects_belong_to_nobody(free: dict[str, Any]) -> None:
    assert manager(free) is None
    assert manager_finding(free, "x") is None
