# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for the cluster, the one way that all runs have: for a rollout, and for a gateway.

Nobody is sent to a gateway before it takes requests, and it does not go before nobody is sent to it.
"""

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
from ..kube.rollout import Rollout, not_ready, rollout
from ..kube.selectors import selects
from ..kube.snapshot import Snapshot

SETTLE = 5.0
"""Seconds that proxies and load balancers get to take in what was written: neither says when it has.

Some look every few seconds alone (3.3 of them were met), and reload after that.
"""


class Reads(Protocol):
    """What waiting needs of a client (:class:`kube.client.api.Api`)."""

    def get(self, ref: ObjectRef) -> Obj: ...

    def list(self, key: str, namespace: str = "") -> Iterable[Obj]: ...


@dataclass(frozen=True)
class Clock:
    """Time, so that tests need none; ``interval`` is how long waiting sleeps before it asks again."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    interval: float = 1.0


def wait_for(ask: Callable[[], str], timeout: float, too_late: Callable[[str], MeshlbError], clock: Clock) -> None:
    """Return when ``ask`` gives no reason to wait any more; after ``timeout`` seconds, raise the error made of the last one.

    What cannot happen any more ``ask`` raises itself.
    """
    deadline = clock.now() + timeout
    while reason := ask():
        if clock.now() >= deadline:
            raise too_late(reason)
        clock.sleep(clock.interval)


def wait_for_gateway(ask: Callable[[], str], timeout: float, what: str, clock: Clock) -> None:
    """Wait before the load balancer is led to a gateway; ``what`` begins the error."""
    wait_for(ask, timeout, lambda reason: _not_led(f"{what} within {timeout:g} seconds: {reason}"), clock)


def _not_led(what: str) -> MeshlbError:
    return MeshlbError(
        f"{what}.", "The gateway's side is written, and the load balancer was not led to it. Correct what is in the way, then run again."
    )


def why_waiting(state: Rollout, pods: list[Obj]) -> str:
    """What a rollout that is not done waits for."""
    return ": ".join(filter(None, (state.waiting, not_ready(pods)))) or "its rollout is not done"


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
            raise _not_led(f"The gateway's rollout failed: {state.failed}")
        if not state.done:
            return why_waiting(state, pods)
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
