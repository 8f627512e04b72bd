# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The websocket between this machine and a pod, by way of the API server: numbered channels, within bounds of time and bytes.

What comes in is whatever a container says, for as long as it likes, so both bounds hold for the whole conversation.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ...core.errors import ApiError, MeshlbError, OutOfBounds
from ...core.model import ObjectRef
from . import errors as api_errors
from .deadline import Deadline, in_time

try:
    import certifi
    import websocket
    from kubernetes.stream import ws_client
except ImportError:  # said by connection.connect, without which nobody gets here
    websocket: Any = None  # type: ignore[no-redef]

PROTOCOL = "v4.channel.k8s.io"
MEBIBYTE = 1024 * 1024
# A container that sends byte by byte costs more per byte than one that sends much: real answers come in pieces of 16 KiB and more.
_SMALL_PIECES, _LEAST_PIECE = 4000, 1024


@dataclass(frozen=True)
class Bounds:
    """For one conversation as a whole: ``seconds`` until its end, and the ``size`` of all that comes in, in bytes."""

    seconds: float
    size: int


@dataclass(frozen=True)
class Call:
    """What is asked of a pod: a subresource with its query. ``action`` says it in words: ``run a command in Pod a/b``."""

    ref: ObjectRef
    subresource: str
    query: tuple[tuple[str, str], ...]
    action: str
    bounds: Bounds

    def failed(self, why: str, hint: str = "", details: dict[str, Any] | None = None) -> MeshlbError:
        return MeshlbError(f"Could not {self.action}: {why}.", hint, self.ref, details)

    def out_of_bounds(self, why: str) -> OutOfBounds:
        return OutOfBounds(f"Could not {self.action}: {why}.", "", self.ref)

    @property
    def too_late(self) -> OutOfBounds:
        return self.out_of_bounds(f"it was not done within {self.bounds.seconds:g} seconds")


class Channels:
    """An open conversation."""

    def __init__(self, connection: Any, call: Call, deadline: Deadline) -> None:
        self._connection, self._call, self._deadline = connection, call, deadline
        self._size = self._pieces = 0

    def send(self, channel: int, data: bytes) -> None:
        with self._failures():
            self._connection.send(bytes([channel]) + data, opcode=websocket.ABNF.OPCODE_BINARY)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """What comes in, until the other side ends the conversation.

        Raises :class:`core.errors.OutOfBounds`, and :class:`core.errors.MeshlbError` where the connection breaks off.
        """
        codes, channel = websocket.ABNF, 0
        while True:
            with self._failures():
                frame = self._connection.recv_frame()
                if frame.opcode == codes.OPCODE_CLOSE:
                    return
                if frame.opcode == codes.OPCODE_PING:
                    self._connection.pong(frame.data)
            self._count(len(frame.data))
            if frame.opcode in (codes.OPCODE_BINARY, codes.OPCODE_TEXT, codes.OPCODE_CONT) and frame.data:
                # A fragment that continues another one has no number of its own.
                continued = frame.opcode == codes.OPCODE_CONT
                channel = channel if continued else frame.data[0]
                yield channel, frame.data if continued else frame.data[1:]

    def _count(self, size: int) -> None:
        self._size += size
        self._pieces += 1
        if self._size > self._call.bounds.size:
            raise self._call.out_of_bounds(f"the answer is longer than {self._call.bounds.size / MEBIBYTE:g} MiB")
        if self._pieces > _SMALL_PIECES + self._size / _LEAST_PIECE:
            raise self._call.out_of_bounds(f"the answer comes in pieces that are too small ({self._pieces} for {self._size} bytes)")

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the websocket package's own kinds, sockets' and TLS's
            if _late(error, self._deadline):
                raise self._call.too_late from error
            raise self._call.failed(f"the connection broke off ({error})", "Run again.") from error


@contextmanager
def opened(transport: Any, call: Call) -> Iterator[Channels]:
    """A conversation with a pod, which ends with the block.

    Raises :class:`core.errors.Forbidden`, :class:`core.errors.NotFound` and their like where it does not come about, and
    :class:`core.errors.MeshlbError` where the connection options impersonate somebody.
    """
    if transport.impersonates:
        # The package's websocket drops the headers: it would be opened with the rights of the user behind.
        hint = "Use that user's own credentials."
        raise MeshlbError(f"Cannot {call.action} in the name of an impersonated user.", hint, call.ref)
    # Shaking hands is left to the first byte that is sent: by then the deadline knows the socket.
    options = {**tls_options(transport.configuration), "do_handshake_on_connect": False}
    connection: Any = websocket.WebSocket(sslopt=options, skip_utf8_validation=True)
    with Deadline(call.bounds.seconds) as deadline:
        deadline.watch(connection)
        try:
            _connect_in_time(connection, transport, call, deadline)
            yield Channels(connection, call, deadline)
        finally:
            # Without the farewell: the other side may not listen.
            connection.shutdown()


def _late(error: Exception, deadline: Deadline) -> bool:
    return deadline.passed or isinstance(error, (TimeoutError, websocket.WebSocketTimeoutException))


def _connect_in_time(connection: Any, transport: Any, call: Call, deadline: Deadline) -> None:
    """The package makes its socket itself, and speaks with a proxy by it before anybody else knows it."""
    try:
        in_time(lambda: _connect(connection, transport, call, deadline), deadline.left, lambda late: connection.shutdown())
    except TimeoutError as error:
        raise call.too_late from error


def _connect(connection: Any, transport: Any, call: Call, deadline: Deadline) -> None:
    configuration, ref = transport.configuration, call.ref
    root = str(configuration.host).replace("http", "ws", 1).rstrip("/")
    url = f"{root}/api/v1/namespaces/{ref.namespace}/pods/{ref.name}/{call.subresource}?{urlencode(call.query)}"
    credentials = transport.credentials()
    header = [f"{name}: {value}" for name, value in {**credentials, "Sec-WebSocket-Protocol": PROTOCOL}.items()]
    options: dict[str, Any] = {"header": header, "timeout": call.bounds.seconds}
    try:
        if configuration.proxy or configuration.proxy_headers:
            options = ws_client.websocket_proxycare(options, configuration, url, {})
        connection.connect(url, **options)
    except Exception as error:  # the websocket package's own kinds, sockets' and TLS's
        if _late(error, deadline):
            raise call.too_late from error
        raise _refusal(error, call, transport.server) from error


def tls_options(configuration: Any) -> dict[str, Any]:
    """The websocket package's options for TLS, from the ``kubernetes`` package's configuration."""
    found: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE}
    if configuration.verify_ssl:
        found = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": configuration.ssl_ca_cert or certifi.where()}
        if configuration.assert_hostname is not None:
            found["check_hostname"] = configuration.assert_hostname
    named = {"certfile": "cert_file", "keyfile": "key_file", "server_hostname": "tls_server_name"}
    return found | {option: value for option, name in named.items() if (value := getattr(configuration, name, None))}


def _refusal(error: Exception, call: Call, server: str) -> ApiError:
    status = getattr(error, "status_code", None)
    if not status:
        return api_errors.unreachable(error if isinstance(error, OSError) else OSError(str(error)), server)
    body = getattr(error, "resp_body", None) or b""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    return api_errors.refusal(int(status), text, call.action, server, call.ref)


def by_channel(frames: Iterable[tuple[int, bytes]]) -> dict[int, bytes]:
    """All that came in on each channel."""
    found: dict[int, bytearray] = {}
    for channel, data in frames:
        found.setdefault(channel, bytearray()).extend(data)
    return {channel: bytes(data) for channel, data in found.items()}
