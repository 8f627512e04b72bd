# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer that comes byte by byte is broken off when its time is over, and never passes for a whole one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import ApiUnreachable
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client import connection
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.connection import HttpTransport, connect
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.deadline import in_time

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\n{}"
SLOW = {
    "a body of a known length": (OK + b"Content-Length: 100000\r\n\r\n", b" "),
    "a body that ends with its connection": (OK + b'Connection: close\r\n\r\n{"items": []}', b" "),
    "a body in chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a chunk's length": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "a header": (OK + b"X: ", b"x"),
    "the first line": (b"HTTP/1.1 200 ", b"O"),
    "nothing at all": (b"", b""),
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SHORTEST", 0.1)


@contextmanager
def server(first: bytes, then: bytes, *, whole_ones: int = 0, scheme: str = "http") -> Iterator[str]:
    """One that answers ``whole_ones`` requests of a connection, and then says ``first`` and ``then``, over and over."""
    listener, stop = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def speak(there: socket.socket) -> None:
        with there, suppress(OSError):
            for _number in range(whole_ones):
                there.recv(65536)
                there.sendall(WHOLE)
            there.recv(65536)
            there.sendall(first)
            while not stop.wait(0.05):
                there.sendall(then)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=speak, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def transport(url: str, **more: object) -> HttpTransport:
    return connect({"host": url, "api_key": "x", "request_timeout": 0.3, **more}, environment={})


def broken_off(asking: HttpTransport, method: str = "GET") -> ApiUnreachable:
    began = time.monotonic()
    with pytest.raises(ApiUnreachable) as caught:
        asking.request(method, "/x")
    assert time.monotonic() - began < 3
    return caught.value


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize(("first", "then"), SLOW.values(), ids=SLOW)
def test_an_answer_that_trickles(method: str, first: bytes, then: bytes) -> None:
    with server(first, then) as url:
        assert "did not answer in time" in broken_off(transport(url), method).message or not then


@pytest.mark.parametrize(("first", "then"), SLOW.values(), ids=SLOW)
def test_one_that_trickles_on_a_connection_that_was_kept(first: bytes, then: bytes) -> None:
    with server(first, then, whole_ones=2) as url:
        asking = transport(url)
        assert asking.request("GET", "/x") == asking.request("GET", "/x") == (200, b"{}")
        broken_off(asking)


def test_tls_that_trickles() -> None:
    # The beginning of a record of 16 KiB, in which the server greets.
    with server(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xf0", b"\x03", scheme="https") as url:
        assert "did not answer in time" in broken_off(transport(url, validate_certs=False)).message


def test_a_proxy_that_trickles() -> None:
    with server(b"HTTP/1.1 200 ", b"O") as url:
        asking = transport("https://api.example.invalid", proxy=url, validate_certs=False)
        assert "did not answer in time" in broken_off(asking).message


def test_a_slow_answer_in_time_is_whole() -> None:
    with server(OK + b"Content-Length: 3\r\n\r\n", b" ") as url:
        assert transport(url).request("GET", "/x") == (200, b"   ")
        # Its connection is not ended by what is left of the first request's time.
        time.sleep(0.4)
    assert not [item for item in threading.enumerate() if isinstance(item, threading.Timer)]


def test_others_that_ask_at_the_same_time_are_not_broken_off() -> None:
    with server(WHOLE, b"", whole_ones=50) as fast, server(*SLOW["a body of a known length"]) as slow:
        failing, working = transport(slow), transport(fast)
        thread = threading.Thread(target=broken_off, args=(failing,))
        thread.start()
        for _number in range(10):
            assert working.request("GET", "/x") == (200, b"{}")
            time.sleep(0.05)
        thread.join()


NAME = "api.example.invalid"


def hanging_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that does not answer for one name."""
    usual = socket.getaddrinfo

    def resolve(host: object, *rest: object, **more: object) -> object:
        if host == NAME:
            time.sleep(5)
        return usual(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_name_that_is_not_resolved(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    hanging_names(monkeypatch)
    assert "did not answer in time" in broken_off(transport(f"https://{NAME}"), method).message
    asking = transport("https://127.0.0.1:1", proxy=f"http://{NAME}:1")
    assert "did not answer in time" in broken_off(asking, method).message


def test_a_token_that_is_not_renewed() -> None:
    with server(WHOLE, b"", whole_ones=9) as url:
        asking = transport(url)
        asking.configuration.refresh_api_key_hook = lambda held: time.sleep(5)
        assert "its token was not renewed within 0.3 seconds" in broken_off(asking).message
        asking.configuration.refresh_api_key_hook = lambda held: held.api_key.update(BearerToken="Bearer new")
        assert asking.request("GET", "/x") == (200, b"{}")


def test_what_comes_too_late_is_discarded() -> None:
    late: list[str] = []
    with pytest.raises(TimeoutError):
        in_time(lambda: time.sleep(0.1) or "late", 0.01, late.append)
    with pytest.raises(TimeoutError, match="its own"):
        in_time(lambda: (_raise(TimeoutError("its own"))), 1)
    time.sleep(0.3)
    assert late == ["late"] and in_time(lambda: "early", 1, late.append) == "early" and late == ["late"]


def _raise(error: Exception) -> None:
    raise error
