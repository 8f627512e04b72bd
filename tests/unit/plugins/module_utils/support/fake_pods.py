# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server on loopback that knows pods only, whose containers say through a websocket whatever a test wants."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.api import Api, open_api

from tests.unit.plugins.module_utils.support.listening import listening

DONE = b'{"status": "Success"}'
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass
class Conversation:
    """One websocket, from the server's side. ``query`` is what was asked for."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    reader: BinaryIO
    writer: BinaryIO

    def frame(self, data: bytes, opcode: int = 2, final: bool = True) -> None:
        size = len(data)
        length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else b"\x7f" + struct.pack(">Q", size)
        self.writer.write(bytes([(0x80 if final else 0) | opcode]) + length + data)
        self.writer.flush()

    def say(self, channel: int, data: bytes) -> None:
        self.frame(bytes([channel]) + data)

    def begin_port(self, port: int = 15000) -> None:
        for channel in (0, 1):
            self.say(channel, struct.pack("<H", port))

    def heard(self) -> bytes:
        """What the next frame of the client holds."""
        size = self.reader.read(2)[1] & 0x7F
        size = int.from_bytes(self.reader.read(2), "big") if size == 126 else size
        mask, data = self.reader.read(4), self.reader.read(size)
        return bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))

    def close(self) -> None:
        self.frame(b"\x03\xe8", 8)


@dataclass
class FakePods:
    """``speak`` says what a container says; ``refusal`` is an answer in place of a websocket. ``asked`` is what came in."""

    speak: Callable[[Conversation], None] = lambda conversation: None
    refusal: tuple[int, str] | None = None
    asked: list[Conversation] = field(default_factory=list)
    address: str = ""

    def api(self, **options: Any) -> Api:
        return open_api({"host": self.address, "api_key": "token", **options}, 1)


def refused(code: int, message: str) -> tuple[int, str]:
    return code, json.dumps({"kind": "Status", "status": "Failure", "message": message, "code": code})


def http_answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


@contextmanager
def serving(fake: FakePods) -> Iterator[FakePods]:
    """The fake on a port of its own, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.close_connection = True
            if fake.refusal is not None:
                self.send_response(fake.refusal[0])
                self.send_header("Content-Length", str(len(fake.refusal[1])))
                self.end_headers()
                self.wfile.write(fake.refusal[1].encode())
                return
            url = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            found = Conversation(url.path, parse_qs(url.query), headers, self.rfile, self.wfile)
            fake.asked.append(found)
            accept = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + MAGIC).encode()).digest()).decode()
            lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
            self.wfile.write("\r\n".join([*lines, "", ""]).encode())
            with suppress(OSError):
                fake.speak(found)

    with listening(Handler) as fake.address:
        yield fake
