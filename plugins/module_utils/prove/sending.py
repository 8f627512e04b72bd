# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending requests to a load balancer, as any client would. Nothing is followed, kept or logged."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ..core.errors import MeshlbError
from .traffic import Answers

PORTS = {"http": 80, "https": 443}


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


def send(entrypoint: Entrypoint, host: str, path: str, requests: int, timeout: float) -> Answers:
    """Send GET requests one after the other, each on a connection of its own, and say what came back."""
    statuses: list[int] = []
    errors: list[str] = []
    for _number in range(requests):
        try:
            statuses.append(_once(entrypoint, host, path, timeout))
        except (OSError, http.client.HTTPException) as error:
            errors.append(_reason(error))
    return Answers(f"{entrypoint.url}{path}", host, tuple(statuses), tuple(errors))


def _once(entrypoint: Entrypoint, host: str, path: str, timeout: float) -> int:
    connection = _connection(entrypoint, host, timeout)
    try:
        headers = {"Host": host, "User-Agent": "meshlb.istio", "Connection": "close"}
        connection.request("GET", quote(path, safe="/%:@!$&'()*+,;=~-._"), headers=headers)
        response = connection.getresponse()
        response.read(65536)
        return response.status
    finally:
        connection.close()


def _connection(entrypoint: Entrypoint, host: str, timeout: float) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(entrypoint.host, entrypoint.port, timeout=timeout)
    if entrypoint.scheme == "https":
        # The question is what happens behind the load balancer; its own certificate proves nothing about that, and is
        # often for another name than the address that is dialled. Nothing confidential is sent.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        raw = socket.create_connection((entrypoint.host, entrypoint.port), timeout)
        try:
            connection.sock = context.wrap_socket(raw, server_hostname=host.partition(":")[0])
        except BaseException:
            raw.close()
            raise
    return connection


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return str(error) or type(error).__name__
