# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which other tool an object belongs to, and what that tool's user should change instead (finding MLB216)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..core.findings import finding
from ..core.model import Change, Finding
from ..kube.objects import Obj, annotations_of, dig, identity_of, labels_of, ref_of
from .ledger import Lookup


@dataclass(frozen=True)
class Manager:
    """A tool that may put back what is changed, and the sentence for its user."""

    tool: str
    advice: str


def manager(obj: Obj) -> Manager | None:
    """The tool that manages an object, or ``None``. A deployer is named before Helm: it is what renders the chart."""
    labels, annotations = labels_of(obj), annotations_of(obj)
    for ask in (_argo_cd, _flux, _helm):
        found = ask(labels, annotations)
        if found is not None:
            return found
    return _operator(obj, labels)


def manager_finding(obj: Obj, change: str) -> Finding | None:
    """Finding MLB216 for an object of another tool; ``change`` says what is to be changed (a noun phrase)."""
    found = manager(obj)
    if found is None:
        return None
    message = f"{ref_of(obj)} is managed by {found.tool}, which may put back {change}. {found.advice}"
    return finding("MLB216", message, ref_of(obj), remedy=found.advice, details={"tool": found.tool})


def manager_findings(existing: Lookup, changes: Iterable[Change], change: str) -> list[Finding]:
    """:func:`manager_finding` for every object that is patched."""
    found = []
    for item in changes:
        obj = existing(*identity_of(item.object)) if item.action == "patch" else None
        remark = manager_finding(obj, change) if obj is not None else None
        found += [remark] if remark else []
    return found


def _argo_cd(labels: dict[str, str], annotations: dict[str, str]) -> Manager | None:
    # The tracking id is "<application>:<group>/<kind>:<namespace>/<name>"; the label holds the application alone.
    tracked = annotations.get("argocd.argoproj.io/tracking-id", "").partition(":")[0]
    application = tracked or labels.get("argocd.argoproj.io/instance", "")
    if not application:
        return None
    advice = f"Commit the change to the source of Argo CD's Application {application}, or list the fields in its ignoreDifferences."
    return Manager(f"Argo CD (Application {application})", advice)


def _flux(labels: dict[str, str], dummy: dict[str, str]) -> Manager | None:
    for prefix, kind, where in (
        ("kustomize.toolkit.fluxcd.io", "Kustomization", "to the source of"),
        ("helm.toolkit.fluxcd.io", "HelmRelease", "to the values of"),
    ):
        name = labels.get(f"{prefix}/name", "")
        if name:
            full = f"{labels.get(f'{prefix}/namespace', '')}/{name}".lstrip("/")
            return Manager(f"Flux ({kind} {full})", f"Commit the change {where} Flux's {kind} {full}.")
    return None


def _helm(labels: dict[str, str], annotations: dict[str, str]) -> Manager | None:
    release = annotations.get("meta.helm.sh/release-name", "")
    if labels.get("app.kubernetes.io/managed-by") != "Helm" or not release:
        return None
    full = f"{annotations.get('meta.helm.sh/release-namespace', '')}/{release}".lstrip("/")
    return Manager(f"Helm (release {full})", f"Set it in the values of release {full} too, or its next upgrade may undo it.")


def _operator(obj: Obj, labels: dict[str, str]) -> Manager | None:
    for owner in dig(obj, "metadata", "ownerReferences", default=[]):
        if owner.get("controller"):
            full = f"{owner.get('kind', '')} {owner.get('name', '')}"
            return Manager(f"the operator of {full}", f"Change {full} instead, where it has a field for this.")
    package = labels.get("olm.owner", "")
    if package:
        return Manager(f"the Operator Lifecycle Manager ({package})", "Change it through the operator's own resource instead.")
    return None
