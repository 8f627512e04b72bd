# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting to an API server: kubernetes.core's options, in kubernetes.core's order of precedence.

The connection itself (TLS, proxies, credential plugins, tokens that are renewed) is the ``kubernetes`` package's; only
its generated methods and its dynamic client, with their discovery by trial, are left out.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from ...core.errors import MeshlbError, MissingLibrary
from . import errors as api_errors
from .patience import REQUEST_TIMEOUT, Patience

try:
    # The two are private there, but the public door creates a dynamic client, and that one asks for every API group.
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import (
        _create_auth_spec,
        _create_configuration,
        _create_headers,
    )
except ImportError:  # said by connect
    _create_auth_spec = _create_configuration = _create_headers = None

WHY_NOT = ""
try:
    import kubernetes
    import urllib3
except ImportError as import_error:  # said by connect
    kubernetes = None
    WHY_NOT = str(import_error)

KUBERNETES_FLOOR = (28, 1)
CONNECT_TIMEOUT, SHORTEST = 10.0, 1.0
AGENT = "meshlb.istio"


class HttpTransport:
    """Requests to one API server over a bounded pool of connections. Threads may share it."""

    def __init__(
        self, configuration: Any, headers: Mapping[str, Any], workers: int, request_timeout: float = REQUEST_TIMEOUT
    ) -> None:
        configuration.connection_pool_maxsize = max(1, workers)
        self.configuration = configuration
        self.server = str(configuration.host)
        self.impersonates = bool(headers)
        self.request_timeout = request_timeout
        self._told: tuple[float, float] | None = None
        self._pool = kubernetes.client.ApiClient(configuration).rest_client.pool_manager
        self._headers = [("User-Agent", AGENT)] + [
            (name, item) for name, value in headers.items() for item in ([value] if isinstance(value, str) else value)
        ]

    def request(
        self, method: str, path: str, query: Iterable[tuple[str, str]] = (), body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """Send one request; gives status and body. Header names are written with underscores.

        Raises :class:`core.errors.ApiUnreachable` when there is no answer. What is only read is tried again where the server fails,
        and a server that asks for patience (429, 503 with Retry-After) is given it, all within ``request_timeout`` seconds.
        """
        pairs = list(query)
        url = f"{self.server}{path}{'?' if pairs else ''}{urlencode(pairs)}"
        fields = urllib3.HTTPHeaderDict(self._headers)
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        patience = Patience(self.request_timeout, method == "GET")
        while True:
            fields.update(self.credentials())
            try:
                answer = self._send(method, url, body, fields, max(patience.left, SHORTEST))
            except (urllib3.exceptions.HTTPError, OSError) as error:
                pause = patience.after_failure(before_it_was_sent=_not_sent(error)) if _may_pass(error) else None
                if pause is None:
                    raise api_errors.unreachable(error, self.server) from error
            else:
                self._note_time(answer.headers.get("Date", ""))
                pause = patience.after(answer.status, answer.headers.get("Retry-After", ""))
                if pause is None:
                    return int(answer.status), answer.data
            time.sleep(pause)

    def _send(self, method: str, url: str, body: bytes | None, fields: Any, timeout: float) -> Any:
        """One attempt. A redirect is an error: nothing is told to another server."""
        limits = urllib3.Timeout(connect=min(CONNECT_TIMEOUT, timeout), read=timeout)
        none_left = urllib3.Retry(
            connect=0, read=0, redirect=0, status=0, other=0, allowed_methods=None, raise_on_status=False, respect_retry_after_header=False
        )
        return self._pool.request(method, url, body=body, headers=fields, timeout=limits, retries=none_left)

    def _note_time(self, date: str) -> None:
        try:
            self._told = (parsedate_to_datetime(date).timestamp(), time.monotonic())
        except (ValueError, TypeError, IndexError, OverflowError):
            return

    @property
    def server_time(self) -> float | None:
        """The time by the server's clock, as its last answer had it; ``None`` where no answer had one."""
        told = self._told
        return told[0] + time.monotonic() - told[1] if told else None

    def credentials(self) -> dict[str, str]:
        """The header that says who asks, if there is one."""
        # Asked for anew each time: this is where the package renews a token that has expired.
        found = self.configuration.auth_settings().get("BearerToken", {}).get("value")
        if not found and self.configuration.username:
            found = self.configuration.get_basic_auth_token()
        return {"Authorization": found} if found else {}


def _cause(error: BaseException) -> BaseException:
    found = getattr(error, "reason", None)
    return found if isinstance(found, BaseException) else error


def _not_sent(error: BaseException) -> bool:
    """Whether the connection failed before the request was sent."""
    return isinstance(_cause(error), (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError))


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may help; TLS, names of proxies and addresses do not mend themselves."""
    passing = (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError)
    return _not_sent(error) or isinstance(_cause(error), passing)


def connect(params: Mapping[str, Any], workers: int = 8) -> HttpTransport:
    """Open a transport from a module's parameters (kubernetes.core's connection options, and its environment variables).

    Raises :class:`core.errors.MissingLibrary`, and :class:`core.errors.MeshlbError` where the options do not make a connection.
    Nothing is sent yet.
    """
    require_libraries()
    try:
        auth = _create_auth_spec(None, **params)
        configuration = _create_configuration(auth)
        _require_files(configuration)
        timeout = float(params.get("request_timeout") or REQUEST_TIMEOUT)
        return HttpTransport(configuration, _create_headers(None, **params), workers, timeout)
    except MeshlbError:
        raise
    except Exception as error:  # whatever a kubeconfig, its plugins or the named files make of themselves
        raise MeshlbError(
            f"The connection options do not lead to a cluster{_named(params)}: {_first_line(error)}",
            "Name a kubeconfig (and context) that exists, or host with api_key or client_cert and client_key.",
        ) from error


def require_libraries() -> None:
    """Raise :class:`core.errors.MissingLibrary` unless the ``kubernetes`` package is there and new enough."""
    floor = ".".join(map(str, KUBERNETES_FLOOR))
    hint = f"Install it there: {sys.executable or 'python'} -m pip install 'kubernetes>={floor}'."
    if kubernetes is None:
        message = f"The Python package kubernetes cannot be imported by {sys.executable} on the module's host: {WHY_NOT}."
        raise MissingLibrary(message, hint)
    found = tuple(int(part) for part in str(kubernetes.__version__).split(".")[:2] if part.isdigit())
    if found < KUBERNETES_FLOOR:
        raise MissingLibrary(f"The Python package kubernetes is {kubernetes.__version__}; {floor} or newer is needed.", hint)
    if _create_configuration is None:
        raise MissingLibrary(
            "The collection kubernetes.core, whose connection options are used, is not installed.",
            "Install it: ansible-galaxy collection install 'kubernetes.core:>=6.0.0'.",
        )


def _require_files(configuration: Any) -> None:
    options = {"ca_cert": "ssl_ca_cert", "client_cert": "cert_file", "client_key": "key_file"}
    for option, attribute in options.items():
        path = getattr(configuration, attribute, None)
        if path and not os.access(path, os.R_OK):
            raise MeshlbError(f"{option} is {path!r}, which is no file that can be read.", "Correct the path.")


def _named(params: Mapping[str, Any]) -> str:
    found = params.get("kubeconfig")
    return f" (kubeconfig {found})" if isinstance(found, str) else ""


def _first_line(error: Exception) -> str:
    # Only the first line: some of these errors go on to quote the file, which holds credentials.
    text = str(error).strip().splitlines()
    return f"{text[0] if text else type(error).__name__}".rstrip(".") + "."
