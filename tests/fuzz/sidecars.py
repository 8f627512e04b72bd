# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transport whose pods answer a proof with anything: sidecars' words with a few values changed, other words, and frames of any order."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from types import SimpleNamespace
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.channels import Call, Channels
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.deadline import Deadline

from tests.fuzz.mutations import MARKS, VALUES, deep, places
from tests.security.kit import envoy

Frame = tuple[int, bytes]
_BINARY, _CLOSE = 2, 8
_CLUSTERS = ("outbound|80||web.victim.svc.cluster.local", "outbound|80||evil.tenant-z.svc.cluster.local")
_TEXTS = (
    "", "x", "{", "{}", "[]", "null", "5", "[" * 3000, '{"a":' * 3000, '{"configs": 5}', '{"configs": [5]}', '{"configs": [{"@type": 5}]}',
    '{"certificates": [{"cert_chain": 5}]}', '{"cluster_statuses": {"a": 1}}', "<html></html>", "\x00\xff", "info\tsome log line\n{}",
    '{"configs": [' + "{}," * 20_000 + "{}]}", '{"a": ' + "9" * 5000 + "}", '{"a": "\\ud800"}', "9" * 200_000,
)  # fmt: skip
_STATUSES = (
    b'{"status": "Success"}', b'{"status": "Failure", "message": "no"}', b"", b"{", b"[]",
    b'{"status": "Failure", "details": {"causes": [5]}}',
)  # fmt: skip
_HEADS = (
    b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"HTTP/1.1 500 No\r\n\r\n", b"HTTP/9 x\r\n", b"",
    b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n",
    b"HTTP/1.1 200 " + b"x" * 70_000,
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
)  # fmt: skip


class Pods:
    """A transport, and what is said through it. ``done`` says in words what was changed."""

    server, context, unsafe, server_time = "https://fuzz.example.com", "", "", None

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.done: list[str] = []

    @contextmanager
    def opened(self, _transport: Any, call: Call) -> Iterator[Channels]:
        """In place of :func:`kube.client.channels.opened`."""
        asked, waiting = [dict(call.query).get("command", "")], list[Frame]()

        def send(data: bytes, **_more: Any) -> None:
            asked.append(data.decode("utf-8", "replace"))

        def receive() -> Any:
            if asked:
                waiting.extend(reversed(self._by_command(asked[-1]) if call.subresource == "exec" else self._by_port(asked[-1])))
                asked.clear()
            if not waiting:
                return SimpleNamespace(opcode=_CLOSE, data=b"")
            channel, data = waiting.pop()
            return SimpleNamespace(opcode=_BINARY, data=bytes([channel]) + data)

        connection = SimpleNamespace(recv_frame=receive, send=send, pong=lambda _data: None)
        yield Channels(connection, call, Deadline(call.bounds.seconds))

    def _answer(self, question: str) -> bytes:
        """What a sidecar says: mostly a proof's words, in which something may be changed."""
        rng = self._rng
        if rng.random() < 0.2:
            return rng.choice(_TEXTS).encode("utf-8", "surrogatepass")
        fitting = [make for word, make in _HONEST if word in question] if rng.random() < 0.9 else []
        text = rng.choice(fitting or [make for _word, make in _HONEST])()
        found = json.loads(text)
        for _step in range(rng.choice((0, 1, 1, 2, 4))):
            self._change(found)
        text = json.dumps(found)
        cut = rng.randrange(len(text)) if rng.random() < 0.05 else len(text)
        return text[:cut].encode()

    def _change(self, found: Any) -> None:
        rng = self._rng
        there = list(places(found))
        if not there:
            return
        holder, key = rng.choice(there)
        way = rng.randrange(5)
        if way == 0:
            del holder[key]
        elif way == 1:
            holder[key] = deep(rng.choice((5, 200)), holder[key])
        elif way == 2 and isinstance(holder[key], list):
            holder[key] = holder[key] * rng.choice((0, 2, 50))
        else:
            holder[key] = copy.deepcopy(rng.choice((*VALUES, *MARKS, *_CLUSTERS)))
        self.done.append(f"{key!r:.60}")

    def _by_command(self, question: str) -> list[Frame]:
        rng = self._rng
        return self._disturbed([*_pieces(rng, 1, self._answer(question)), (3, rng.choice((_STATUSES[0],) * 8 + _STATUSES))])

    def _by_port(self, question: str) -> list[Frame]:
        rng = self._rng
        head = rng.choice((_HEADS[0],) * 20 + _HEADS)
        port = (15000).to_bytes(2, "little")
        return self._disturbed([(0, port), (1, port), *_pieces(rng, 0, head + self._answer(question))])

    def _disturbed(self, frames: list[Frame]) -> list[Frame]:
        rng = self._rng
        if rng.random() < 0.1:
            frames.insert(rng.randrange(len(frames) + 1), (rng.choice((0, 1, 2, 3, 9, 255)), rng.choice((b"", b"x", b"\xff" * 100))))
        if rng.random() < 0.05:
            del frames[rng.randrange(len(frames))]
        return frames


def _pieces(rng: Random, channel: int, data: bytes) -> list[Frame]:
    size = rng.choice((1000, 16_384, 1_000_000))
    return [(channel, data[start : start + size]) for start in range(0, len(data), size)] or [(channel, b"")]


_HONEST: tuple[tuple[str, Callable[[], str]], ...] = (
    ("include_eds", envoy.two_tenants), ("include_eds", lambda: envoy.two_tenants("/a(b|c)*")), ("virtualInbound", envoy.strict_inbound),
    ("certs", lambda: envoy.certs("victim", "web")), ("clusters", lambda: envoy.counters(*_CLUSTERS)),
    ("active_clusters", envoy.two_tenants),
)  # fmt: skip
"""What a sidecar answers, by a word in the question."""
