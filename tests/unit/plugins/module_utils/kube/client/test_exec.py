# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in containers: what they print, and what is said when they fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import ApiError, ApiUnreachable, Forbidden, MeshlbError, NotFound
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client import exec as api_exec
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.channels import MEBIBYTE, Bounds

from tests.unit.plugins.module_utils.support.fake_pods import Conversation, FakePods, refused, serving


@pytest.fixture
def fake() -> Iterator[FakePods]:
    with serving(FakePods()) as running:
        yield running


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"status": "Success"}', ""),
        ('{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}', "it ended with exit code 3"),
        ('{"status": "Failure", "message": "no such container"}', "no such container"),
        ("", "the connection ended before the command did"),
        ("[" * 100_000, "the connection ended before the command did"),
        ("null", "it ended with a status that is none"),
        ("5", "it ended with a status that is none"),
        ('{"status": "Failure", "details": 7}', "it failed"),
        ('{"status": "Failure", "details": {"causes": 7}}', "it failed"),
        ('{"status": "Failure", "details": {"causes": [null, 3]}, "reason": "Odd"}', "Odd"),
    ],
)
def test_a_commands_end_is_understood(text: str, expected: str) -> None:
    assert api_exec.failure(text) == expected


DONE = '{"status": "Success"}'
EXIT = '{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}'


def run(fake: FakePods, *channels: str, close: bool = True) -> str:
    """Run a command whose container says this on channels 1, 2 and 3."""

    def speak(conversation: Conversation) -> None:
        for number, text in enumerate(channels, start=1):
            conversation.say(number, text.encode())
        if close:
            conversation.close()
        else:
            conversation.heard()

    fake.speak = speak
    return fake.api().exec("web", "p", "c", ["ask", "it"], Bounds(2, MEBIBYTE))


def test_a_command_gives_what_it_printed(fake: FakePods) -> None:
    assert run(fake, "prinzipiell über\n", "a warning", DONE) == "prinzipiell über\n"
    asked = fake.asked[0]
    assert asked.path == "/api/v1/namespaces/web/pods/p/exec"
    assert asked.query == {"container": ["c"], "command": ["ask", "it"], "stdout": ["true"], "stderr": ["true"]}
    assert (asked.headers["authorization"], asked.headers["sec-websocket-protocol"]) == ("Bearer token", "v4.channel.k8s.io")


def test_a_character_may_be_cut_in_two_by_frames(fake: FakePods) -> None:
    def speak(conversation: Conversation) -> None:
        for piece in ("ü".encode()[:1], "ü".encode()[1:]):
            conversation.say(1, piece)
        conversation.frame(b"", 9)
        conversation.say(3, DONE.encode())
        conversation.close()

    fake.speak = speak
    assert fake.api().exec("web", "p", "c", ["x"], Bounds(30, MEBIBYTE)) == "ü"


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (("", "bad option", EXIT), r'container c of Pod web/p: \["ask", "it"\]: it ended with exit code 3: bad option\.'),
        (("only this", "", EXIT), "exit code 3: only this"),
        (("half", "", ""), "the connection ended before the command did"),
    ],
)
def test_a_command_that_fails_is_an_error(fake: FakePods, channels: tuple[str, ...], expected: str) -> None:
    with pytest.raises(MeshlbError, match=expected):
        run(fake, *channels)


def test_a_command_that_does_not_end_is_an_error(fake: FakePods) -> None:
    with pytest.raises(MeshlbError, match="it was not done within 2 seconds"):
        run(fake, "", "", DONE, close=False)


def test_a_connection_that_breaks_off_is_said(fake: FakePods) -> None:
    fake.speak = lambda conversation: None
    with pytest.raises(MeshlbError, match="the connection broke off"):
        fake.api().exec("web", "p", "c", ["x"], Bounds(30, MEBIBYTE))


@pytest.mark.parametrize(
    ("refusal", "kind", "expected"),
    [
        (
            refused(403, 'pods "p" is forbidden: User "jane" cannot create'),
            Forbidden, 'Not allowed to run a command in container c of Pod web/p: pods "p" is forbidden: User "jane" cannot create.',
        ),
        (refused(404, "pods not found"), NotFound, "pods not found"),
    ],
)
def test_a_command_that_cannot_start_is_an_error(
    fake: FakePods, refusal: tuple[int, str], kind: type[ApiError], expected: str
) -> None:
    fake.refusal = refusal
    with pytest.raises(kind) as caught:
        run(fake)
    assert expected in caught.value.message


def test_a_server_that_is_gone_is_an_error() -> None:
    with serving(FakePods()) as running:
        api = running.api()
    with pytest.raises(ApiUnreachable, match="Connection refused"):
        api.exec("web", "p", "c", ["x"], Bounds(30, MEBIBYTE))
