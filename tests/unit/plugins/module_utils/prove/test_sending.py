# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending requests to an entrypoint."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.prove.sending import Entrypoint, parse_entrypoint, send, why_no_host


@pytest.mark.parametrize(
    ("text", "expected", "url"),
    [
        ("http://10.96.0.1", Entrypoint("http", "10.96.0.1", 80), "http://10.96.0.1"),
        ("https://lb.example.com:8443/", Entrypoint("https", "lb.example.com", 8443), "https://lb.example.com:8443"),
        ("http://[fd00::1]:80", Entrypoint("http", "fd00::1", 80), "http://[fd00::1]"),
    ],
)
def test_entrypoints(text: str, expected: Entrypoint, url: str) -> None:
    found = parse_entrypoint(text)
    assert found == expected
    assert found.url == url


@pytest.mark.parametrize(
    "text", ["10.96.0.1", "ftp://10.96.0.1", "http://", "http://a/path", "http://a?b", "http://me:word@a", "http://a:99999", "http://[1"]
)
def test_other_text_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(MeshlbError, match="entrypoint"):
        parse_entrypoint(text)


@pytest.mark.parametrize(
    "host",
    [
        "shop.example.com", "Shop.Example.COM:8443", "a_b.example.com", "localhost", "shop.example.com.", "10.0.0.1:80", "[fd00::1]:80",
        "[::1]",
    ],
)
def test_hosts_that_can_be_asked_for(host: str) -> None:
    assert why_no_host(host) == ""


@pytest.mark.parametrize(
    "host",
    [
        "", "a..b", ".x", "..", "a.b..", f"{'x' * 64}.example.com", ".".join(["abcdefgh"] * 30), "a\nb", "a\r\nX-Evil: 1", "a\0b",
        "a\x1b[2Jb", "a b", "bücher.example.com", "a\ud800b", "a\u202eb", "a/b", "*.example.com", "a:b", "a:", "a:80:80", "a:123456", "a:٣",
        "[fd00::1", "[x]", "shop.example.com\n", "user@host", "~^www\\d+$",
    ],
)
def test_hosts_that_no_client_can_ask_for(host: str) -> None:
    assert why_no_host(host).startswith("the Host ")
    assert why_no_host(host).isprintable()


class Front:
    """A load balancer that says ``parts``, one every ``pause`` seconds, for ever."""

    def __init__(self, *parts: bytes, pause: float = 0.02) -> None:
        self.parts, self.pause, self.socket = parts, pause, socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen()
        self.entrypoint = Entrypoint("http", "127.0.0.1", self.socket.getsockname()[1])
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        taken, _address = self.socket.accept()
        with taken, suppress(OSError):
            for part in chain(self.parts[:-1], repeat(self.parts[-1])):
                taken.sendall(part)
                time.sleep(self.pause)


@pytest.mark.parametrize(
    ("parts", "statuses", "errors"),
    [
        ((b"HTTP/1.1 200 OK\r\n\r\n", b"x"), (200,), ()),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b"x"), (200,), ()),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), (200,), ()),
        ((b"HTTP/1.1 200 OK\r\n", b"X"), (200,), ()),
        ((b"H",), (), ("no answer in time",)),
        ((b"HTTP/1.1 100 Continue\r\n\r\n",), (), ("no answer in time",)),
    ],
)
def test_an_answer_that_never_ends_is_not_waited_for(parts: tuple[bytes, ...], statuses: Any, errors: Any) -> None:
    begin = time.monotonic()
    answers = send(Front(*parts).entrypoint, "a.example.com", "/", 1, 0.4)
    assert (answers.statuses, answers.errors) == (statuses, errors)
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize(("host", "path"), [("a\nb", "/"), ("a\ud800b", "/"), ("a.example.com", "/\ud800"), ("a..b", "/")])
def test_what_cannot_be_sent_is_an_error_per_request(host: str, path: str) -> None:
    for scheme in ("http", "https"):
        entrypoint = replace(Front(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", pause=0.3).entrypoint, scheme=scheme)
        answers = send(entrypoint, host, path, 1, 1)
        assert answers.sent == 1


def test_a_closed_port_is_an_error_per_request() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answers = send(Entrypoint("http", "127.0.0.1", taken.getsockname()[1]), "a.example.com", "/", 2, 1)
    assert answers.errors == ("connection refused",) * 2
    assert "connection refused 2x" in answers.describe()


def test_what_is_no_tls_is_an_error_per_request() -> None:
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()
        answers = send(Entrypoint("https", "127.0.0.1", plain.getsockname()[1]), "a.example.com", "/", 1, 0.2)
    assert len(answers.errors) == 1
