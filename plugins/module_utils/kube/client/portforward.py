# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One GET request to a port inside a pod, through a forwarded port."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator
from typing import Any, cast

from ...core.model import ObjectRef
from .channels import Bounds, Call, Channels, opened

_DATA, _ERRORS = 0, 1
_PIECE = 1024 * 1024


def get(transport: Any, namespace: str, pod: str, port: int, path: str, bounds: Bounds) -> str:
    """Give the body of the answer to ``GET path`` at a port on which something listens on the pod's loopback address.

    Raises what :func:`kube.client.channels.opened` does, :class:`core.errors.MeshlbError` where nothing listens there or the
    answer is no HTTP answer of status 200, and :class:`core.errors.OutOfBounds` where it does not end in time or is too long.
    """
    ref = ObjectRef("v1", "Pod", namespace, pod)
    call = Call(ref, "portforward", (("ports", str(port)),), f"ask port {port} of {ref}", bounds)
    with opened(transport, call) as channels:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        channels.send(_DATA, request.encode("ascii", "replace"))
        return _answer(channels, call)


def _answer(channels: Channels, call: Call) -> str:
    response = http.client.HTTPResponse(cast(Any, _Line(channels, call)), method="GET")
    body = bytearray()
    try:
        response.begin()
        while piece := response.read(_PIECE):
            body.extend(piece)
        cut_off = bool(response.length)
    except http.client.IncompleteRead:
        cut_off = True
    except (http.client.HTTPException, ValueError) as error:
        raise call.failed(f"what answers there does not speak HTTP ({str(error) or type(error).__name__})") from error
    if cut_off:
        raise call.failed("the answer was cut off", "Run again.")
    text = body.decode("utf-8", "replace")
    if response.status != http.client.OK:
        raise call.failed(f"it answers with status {response.status}: {' '.join(text[:1000].split())}")
    return text


class _Line(io.RawIOBase):
    """What comes out of the forwarded port, as the socket that ``http.client`` reads from."""

    def __init__(self, channels: Channels, call: Call) -> None:
        super().__init__()
        self._pieces = _pieces(channels, call)
        self._rest = memoryview(b"")

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _pieces(channels: Channels, call: Call) -> Iterator[bytes]:
    """The port's bytes; each channel begins with two that repeat the port's number."""
    begun: dict[int, int] = {}
    for channel, data in channels.frames():
        skipped = min(2 - begun.get(channel, 0), len(data))
        begun[channel] = begun.get(channel, 0) + skipped
        rest = data[skipped:]
        if rest and channel == _ERRORS:
            raise call.failed(" ".join(rest[:1000].decode("utf-8", "replace").split()).rstrip("."))
        if rest and channel == _DATA:
            yield rest
