# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bounds of a conversation with a pod, and the options of its TLS."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError, OutOfBounds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.channels import MEBIBYTE, Bounds, tls_options
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.deadline import Deadline

from tests.unit.plugins.module_utils.support.fake_pods import DONE, Conversation, FakePods, http_answer, serving


@pytest.fixture
def fake() -> Iterator[FakePods]:
    with serving(FakePods()) as running:
        yield running


def ask(fake: FakePods, way: str, bounds: Bounds, **more: Any) -> str:
    api = fake.api(**more)
    if way == "exec":
        return api.exec("web", "p", "c", ["x"], bounds)
    return api.get_from_pod("web", "p", 15000, "/x", bounds)


def begun(conversation: Conversation) -> Callable[[bytes], None]:
    """How an answer goes on, whichever way was taken."""
    if conversation.path.endswith("exec"):
        return lambda data: conversation.say(1, data)
    conversation.begin_port()
    conversation.heard()
    conversation.say(0, http_answer(b"", "Connection: close"))
    return lambda data: conversation.say(0, data)


def trickle(conversation: Conversation) -> None:
    say = begun(conversation)
    while True:
        say(b"x")
        time.sleep(0.02)


def flood(conversation: Conversation) -> None:
    say = begun(conversation)
    while True:
        say(b"x" * 30_000)


def single_bytes(conversation: Conversation) -> None:
    say = begun(conversation)
    while True:
        say(b"x")


def pings(conversation: Conversation) -> None:
    while True:
        conversation.frame(b"", 9)


def headers(conversation: Conversation) -> None:
    conversation.begin_port()
    conversation.say(0, b"HTTP/1.1 200 OK\r\n")
    while True:
        conversation.say(0, b"X")
        time.sleep(0.02)


def silence(conversation: Conversation) -> None:
    conversation.reader.read()


