# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking sidecars, a bounded number at a time. Every question only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ..core.errors import Forbidden, MeshlbError
from ..core.parallel import attempt_all
from ..istio.endpoints import PodView
from ..istio.injection import PROXY_CONTAINER
from ..kube.objects import Obj, dig
from .counters import Certificate, Reading, parse_certs, parse_clusters
from .proxy import Proxy, parse_config_dump
from .servers import Readings

CONFIGURATION = "config_dump?include_eds"
INBOUND = "config_dump?resource=dynamic_listeners&name_regex=virtualInbound"
COUNTERS = "clusters?format=json"
CERTIFICATES = "certs"

Key = tuple[str, str]
T = TypeVar("T")


class Executor(Protocol):
    """What runs a command in a container (:meth:`kube.client.api.Api.exec`)."""

    def __call__(self, namespace: str, pod: str, container: str, command: list[str], timeout: float) -> str: ...


@dataclass(frozen=True)
class Asker:
    """``execute`` reaches the containers; at most ``workers`` questions are open at a time."""

    execute: Executor
    workers: int = 8
    timeout: float = 60.0

    def configurations(self, pods: Iterable[Key]) -> dict[Key, Proxy | MeshlbError]:
        return self._all(pods, CONFIGURATION, parse_config_dump)

    def certificates(self, pods: Iterable[Key]) -> dict[Key, Certificate | MeshlbError]:
        return self._all(pods, CERTIFICATES, parse_certs)

    def counters(self, pods: Iterable[Key]) -> dict[Key, Reading | MeshlbError]:
        return self._all(pods, COUNTERS, parse_clusters)

    def backends(self, pods: Iterable[PodView]) -> Readings:
        """Inbound listeners of backends: one pod per workload is asked, and none after a namespace has refused once."""
        representatives = _representatives(pods)
        asked = sorted(set(representatives.values()))
        first = dict(reversed(asked))
        opening = sorted(first.items())
        answers = self._all(opening, INBOUND, parse_config_dump)
        closed = {key[0]: answer for key, answer in answers.items() if isinstance(answer, Forbidden)}
        rest = [key for key in asked if key not in answers]
        answers.update(self._all([key for key in rest if key[0] not in closed], INBOUND, parse_config_dump))
        answers.update({key: closed[key[0]] for key in rest if key[0] in closed})
        return Readings(
            {key: answer for key, answer in answers.items() if isinstance(answer, Proxy)},
            representatives,
            {key: f"its sidecar could not be asked: {answer}" for key, answer in answers.items() if isinstance(answer, MeshlbError)},
        )

    def _all(self, pods: Iterable[Key], question: str, parse: Callable[[str], T]) -> dict[Key, T | MeshlbError]:
        command = ["pilot-agent", "request", "GET", question]

        def ask(pod: Key) -> T:
            return parse(self.execute(pod[0], pod[1], PROXY_CONTAINER, command, self.timeout))

        return dict(attempt_all(ask, pods, self.workers))


def _representatives(pods: Iterable[PodView]) -> dict[Key, Key]:
    """For each pod with a sidecar the pod of the same workload that is asked: policies select by labels, which they share."""
    chosen: dict[tuple[str, str], Key] = {}
    found: dict[Key, Key] = {}
    for pod in sorted(pods, key=lambda item: (item.namespace, item.name)):
        if pod.sidecar and pod.ip:
            key = (pod.namespace, pod.name)
            found[key] = chosen.setdefault((pod.namespace, _owner(pod.pod) or pod.name), key)
    return found


def _owner(pod: Obj) -> str:
    owners = dig(pod, "metadata", "ownerReferences", default=[])
    return next((str(item.get("uid") or "") for item in owners if item.get("controller")), "")
