# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a port inside a pod."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import ApiError, Forbidden, MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.channels import MEBIBYTE, Bounds

from tests.unit.plugins.module_utils.support.fake_pods import Conversation, FakePods, http_answer, refused, serving


@pytest.fixture
def fake() -> Iterator[FakePods]:
    with serving(FakePods()) as running:
        yield running


def get(fake: FakePods, *pieces: bytes, end: Callable[[Conversation], None] = Conversation.close) -> str:
    """Ask a port through which these pieces of an answer come."""

    def speak(conversation: Conversation) -> None:
        conversation.begin_port()
        conversation.heard()
        for piece in pieces:
            conversation.say(0, piece)
        end(conversation)

    fake.speak = speak
    return fake.api().get_from_pod("web", "p", 15000, "/config_dump?include_eds", Bounds(2, MEBIBYTE))


def test_the_body_of_the_answer_is_given(fake: FakePods) -> None:
    heard = []

    def speak(conversation: Conversation) -> None:
        conversation.begin_port()
        heard.append(conversation.heard())
        conversation.say(0, http_answer("über".encode(), "Content-Length: 5"))

    fake.speak = speak
    assert fake.api().get_from_pod("web", "p", 15000, "/config_dump?include_eds", Bounds(30, MEBIBYTE)) == "über"
    asked = fake.asked[0]
    assert (asked.path, asked.query) == ("/api/v1/namespaces/web/pods/p/portforward", {"ports": ["15000"]})
    assert asked.headers["sec-websocket-protocol"] == "v4.channel.k8s.io"
    assert heard[0].startswith(b"\x00GET /config_dump?include_eds HTTP/1.1\r\nHost: localhost:15000\r\n")


@pytest.mark.parametrize(
    "pieces",
    [
        (http_answer(b"abc", "Content-Length: 3"),),
        (http_answer(b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),),
        tuple(bytes([byte]) for byte in http_answer(b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "Transfer-Encoding: chunked")),
        (http_answer(b"", "Connection: close"), b"ab", b"c"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + http_answer(b"abc", "Content-Length: 3"),),
    ],
)
def test_an_answer_ends_in_each_way_that_http_has(fake: FakePods, pieces: tuple[bytes, ...]) -> None:
    assert get(fake, *pieces) == "abc"


def test_the_ports_number_may_come_with_the_data(fake: FakePods) -> None:
    def speak(conversation: Conversation) -> None:
        conversation.heard()
        conversation.say(0, struct.pack("<H", 15000)[:1])
        conversation.say(0, struct.pack("<H", 15000)[1:] + http_answer(b"abc", "Content-Length: 3"))

    fake.speak = speak
    assert fake.api().get_from_pod("web", "p", 15000, "/x", Bounds(30, MEBIBYTE)) == "abc"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((http_answer(b"no such page\n", "Content-Length: 13", status="404 Not Found"),), "it answers with status 404: no such page"),
        ((http_answer(b"ab", "Content-Length: 3"),), "the answer was cut off"),
        ((http_answer(b"5\r\nab", "Transfer-Encoding: chunked"),), "the answer was cut off"),
        ((http_answer(b"zz\r\nab", "Transfer-Encoding: chunked"),), "the answer was cut off"),
        ((b"SSH-2.0-OpenSSH_9.6\r\n",), "does not speak HTTP"),
        ((b"\x00" * 1000,), "does not speak HTTP"),
        ((), "does not speak HTTP"),
    ],
)
def test_other_answers_are_errors(fake: FakePods, pieces: tuple[bytes, ...], expected: str) -> None:
    with pytest.raises(MeshlbError, match=rf"Could not ask port 15000 of Pod web/p: .*{expected}"):
        get(fake, *pieces)


def test_a_port_that_nobody_listens_on_is_an_error(fake: FakePods) -> None:
    def speak(conversation: Conversation) -> None:
        conversation.begin_port()
        conversation.say(1, b"failed to connect to localhost:15000 inside namespace:\n connection refused\n")
        conversation.close()

    fake.speak = speak
    with pytest.raises(MeshlbError, match="of Pod web/p: failed to connect to localhost:15000 inside namespace: connection refused."):
        fake.api().get_from_pod("web", "p", 15000, "/x", Bounds(30, MEBIBYTE))


def test_a_connection_that_breaks_off_is_said(fake: FakePods) -> None:
    with pytest.raises(MeshlbError, match="the connection broke off"):
        get(fake, http_answer(b"ab", "Connection: close"), end=lambda conversation: None)


@pytest.mark.parametrize(("code", "kind"), [(403, Forbidden), (400, ApiError), (500, ApiError)])
def test_a_port_that_is_not_forwarded_is_an_error(fake: FakePods, code: int, kind: type[ApiError]) -> None:
    fake.refusal = refused(code, "it is not possible")
    with pytest.raises(kind, match="it is not possible"):
        get(fake)


def test_nothing_is_asked_with_the_rights_of_the_user_behind(fake: FakePods) -> None:
    with pytest.raises(MeshlbError, match="Cannot ask port 15000 of Pod web/p in the name of an impersonated user"):
        fake.api(impersonate_user="jane").get_from_pod("web", "p", 15000, "/x", Bounds(30, MEBIBYTE))
    assert not fake.asked