@pytest.mark.parametrize("way", ["exec", "portforward"])
@pytest.mark.parametrize(
    ("speak", "expected"),
    [
        (trickle, "not done within 0.5 seconds"), (headers, "not done within 0.5 seconds"), (silence, "not done within 0.5 seconds"),
        (flood, "longer than 1 MiB"), (single_bytes, "pieces that are too small"), (pings, "pieces that are too small"),
    ],
)
def test_no_answer_goes_on_for_ever(fake: FakePods, way: str, speak: Callable[[Conversation], None], expected: str) -> None:
    fake.speak = speak
    begin = time.monotonic()
    with pytest.raises(OutOfBounds, match=f"Pod web/p: .*{expected}"):
        ask(fake, way, Bounds(0.5 if "seconds" in expected else 20, MEBIBYTE))
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("way", ["exec", "portforward"])
def test_a_server_that_never_opens_the_connection_is_not_waited_for(way: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        fake = FakePods(address=f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(OutOfBounds, match="not done within"):
            ask(fake, way, Bounds(0.3, MEBIBYTE))


@contextmanager
def speaking(said: bytes, then: bytes, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that says ``said``, and ``then`` over and over, with its port and what it was told (over ``tls``)."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            with suppress(OSError), listener.accept()[0] as there:
                if tls is not None:
                    with tls.wrap_socket(there, server_side=True) as safe:
                        heard.append(safe.recv(65536))
                    return
                there.recv(65536)
                there.sendall(said)
                while True:
                    time.sleep(0.05)
                    there.sendall(then)

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join(5)


@pytest.mark.parametrize("way", ["exec", "portforward"])
@pytest.mark.parametrize(("scheme", "said", "then"), [
    ("https", b"\x16\x03\x03\x40\x00\x02\x00\x3f\xf0", b"\x03"), ("http", b"HTTP/1.1 101 Switching Protocols\r\nX: ", b"x"),
    ("http", b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10000\r\n\r\n", b"x"),
])  # fmt: skip
def test_a_server_that_opens_the_connection_byte_by_byte_is_not_waited_for(way: str, scheme: str, said: bytes, then: bytes) -> None:
    with speaking(said, then) as (port, dummy):
        fake = FakePods(address=f"{scheme}://127.0.0.1:{port}")
        begin = time.monotonic()
        with pytest.raises(OutOfBounds, match="not done within"):
            ask(fake, way, Bounds(0.3, MEBIBYTE))
        assert time.monotonic() - begin < 3


@pytest.mark.parametrize("way", ["exec", "portforward"])
def test_neither_a_slow_proxy_nor_a_slow_resolver_is_waited_for(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    fake = FakePods(address="https://api.example.invalid")
    with speaking(b"HTTP/1.1 200 ", b"O") as (port, dummy):
        begin = time.monotonic()
        with pytest.raises(OutOfBounds, match="not done within"):
            ask(fake, way, Bounds(0.3, MEBIBYTE), proxy=f"http://127.0.0.1:{port}")
        monkeypatch.setattr(socket, "getaddrinfo", lambda *rest, **more: time.sleep(5))
        with pytest.raises(OutOfBounds, match="not done within"):
            ask(fake, way, Bounds(0.3, MEBIBYTE))
        assert time.monotonic() - begin < 4


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
@pytest.mark.parametrize(("name", "trusted"), [("IP:127.0.0.1", True), ("IP:127.0.0.1", False), ("DNS:other.example.com", True)])
def test_nothing_is_told_to_a_server_that_is_another(tmp_path: Path, name: str, trusted: bool) -> None:
    for file in ("served", "other"):
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=x"]
        made += ["-addext", f"subjectAltName={name}", "-keyout", f"{tmp_path}/{file}.key", "-out", f"{tmp_path}/{file}.pem"]
        subprocess.run(made, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "served.pem", tmp_path / "served.key")
    with speaking(b"", b"", tls) as (port, heard):
        api = FakePods(address=f"https://127.0.0.1:{port}").api(ca_cert=str(tmp_path / ("served.pem" if trusted else "other.pem")))
        with pytest.raises(MeshlbError):
            api.exec("web", "p", "c", ["x"], Bounds(5, MEBIBYTE))
    assert [b"Bearer token" in item for item in heard] == ([True] if trusted and name.startswith("IP") else [])


@pytest.mark.parametrize("way", ["exec", "portforward"])
def test_a_long_answer_is_taken_as_a_whole(fake: FakePods, way: str) -> None:
    def speak(conversation: Conversation) -> None:
        say = begun(conversation)
        for _number in range(640):
            say(b"x" * 32_768)
        if way == "exec":
            conversation.say(3, DONE)
        conversation.close()

    fake.speak = speak
    assert len(ask(fake, way, Bounds(60, 256 * MEBIBYTE))) == 20 * MEBIBYTE


def test_a_message_in_fragments_belongs_to_one_channel(fake: FakePods) -> None:
    def speak(conversation: Conversation) -> None:
        conversation.frame(b"\x01ab", 2, final=False)
        conversation.frame(b"\x03cd", 0)
        conversation.say(3, DONE)
        conversation.close()

    fake.speak = speak
    assert ask(fake, "exec", Bounds(5, MEBIBYTE)) == "ab\x03cd"


def test_a_deadline_ends_what_is_watched_after_it_too() -> None:
    here, there = socket.socketpair()
    with here, there, Deadline(0.05) as deadline:
        time.sleep(0.2)
        deadline.watch(here)
        assert (deadline.passed, here.recv(1)) == (True, b"")


def test_a_deadline_that_is_met_ends_nothing() -> None:
    here, there = socket.socketpair()
    with here, there:
        with Deadline(0.05) as deadline:
            deadline.watch(SimpleNamespace(sock=here))
        time.sleep(0.2)
        there.send(b"x")
        assert (deadline.passed, here.recv(1)) == (False, b"x")


def configuration(**more: Any) -> Any:
    plain = {"verify_ssl": True, "ssl_ca_cert": "/ca.pem", "assert_hostname": None, "cert_file": None, "key_file": None}
    return SimpleNamespace(**{**plain, **more})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (configuration(), {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": "/ca.pem"}),
        (configuration(verify_ssl=False), {"cert_reqs": ssl.CERT_NONE}),
        (
            configuration(cert_file="/c", key_file="/k", tls_server_name="api", assert_hostname=False),
            {
                "cert_reqs": ssl.CERT_REQUIRED, "ca_certs": "/ca.pem", "check_hostname": False,
                "certfile": "/c", "keyfile": "/k", "server_hostname": "api",
            },
        ),
    ],
)
def test_tls_is_as_the_connection_options_say(found: Any, expected: dict[str, Any]) -> None:
    assert tls_options(found) == expected


def test_without_a_ca_of_its_own_the_usual_ones_are_trusted() -> None:
    assert tls_options(configuration(ssl_ca_cert=None))["ca_certs"].endswith(".pem")
