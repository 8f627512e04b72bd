# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two websockets of a pod: a command in a container (exec), and a port that is forwarded (portforward).

What is asked is answered by ``api.exec(namespace, pod, container, words)``, whose last word is a question to the sidecar's
admin interface (``config_dump?include_eds``). The answer is text, or a function of a :class:`Line`, which may say anything.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from urllib.parse import parse_qs

DONE = b'{"metadata":{},"status":"Success"}'
ADMIN = 15000


def frame(data, opcode=2):
    """A websocket frame, as a server sends it."""
    size = len(data)
    if size < 126:
        head = bytes([size])
    elif size < 65536:
        head = b"\x7e" + struct.pack(">H", size)
    else:
        head = b"\x7f" + struct.pack(">Q", size)
    return bytes([0x80 | opcode]) + head + data


def received(stream):
    """The next frame of a client: (opcode, data); (8, b"") at the end."""
    head = stream.read(2)
    if len(head) < 2:
        return 8, b""
    size = head[1] & 0x7F
    if size > 125:
        size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
    mask = stream.read(4) if head[1] & 0x80 else bytes(4)
    data = stream.read(size)
    return head[0] & 0x0F, bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))


class Line:
    """What an odd sidecar speaks through: the same words over exec and over a forwarded port."""

    def __init__(self, handler, forwarded):
        self._handler, self._forwarded, self._begun = handler, forwarded, False

    def _frame(self, channel, data):
        self._handler.wfile.write(frame(bytes([channel]) + data))

    def say(self, data):
        """More of the answer."""
        if self._forwarded and not self._begun:
            self._frame(0, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
        self._begun = True
        self._frame(0 if self._forwarded else 1, data)

    def complain(self, data):
        """An error: what the command says on its second channel, or the text of an answer with status 500."""
        if self._forwarded:
            self._frame(0, b"HTTP/1.1 500 " + data[:60].replace(b"\n", b" ") + b"\r\nConnection: close\r\n\r\n" + data)
            self._begun = True
        else:
            self._frame(2, data)

    def end(self, status=DONE):
        """The status of the command; a forwarded port has none."""
        if not self._forwarded:
            self._frame(3, status)


def speak(handler, answer, forwarded):
    """Give one answer through a websocket."""
    line = Line(handler, forwarded)
    if callable(answer):
        answer(line)
        return
    data = answer if isinstance(answer, bytes) else answer.encode()
    for start in range(0, max(1, len(data)), 60000):
        line.say(data[start : start + 60000])
    line.end()


def shake_hands(handler, known):
    """Switch to a websocket, with the first protocol that both know."""
    key = handler.headers.get("Sec-WebSocket-Key", "")
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    offered = [item.strip() for item in (handler.headers.get("Sec-WebSocket-Protocol") or "").split(",") if item.strip()]
    chosen = next((item for item in known if item in offered), "")
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
    lines += [f"Sec-WebSocket-Protocol: {chosen}"] if chosen else []
    handler.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    handler.wfile.flush()
    handler.close_connection = True


def serve(handler, request):
    """Answer a request for exec or portforward."""
    api = handler.api
    found = re.fullmatch(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)/(exec|portforward)", request.path)
    if not found or api.exec is None:
        return handler.refuse(404, "the server could not find the requested resource", "NotFound")
    namespace, pod, way = found[1], found[2], found[3]
    if way not in api.ways:
        said = (
            f'pods "{pod}" is forbidden: User "checks" cannot create resource "pods/{way}" in API group "" in the namespace "{namespace}"'
        )
        return handler.refuse(403, said, "Forbidden")
    if (handler.headers.get("Upgrade") or "").lower() != "websocket":
        return handler.refuse(400, "you must specify at least 1 protocol that this server speaks: websocket", "BadRequest")
    shake_hands(handler, ("v5.channel.k8s.io", "v4.channel.k8s.io", "portforward.k8s.io"))
    try:
        (_forward if way == "portforward" else _run)(handler, parse_qs(request.query), namespace, pod)
        handler.wfile.write(frame(b"\x03\xe8", 8))
        handler.wfile.flush()
    except OSError:
        pass
    return None


def _run(handler, asked, namespace, pod):
    answer = handler.api.exec(namespace, pod, (asked.get("container") or [""])[0], asked.get("command") or [])
    speak(handler, answer, False)


def _forward(handler, asked, namespace, pod):
    """One port; each request that comes through it is answered, and a function of a line ends the connection."""
    port = int((asked.get("ports") or asked.get("port") or ["0"])[0])
    for channel in (0, 1):
        handler.wfile.write(frame(bytes([channel]) + struct.pack("<H", port)))
    if port != ADMIN:
        handler.wfile.write(frame(b"\x01" + f"connect to localhost:{port} inside namespace: connection refused".encode()))
        return
    text = b""
    while True:
        opcode, data = received(handler.rfile)
        if opcode == 8:
            return
        text += data[1:] if opcode in (0, 1, 2) and data[:1] == b"\x00" else b""
        while b"\r\n\r\n" in text:
            head, _gap, text = text.partition(b"\r\n\r\n")
            question = head.split(b" ")[1].decode().lstrip("/")
            answer = handler.api.exec(namespace, pod, "istio-proxy", ["GET", question])
            if callable(answer):
                return speak(handler, answer, True)
            _whole(handler, answer)


def _whole(handler, answer):
    data = answer if isinstance(answer, bytes) else answer.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    data = head + data
    for start in range(0, len(data), 60000):
        handler.wfile.write(frame(b"\x00" + data[start : start + 60000]))
    handler.wfile.flush()
