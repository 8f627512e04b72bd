# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in containers: what they print, and what is said when they fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import ApiError, ApiUnreachable, Forbidden, MeshlbError, NotFound
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client import exec as api_exec

from tests.unit.plugins.module_utils.support.fake_api import FakeApi, serving


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with serving(FakeApi()) as running:
        yield running


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"status": "Success"}', ""),
        ('{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}', "it ended with exit code 3"),
        ('{"status": "Failure", "message": "no such container"}', "no such container"),
        ("", "the connection ended before the command did"),
    ],
)
def test_a_commands_end_is_understood(text: str, expected: str) -> None:
    assert api_exec.failure(text) == expected


class Stream:
    """A finished (or endless) command's websocket."""

    def __init__(self, *channels: str, open_for_ever: bool = False) -> None:
        self.channels, self.endless, self.closed = channels, open_for_ever, False

    def run_forever(self, timeout: float) -> None:
        pass

    def is_open(self) -> bool:
        return self.endless

    def read_channel(self, number: int) -> bytes:
        return self.channels[number - 1].encode()

    def close(self) -> None:
        self.closed = True


DONE = '{"status": "Success"}'
EXIT = '{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}'


def run_with(monkeypatch: pytest.MonkeyPatch, fake: FakeApi, answer: Any) -> str:
    def stream(*args: Any, **options: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(api_exec.kubernetes.stream, "stream", stream)
    return fake.api().exec("web", "p", "c", ["ask", "it"], timeout=2)


def test_a_command_gives_what_it_printed(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream("prinzipiell über\n", "a warning", DONE)
    assert run_with(monkeypatch, fake, stream) == "prinzipiell über\n"
    assert stream.closed


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (Stream("", "bad option", EXIT), r'container c of Pod web/p: \["ask", "it"\]: it ended with exit code 3: bad option\.'),
        (Stream("only this", "", EXIT), "exit code 3: only this"),
        (Stream("", "", DONE, open_for_ever=True), "it was not done within 2 seconds"),
        (Stream("half", "", ""), "the connection ended before the command did"),
    ],
)
def test_a_command_that_fails_is_an_error(fake: FakeApi, monkeypatch: pytest.MonkeyPatch, stream: Stream, expected: str) -> None:
    with pytest.raises(MeshlbError, match=expected):
        run_with(monkeypatch, fake, stream)
    assert stream.closed


def test_a_connection_that_breaks_off_is_said(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream("", "", "")
    monkeypatch.setattr(stream, "run_forever", lambda timeout: 1 // 0)
    with pytest.raises(MeshlbError, match="the connection broke off"):
        run_with(monkeypatch, fake, stream)
    assert stream.closed


HANDSHAKE = "Handshake status {} -+-+- {{'date': 'now', 'x-kubernetes-uid': 'a-b'}} -+-+- b'{}'"


@pytest.mark.parametrize(
    ("reason", "kind", "expected"),
    [
        (
            HANDSHAKE.format("403 Forbidden", '{"kind":"Status","message":"pods \\"p\\" is forbidden: User \\"jane\\" cannot create"}\\n'),
            Forbidden, 'Not allowed to run a command in container c of Pod web/p: pods "p" is forbidden: User "jane" cannot create.',
        ),
        (HANDSHAKE.format("404 Not Found", '{"message":"pods not found"}'), NotFound, "pods not found"),
        ("Connection refused", ApiUnreachable, "Connection refused"),
    ],
)
def test_a_command_that_cannot_start_is_an_error(
    fake: FakeApi, monkeypatch: pytest.MonkeyPatch, reason: str, kind: type[ApiError], expected: str
) -> None:
    error = api_exec.kubernetes.client.ApiException(status=0, reason=reason)
    with pytest.raises(kind) as caught:
        run_with(monkeypatch, fake, error)
    assert expected in caught.value.message
