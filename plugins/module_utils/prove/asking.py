# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking sidecars, a bounded number at a time. Every question only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from ..core.errors import Forbidden, MeshlbError, OutOfBounds
from ..core.parallel import attempt_all
from ..istio.endpoints import PodView
from ..kube.client.channels import MEBIBYTE, Bounds
from ..kube.objects import Obj, dig
from .counters import Certificate, Reading, parse_certs, parse_clusters
from .proxy import Proxy, ProxyDataError, guarded, parse_config_dump, parse_inbound
from .servers import Readings
from .ways import Way

CONFIGURATION = "config_dump?include_eds"
INBOUND = "config_dump?resource=dynamic_listeners&name_regex=virtualInbound"
CLUSTER = "config_dump?resource=dynamic_active_clusters&name_regex={}"
COUNTERS = "clusters?format=json"
CERTIFICATES = "certs"

TIMEOUT, SHORT_TIMEOUT = 30.0, 15.0
LONG, SHORT = 256 * MEBIBYTE, 8 * MEBIBYTE
"""The configuration of a large mesh has 100 MB; one listener, and a certificate, have some kilobytes."""
ODD = (ProxyDataError, OutOfBounds)
"""Errors of a sidecar that answers, but not as one does."""

Key = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True)
class Asker:
    """``ask`` reaches the sidecars; at most ``workers`` questions are open at a time, each for ``timeout`` seconds at most.

    Containers answer what they like for as long as they like, so no namespace is asked on once a sidecar there went past
    its bounds: the time that it takes is paid once, not for each of its pods.
    """

    ask: Way
    workers: int = 8
    timeout: float = TIMEOUT
    given_up: dict[str, Key] = field(default_factory=dict)

    def configurations(self, pods: Iterable[Key]) -> dict[Key, Proxy | MeshlbError]:
        return self._all(pods, CONFIGURATION, LONG, parse_config_dump)

    def certificates(self, pods: Iterable[Key]) -> dict[Key, Certificate | MeshlbError]:
        return self._all(pods, CERTIFICATES, SHORT, parse_certs)

    def counters(self, pods: Iterable[Key]) -> dict[Key, Reading | MeshlbError]:
        return self._all(pods, COUNTERS, LONG, parse_clusters)

    def knows(self, pod: Key, clusters: Iterable[str]) -> MeshlbError | str:
        """The first of these clusters that a sidecar does not have, empty where it has them all; or why it could not be asked."""
        for name in sorted(clusters):
            # A dot stands for any character, so nothing in the name has to be quoted in an address.
            question = CLUSTER.format("".join(char if char.isalnum() or char == "-" else "." for char in name))
            answer = self._all([pod], question, SHORT, parse_config_dump)[pod]
            if isinstance(answer, MeshlbError):
                return answer
            if answer.cluster(name) is None:
                return name
        return ""

    def backends(self, pods: Iterable[PodView]) -> Readings:
        """Inbound listeners of backends: one pod per workload is asked, and none after a namespace has refused once."""
        representatives = _representatives(pods)
        asked = sorted(set(representatives.values()))
        first = dict(reversed(asked))
        opening = sorted(first.items())
        answers = self._inbound(opening)
        closed = {key[0]: answer for key, answer in answers.items() if isinstance(answer, Forbidden)}
        rest = [key for key in asked if key not in answers]
        answers.update(self._inbound([key for key in rest if key[0] not in closed]))
        answers.update({key: closed[key[0]] for key in rest if key[0] in closed})
        failed = {key: answer for key, answer in answers.items() if isinstance(answer, MeshlbError)}
        return Readings(
            {key: answer for key, answer in answers.items() if isinstance(answer, Proxy)},
            representatives,
            {key: f"its sidecar could not be asked: {answer}" for key, answer in failed.items()},
            {key: str(answer) for key, answer in failed.items() if isinstance(answer, ODD)},
        )

    def _inbound(self, pods: Iterable[Key]) -> dict[Key, Proxy | MeshlbError]:
        return self._all(pods, INBOUND, SHORT, parse_inbound)

    def _all(self, pods: Iterable[Key], question: str, size: int, parse: Callable[[str], T]) -> dict[Key, T | MeshlbError]:
        # What is short comes at once, or not at all.
        bounds = Bounds(self.timeout if size > SHORT else min(self.timeout, SHORT_TIMEOUT), size)

        def ask(pod: Key) -> T:
            if pod[0] in self.given_up:
                slow = "/".join(self.given_up[pod[0]])
                raise MeshlbError(f"It was not asked, as {slow} did not end its answer in time.", "If it is only slow, raise ask_timeout.")
            try:
                answer = self.ask(pod[0], pod[1], question, bounds)
            except OutOfBounds:
                self.given_up.setdefault(pod[0], pod)
                raise
            with guarded("The proxy's answer"):
                return parse(answer)

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
