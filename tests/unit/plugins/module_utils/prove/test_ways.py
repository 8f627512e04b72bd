# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way a sidecar is asked, and what is said where none leads there."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import (
    ApiError,
    ApiUnreachable,
    Forbidden,
    MeshlbError,
    NotFound,
    OutOfBounds,
)
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.channels import Bounds
from ansible_collections.meshlb.istio.plugins.module_utils.prove.ways import Ways

BOUNDS = Bounds(10, 1000)


class Pods:
    """What each way gives, or the error that it ends in."""

    def __init__(self, port: str | MeshlbError = "by port", command: str | MeshlbError = "by command") -> None:
        self.answers = {"port": port, "command": command}
        self.asked: list[Any] = []

    def answer(self, way: str, *asked: Any) -> str:
        self.asked.append((way, *asked))
        found = self.answers[way]
        if isinstance(found, MeshlbError):
            raise found
        return found

    def exec(self, namespace: str, pod: str, container: str, command: list[str], bounds: Bounds = BOUNDS) -> str:
        assert 0 < bounds.seconds <= BOUNDS.seconds
        return self.answer("command", namespace, pod, container, command, bounds.size)

    def get_from_pod(self, namespace: str, pod: str, port: int, path: str, bounds: Bounds = BOUNDS) -> str:
        return self.answer("port", namespace, pod, port, path, bounds.size)


def test_the_port_is_forwarded_and_nothing_is_run() -> None:
    pods = Pods()
    assert Ways(pods)("web", "p", "certs", BOUNDS) == "by port"
    assert pods.asked == [("port", "web", "p", 15000, "/certs", 1000)]


def test_a_way_that_is_asked_for_is_the_only_one() -> None:
    pods = Pods(port=Forbidden("No port."), command=Forbidden("No command."))
    for via, expected in (("exec", "No command."), ("portforward", "No port.")):
        with pytest.raises(Forbidden, match=expected):
            Ways(pods, via)("web", "p", "certs", BOUNDS)  # type: ignore[arg-type]
    assert [item[0] for item in pods.asked] == ["command", "port"]
    assert pods.asked[0] == ("command", "web", "p", "istio-proxy", ["pilot-agent", "request", "GET", "certs"], 1000)


@pytest.mark.parametrize("error", [Forbidden("No."), ApiError("400."), MeshlbError("Nobody listens.")])
def test_a_command_is_run_where_no_port_can_be_forwarded(error: MeshlbError) -> None:
    assert Ways(Pods(port=error))("web", "p", "certs", BOUNDS) == "by command"


@pytest.mark.parametrize("error", [OutOfBounds("Too long."), NotFound("No such pod."), ApiUnreachable("Gone.")])
def test_what_another_way_would_not_change_is_final(error: MeshlbError) -> None:
    pods = Pods(port=error)
    with pytest.raises(type(error)):
        Ways(pods)("web", "p", "certs", BOUNDS)
    assert len(pods.asked) == 1


def test_a_way_that_a_namespace_is_closed_to_is_tried_once_there() -> None:
    pods = Pods(port=Forbidden("No."))
    ways = Ways(pods)
    for namespace, pod in (("web", "p"), ("web", "q"), ("other", "r")):
        ways(namespace, pod, "certs", BOUNDS)
    assert [item[0] for item in pods.asked] == ["port", "command", "command", "port", "command"]


@pytest.mark.parametrize(
    ("port", "command", "kind"),
    [
        (Forbidden("A."), Forbidden("B."), Forbidden),
        (Forbidden("A."), MeshlbError("B."), MeshlbError),
        (ApiError("A."), Forbidden("B."), MeshlbError),
    ],
)
def test_both_reasons_are_given_where_no_way_leads_there(port: MeshlbError, command: MeshlbError, kind: type[MeshlbError]) -> None:
    with pytest.raises(MeshlbError) as caught:
        Ways(Pods(port, command))("web", "p", "certs", BOUNDS)
    assert (type(caught.value), caught.value.message) == (kind, "A. B.")
