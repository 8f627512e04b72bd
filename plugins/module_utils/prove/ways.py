# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways to a sidecar's admin interface: its port, forwarded; or a command in its container, which takes more rights."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, Protocol

from ..core.errors import ApiUnreachable, Forbidden, MeshlbError, NotFound, OutOfBounds, Unauthorized
from ..istio.injection import PROXY_CONTAINER
from ..kube.client.channels import Bounds

ADMIN_PORT = 15000
Via = Literal["auto", "portforward", "exec"]
Way = Callable[[str, str, str, Bounds], str]
"""Gives a pod's sidecar's answer: of (namespace, pod, question, bounds), where a question is a path without its slash."""

# What another way would not change.
_FINAL = (OutOfBounds, NotFound, Unauthorized, ApiUnreachable)


class Pods(Protocol):
    """What reaches into pods (:class:`kube.client.api.Api`)."""

    def exec(self, namespace: str, pod: str, container: str, command: list[str], bounds: Bounds) -> str: ...

    def get_from_pod(self, namespace: str, pod: str, port: int, path: str, bounds: Bounds) -> str: ...


class Ways:
    """Asks a sidecar ``via`` one way; ``auto`` forwards its port, and runs a command where that is not allowed or fails.

    Threads may share it. It remembers which way a namespace is closed to, as rights go by namespaces.
    """

    def __init__(self, pods: Pods, via: Via = "auto") -> None:
        ways: dict[Via, Way] = {"portforward": self._by_port, "exec": self._by_command}
        self._pods = pods
        self._ways = list(ways.values()) if via == "auto" else [ways[via]]
        self._closed: dict[tuple[str, Way], Forbidden] = {}

    def __call__(self, namespace: str, pod: str, question: str, bounds: Bounds) -> str:
        """The answer. Raises :class:`core.errors.Forbidden` where no way is allowed, else the errors of the ways."""
        end = time.monotonic() + bounds.seconds
        failures: list[MeshlbError] = []
        for way in self._ways:
            try:
                return self._try(way, namespace, pod, question, Bounds(max(1.0, end - time.monotonic()), bounds.size))
            except _FINAL:
                raise
            except MeshlbError as error:
                failures.append(error)
        raise _joined(failures)

    def _try(self, way: Way, namespace: str, pod: str, question: str, bounds: Bounds) -> str:
        if (namespace, way) in self._closed:
            raise self._closed[(namespace, way)]
        try:
            return way(namespace, pod, question, bounds)
        except Forbidden as error:
            self._closed[(namespace, way)] = error
            raise

    def _by_port(self, namespace: str, pod: str, question: str, bounds: Bounds) -> str:
        return self._pods.get_from_pod(namespace, pod, ADMIN_PORT, f"/{question}", bounds)

    def _by_command(self, namespace: str, pod: str, question: str, bounds: Bounds) -> str:
        return self._pods.exec(namespace, pod, PROXY_CONTAINER, ["pilot-agent", "request", "GET", question], bounds)


def _joined(failures: list[MeshlbError]) -> MeshlbError:
    if len(failures) == 1:
        return failures[0]
    message = " ".join(item.message for item in failures)
    if all(isinstance(item, Forbidden) for item in failures):
        return Forbidden(message, "Grant pods/portforward; docs/rbac.md has the rules that each playbook needs.", failures[0].object)
    return MeshlbError(message, failures[-1].hint, failures[0].object)
