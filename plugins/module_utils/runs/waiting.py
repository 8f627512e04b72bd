# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a gateway: nobody is sent to it before it takes requests, and it does not go before nobody is sent to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.errors import MeshlbError, NotFound
from ..core.model import ObjectRef
from ..kube import kinds
from ..kube.kinds import POD
from ..kube.objects import Obj, dig, labels_of, name_of, pod_template
from ..kube.pods import workload_pods
from ..kube.rollout import not_ready, rollout
from ..kube.selectors import selects
from ..kube.snapshot import Snapshot

INTERVAL = 1.0
SETTLE = 5.0
"""Seconds that proxies and load balancers get to take in what was written: neither says when it has.

Some look every few seconds alone (3.3 of them were met), and reload after that.
"""
_WRITTEN = "The gateway's side is written, and the load balancer was not led to it."


class Reads(Protocol):
    """What waiting needs of a client (:class:`kube.client.api.Api`)."""

    def get(self, ref: ObjectRef) -> Obj: ...

    def list(self, key: str, namespace: str = "") -> Iterable[Obj]: ...


@dataclass(frozen=True)
class Clock:
    """Time, so that tests need none."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def wait_for(
    ask: Callable[[], str], timeout: float, what: str, clock: Clock
) -> None:
    """Return when ``ask`` gives no reason to wait any more; raises :class:`MeshlbError` with the last one."""
    deadline = clock.now() + timeout
    while True:
        reason = ask()
        if not reason:
            return
        if clock.now() >= deadline:
            raise MeshlbError(f"{what} within {timeout:g} seconds: {reason}.", f"{_WRITTEN} Correct what is in the way, then run again.")
        clock.sleep(INTERVAL)


def service_there(api: Reads, ref: ObjectRef) -> str:
    """Why a Service cannot be sent to yet: it is not there, or has no address."""
    try:
        found = api.get(ref)
    except NotFound:
        return f"{ref} does not exist yet"
    return "" if dig(found, "spec", "clusterIP", default="") else f"{ref} has no address yet"


def pods_ready(api: Reads, namespace: str, service: str) -> str:
    """Why the pods behind a gateway's Service do not all take requests yet."""
    selector: dict[str, str] = {}
    for item in api.list(kinds.SERVICE, namespace):
        if name_of(item) == service:
            selector = dig(item, "spec", "selector", default={})
    found = [item for kind in kinds.WORKLOADS for item in api.list(kind, namespace) if selects(selector, labels_of(pod_template(item)))]
    if not found:
        return f"no workload is behind Service {namespace}/{service}"
    for workload in found:
        pods = workload_pods(Snapshot(api.list(POD, namespace)), workload)
        state = rollout(workload, pods)
        if state.failed:
            raise MeshlbError(f"The gateway's rollout failed: {state.failed}.", f"{_WRITTEN} Correct what is in the way, then run again.")
        if not state.done:
            return ": ".join(filter(None, (state.waiting, not_ready(pods)))) or "its rollout is not done"
    return ""


def accepted(api: Reads, refs: Iterable[ObjectRef]) -> str:
    """Why Gateways and routes of the Gateway API are not in force yet, by their own conditions."""
    for ref in refs:
        obj = api.get(ref)
        reason = _not_programmed(obj) if ref.kind == "Gateway" else _not_accepted(obj)
        if reason:
            return f"{ref}: {reason}"
    return ""


def _not_programmed(gateway: Obj) -> str:
    return _unmet(gateway, dig(gateway, "status", "conditions", default=[]), ("Accepted", "Programmed"))


def _not_accepted(route: Obj) -> str:
    parents = dig(route, "status", "parents", default=[])
    if not parents:
        return "no Gateway has taken it yet"
    reasons = [_unmet(route, item.get("conditions") or [], ("Accepted", "ResolvedRefs")) for item in parents]
    return "" if "" in reasons else reasons[0]


def _unmet(obj: Obj, conditions: list[Any], wanted: Iterable[str]) -> str:
    generation = dig(obj, "metadata", "generation", default=0)
    for name in wanted:
        found: Obj = next((item for item in conditions if item.get("type") == name), {})
        if int(found.get("observedGeneration") or generation) < generation:
            return f"{name} is not said of what was written last"
        if found.get("status") != "True":
            return f"{name} is {found.get('status', 'not known')}: {found.get('message', '') or found.get('reason', '')}".rstrip(": .")
    return ""
