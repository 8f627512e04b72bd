# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a load balancer's rollout from being without a gap: told before anything is written. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..core.findings import finding
from ..core.model import Finding
from ..kube.objects import Obj, containers_of, dig, labels_of, namespace_of, pod_template, ref_of
from ..kube.rollout import replicas_wanted
from ..kube.selectors import object_selector


def about_gaps(workload: Obj, budgets: Iterable[Obj] | None) -> list[Finding]:
    """Findings MLB305 to MLB309. ``budgets`` are the cluster's PodDisruptionBudgets, ``None`` where they could not be read."""
    ref = ref_of(workload)
    found = [finding("MLB305", f"{ref}: {why}", ref) for why in _taken_away_first(workload)]
    if replicas_wanted(workload) == 1:
        found.append(finding("MLB306", f"{ref} has one pod, so nobody takes its connections while it is replaced", ref))
    if not any(item.get("readinessProbe") for item in containers_of(pod_template(workload))):
        found.append(finding("MLB307", f"{ref}: none of its containers has a readinessProbe, so new pods count as ready at once", ref))
    if budgets is None:
        found.append(finding("MLB308", f"whether a PodDisruptionBudget allows {ref} a rollout is not known, as none could be read", ref))
    for budget in budgets or ():
        why = _allows_none(budget, workload)
        if why:
            found.append(finding("MLB308", f"{ref_of(budget)} allows no pod of {ref} to be missing ({why})", ref, cause=ref_of(budget)))
    if dig(workload, "spec", "paused", default=False):
        found.append(finding("MLB309", f"{ref} is paused (spec.paused), so its pods are not replaced", ref))
    return found


def _taken_away_first(workload: Obj) -> Iterator[str]:
    """How the strategy has pods leave before others are there."""
    kind, wanted = workload.get("kind"), replicas_wanted(workload)
    strategy = dig(workload, "spec", "strategy" if kind == "Deployment" else "updateStrategy", default={})
    if dig(strategy, "type") == "Recreate":
        yield "its strategy Recreate ends all pods before it starts new ones"
        return
    limit = dig(strategy, "rollingUpdate", "maxUnavailable")
    if limit is not None and wanted and _number(limit, wanted, upwards=kind == "DaemonSet") >= wanted:
        yield f"its strategy lets all of its pods be missing at once (maxUnavailable is {limit})"


def _number(value: Any, whole: int, *, upwards: bool) -> int:
    """A number of pods that is given as one or as a percentage; what is neither counts as none."""
    text = str(value).strip()[:12]
    share = text.removesuffix("%")
    if not share.isdecimal():
        return 0
    if share == text:
        return int(share)
    product = int(share) * whole
    return -(-product // 100) if upwards else product // 100


def _allows_none(budget: Obj, workload: Obj) -> str:
    """The field by which a budget of these pods allows none of them to be missing, or nothing."""
    if namespace_of(budget) != namespace_of(workload):
        return ""
    selector = dig(budget, "spec", "selector")
    if selector is None or not object_selector(selector).matches(labels_of(pod_template(workload))):
        return ""
    wanted = replicas_wanted(workload)
    most, least = dig(budget, "spec", "maxUnavailable"), dig(budget, "spec", "minAvailable")
    if most is not None and _number(most, wanted, upwards=True) == 0:
        return f"maxUnavailable is {most}"
    if least is not None and wanted and _number(least, wanted, upwards=True) >= wanted:
        return f"minAvailable is {least}, and it has {wanted}"
    return ""
