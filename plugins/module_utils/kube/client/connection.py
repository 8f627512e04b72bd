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
TIMEOUTS = {"connect": 10.0, "read": 90.0}
AGENT = "meshlb.istio"


class HttpTransport:
    """Requests to one API server over a bounded pool of connections. Threads may share it."""

    def __init__(self, configuration: Any, headers: Mapping[str, Any], workers: int) -> None:
        configuration.connection_pool_maxsize = max(1, workers)
        self.configuration = configuration
        self.server = str(configuration.host)
        self.impersonates = bool(headers)
        self._told: tuple[float, float] | None = None
        self._pool = kubernetes.client.ApiClient(configuration).rest_client.pool_manager
        self._headers = [("User-Agent", AGENT)] + [
            (name, item) for name, value in headers.items() for item in ([value] if isinstance(value, str) else value)
        ]

    def request(
        self, method: str, path: str, query: Iterable[tuple[str, str]] = (), body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """Send one request; gives status and body. Header names are written with underscores.

        Raises :class:`core.errors.ApiUnreachable` when there is no answer. What is only read is tried again; a server that
        asks for patience (429, 503 with Retry-After) is given it.
        """
        pairs = list(query)
        url = f"{self.server}{path}{'?' if pairs else ''}{urlencode(pairs)}"
        fields = urllib3.HTTPHeaderDict(self._headers)
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        fields.update(self._credentials())
        retries = urllib3.Retry(
            total=6, connect=1, read=2 if method == "GET" else 0, redirect=0, status=4, other=0, backoff_factor=0.2,
            allowed_methods=None, raise_on_status=False,
        )
        try:
            answer = self._pool.request(
                method, url, body=body, headers=fields, timeout=urllib3.Timeout(**TIMEOUTS), retries=retries
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise api_errors.unreachable(error, self.server) from error
        self._note_time(answer.headers.get("Date", ""))
        return int(answer.status), answer.data

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

    def _credentials(self) -> dict[str, str]:
        # Asked for anew each time: this is where the package renews a token that has expired.
        found = self.configuration.auth_settings().get("BearerToken", {}).get("value")
        if not found and self.configuration.username:
            found = self.configuration.get_basic_auth_token()
        return {"Authorization": found} if found else {}


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
        return HttpTransport(configuration, _create_headers(None, **params), workers)
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
