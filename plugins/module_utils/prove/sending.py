# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending requests to a load balancer, as any client would. Nothing is followed, kept or logged."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ..core.errors import MeshlbError
from ..core.printable import clipped
from ..kube.client.deadline import Deadline
from .traffic import Answers
from .virtual_hosts import strip_port

PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+")
_LONGEST_NAME, _LONGEST_LABEL, _LONGEST_PORT, _LONGEST_BODY = 253, 63, 5, 65536


@dataclass(frozen=True)
class Entrypoint:
    """Where the load balancer listens for clients."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")


def parse_entrypoint(text: str) -> Entrypoint:
    """Read ``http://10.96.0.1`` or ``https://lb.example.com:8443``. Raises :class:`core.errors.MeshlbError`."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise MeshlbError(f"The entrypoint {text!r} is not a URL ({error}).") from error
    if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.username:
        hint = "Give scheme, host and, if need be, a port: http://10.96.0.1 or https://lb.example.com:8443."
        raise MeshlbError(f"The entrypoint {text!r} is not the address of a load balancer.", hint)
    return Entrypoint(parts.scheme, parts.hostname, port or PORTS[parts.scheme])


def why_no_host(host: str) -> str:
    """Why no client can ask for a host (``name``, ``name:port`` or ``[address]``), or the empty string."""
    shown = clipped(repr(host))
    name, colon, port = host.rpartition(":")
    name, port = (name, port) if colon and not host.endswith("]") else (host, "80")
    if not (port.isascii() and port.isdigit()) or len(port) > _LONGEST_PORT:
        return f"the Host {shown} has a port that is none"
    if name.startswith("[") and name.endswith("]"):
        return "" if _ADDRESS.fullmatch(name[1:-1]) else f"the Host {shown} is no address"
    if not _NAME.fullmatch(name):
        return f"the Host {shown} has characters that no name has"
    labels = name.removesuffix(".").split(".")
    if not all(0 < len(label) <= _LONGEST_LABEL for label in labels) or len(name) > _LONGEST_NAME:
        return f"the Host {shown} has a part that is empty, or is too long"
    return ""


def send(entrypoint: Entrypoint, host: str, path: str, requests: int, timeout: float) -> Answers:
    """Send GET requests one after the other, each on a connection of its own, and say what came back.

    No request takes longer than ``timeout`` seconds, however slowly its answer comes.
    """
    statuses: list[int] = []
    errors: list[str] = []
    for _number in range(requests):
        try:
            with Deadline(timeout) as deadline:
                statuses.append(_once(entrypoint, host, path, deadline))
        except (OSError, http.client.HTTPException, ValueError) as error:
            errors.append("no answer in time" if deadline.passed else _reason(error))
    return Answers(f"{entrypoint.url}{path}", host, tuple(statuses), tuple(errors))


def _once(entrypoint: Entrypoint, host: str, path: str, deadline: Deadline) -> int:
    connection = _connection(entrypoint, host, deadline)
    try:
        headers = {"Host": host, "User-Agent": "meshlb.istio", "Connection": "close"}
        connection.request("GET", quote(path, safe="/%:@!$&'()*+,;=~-._", errors="replace"), headers=headers)
        response = connection.getresponse()
        with suppress(OSError, http.client.HTTPException):
            # What follows the status proves nothing; an application gets the time to say it.
            response.read(_LONGEST_BODY)
        return response.status
    finally:
        connection.close()


def _connection(entrypoint: Entrypoint, host: str, deadline: Deadline) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(entrypoint.host, entrypoint.port, timeout=deadline.seconds)
    raw = socket.create_connection((entrypoint.host, entrypoint.port), deadline.seconds)
    deadline.watch(raw)
    connection.sock = raw
    if entrypoint.scheme == "https":
        # The question is what happens behind the load balancer; its own certificate proves nothing about that, and is
        # often for another name than the address that is dialled. Nothing confidential is sent.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            connection.sock = context.wrap_socket(raw, server_hostname=strip_port(host).strip("[]").removesuffix("."))
        except BaseException:
            raw.close()
            raise
        deadline.watch(connection.sock)
    return connection


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return str(error) or type(error).__name__
