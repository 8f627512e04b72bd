# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting to an API server, by kubernetes.core's options.

The connection itself (TLS, proxies, tokens that are renewed) is the ``kubernetes`` package's. Which cluster is meant, who asks there, and
programs that log in are not left to it: it would go on as nobody, or as somebody else.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from ...core.errors import ApiUnreachable, MeshlbError, MissingLibrary
from ...core.secrets import note_secret, note_secrets
from . import errors as api_errors
from . import pools
from .deadline import in_time
from .kubeconfig import HINT, KubeContext, chosen, impersonation, sources
from .login import TIMEOUT, Renewal, log_in
from .options import (
    VARIABLES,
    demand_whole_credentials,
    effective,
    has_credentials,
    is_here,
    same_server,
    userinfo,
    with_values,
    without_userinfo,
)
from .patience import REQUEST_TIMEOUT, Patience, http_date

try:
    from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
except ImportError:  # said by connect
    AUTH_ARG_SPEC = None

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
LATE_TOKEN = "Check whoever gives out the tokens (exec or auth-provider of the kubeconfig), or log in again."


class HttpTransport:
    """Requests to one API server over a bounded pool of connections. Threads may share it."""

    def __init__(
        self, configuration: Any, headers: Mapping[str, Any], workers: int, request_timeout: float = REQUEST_TIMEOUT, context: str = ""
    ) -> None:
        configuration.connection_pool_maxsize = max(1, workers)
        self.configuration = configuration
        self.server = str(configuration.host)
        self.context = context
        self.impersonates = bool(headers)
        self.request_timeout = request_timeout
        self._told: tuple[float, float] | None = None
        self._pool = kubernetes.client.ApiClient(configuration).rest_client.pool_manager
        self._pool.pool_classes_by_scheme = pools.with_an_end(self._pool.pool_classes_by_scheme)
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
            fields.update(self._credentials_in_time(max(patience.left, SHORTEST)))
            try:
                answer = self._in_time(method, url, body, fields, max(patience.left, SHORTEST))
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

    def _in_time(self, method: str, url: str, body: bytes | None, fields: Any, timeout: float) -> Any:
        """One attempt, which ends after ``timeout`` seconds however slowly an answer comes. Raises ``OSError``, and urllib3's errors."""
        late = TimeoutError("timed out")
        with pools.within(timeout) as deadline:
            try:
                answer = self._send(method, url, body, fields, timeout)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if deadline.passed:
                    raise late from error
                raise
        if deadline.passed:
            # Where an answer ends with its connection, a part of it looks whole.
            raise late
        return answer

    def _send(self, method: str, url: str, body: bytes | None, fields: Any, timeout: float) -> Any:
        """One attempt. A redirect is an error: nothing is told to another server."""
        limits = urllib3.Timeout(connect=min(CONNECT_TIMEOUT, timeout), read=timeout)
        none_left = urllib3.Retry(
            connect=0, read=0, redirect=0, status=0, other=0, allowed_methods=None, raise_on_status=False, respect_retry_after_header=False
        )
        return self._pool.request(method, url, body=body, headers=fields, timeout=limits, retries=none_left)

    def _note_time(self, date: str) -> None:
        told = http_date(date)
        if told is not None:
            self._told = (told, time.monotonic())

    def _credentials_in_time(self, seconds: float) -> dict[str, str]:
        if self.configuration.refresh_api_key_hook is None:
            return self.credentials()
        try:
            return in_time(self.credentials, seconds)
        except TimeoutError as error:
            message = f"Cannot ask the API server {self.server}: its token was not renewed within {self.request_timeout:g} seconds."
            raise ApiUnreachable(message, LATE_TOKEN, details={"server": self.server, "cause": "TimeoutError"}) from error

    @property
    def unsafe(self) -> str:
        """Why nobody can be sure to speak to this server, and alone, as a clause; empty where that is certain."""
        if self.server.lower().startswith("https:"):
            return "" if self.configuration.verify_ssl else "its certificate is not checked (validate_certs, or insecure-skip-tls-verify)"
        return "" if is_here(self.server) else "it is asked without TLS"

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
        note_secret(str(found or "").rpartition(" ")[2])
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


@dataclass
class Target:
    """Where requests go and who sends them: the package's ``configuration``, further headers, and the context that was chosen."""

    configuration: Any
    headers: dict[str, Any] = field(default_factory=dict)
    context: str = ""


def connect(params: Mapping[str, Any], workers: int = 8, environment: Mapping[str, str] | None = None) -> HttpTransport:
    """Open a transport from a module's parameters (kubernetes.core's connection options, and its environment variables).

    Raises :class:`core.errors.MissingLibrary`, and :class:`core.errors.MeshlbError` where the options do not make a connection.
    Nothing is sent yet.
    """
    require_libraries()
    around = os.environ if environment is None else environment
    options = effective({name: params.get(name) for name in (*VARIABLES, "proxy_headers")}, around)
    try:
        target = _target(_with_userinfo(options), around)
        _require_files(target.configuration)
        timeout = float(params.get("request_timeout") or REQUEST_TIMEOUT)
        return HttpTransport(target.configuration, target.headers, workers, timeout, target.context)
    except MeshlbError:
        raise
    except Exception as error:  # whatever the package makes of the options and the named files
        raise MeshlbError(f"The connection options do not lead to a cluster{_named(params)}: {_first_line(error)}", HINT) from error


def _with_userinfo(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with a host that names nobody; a user and a password in it are credentials like others."""
    found = dict(options)
    if "host" in found:
        user, password = userinfo(str(found["host"]))
        found["host"] = without_userinfo(str(found["host"])).rstrip("/")
        if user and password and not has_credentials(found):
            found.update(username=user, password=password)
    demand_whole_credentials(found)
    return found


def _target(options: Mapping[str, Any], environment: Mapping[str, str]) -> Target:
    """The cluster that is meant: host, else the kubeconfig's context, else the cluster around, else the default kubeconfig's."""
    target = Target(kubernetes.client.Configuration())
    names_kubeconfig = "kubeconfig" in options or "context" in options
    if "host" in options and (has_credentials(options) or not names_kubeconfig):
        # Nobody else's credentials: those of a kubeconfig, or of the cluster around, are for another host.
        pass
    elif names_kubeconfig or not _is_inside(target.configuration):
        _from_kubeconfig(target, chosen(sources(options.get("kubeconfig"), environment), str(options.get("context") or "")), options)
    _override(target, options)
    return target


def _is_inside(configuration: Any) -> bool:
    """Whether this is a pod, whose service account then asks."""
    try:
        kubernetes.config.load_incluster_config(client_configuration=configuration)
    except kubernetes.config.ConfigException:
        return False
    return True


def _from_kubeconfig(target: Target, found: KubeContext, options: Mapping[str, Any]) -> None:
    host = options.get("host")
    if host and not same_server(host, found.server):
        raise MeshlbError(
            f"host is {host}, and context {found.context} of {found.where} leads to {without_userinfo(found.server)}: "
            "the credentials of one cluster are not sent to another.",
            "Leave host out, or give the credentials for it (api_key, or client_cert and client_key).",
        )
    target.context, target.headers = found.context, impersonation(found)
    note_secrets(found.user)
    if has_credentials(options):
        _load(target.configuration, found, {})
    elif not found.login:
        _load(target.configuration, found, found.user, options)
    else:
        first = log_in(found)
        _load(target.configuration, found, first.to_user())
        if first.token:
            renewal = Renewal(first, lambda: log_in(found))
            target.configuration.refresh_api_key_hook = lambda held: held.api_key.update(BearerToken=f"Bearer {renewal.token()}")


def _load(configuration: Any, found: KubeContext, user: dict[str, Any], options: Mapping[str, Any] | None = None) -> None:
    """Have the package read a cluster and a user of a kubeconfig. Raises :class:`MeshlbError` where nobody comes of the user."""
    if "auth-provider" in user:
        _load_provider(configuration, found, options or {})
    else:
        kubernetes.config.load_kube_config_from_dict(found.to_kubeconfig(user), client_configuration=configuration, persist_config=False)
    configuration.host = without_userinfo(str(configuration.host)).rstrip("/")
    # Over plain HTTP the package leaves certificates out, as they would be of no use.
    expected = found.asks_as_somebody(user, with_certificate=configuration.host.lower().startswith("https"))
    if expected and not configuration.api_key and not configuration.cert_file:
        raise MeshlbError(f"{found.where}: nothing that user {found.user_name} has to log in with can be used.", HINT)


def _load_provider(configuration: Any, found: KubeContext, options: Mapping[str, Any]) -> None:
    """A user of ``auth-provider``, whose tokens the package renews, and writes back where it is told to."""
    named, context = options.get("kubeconfig"), {"context": found.context, "client_configuration": configuration}

    def load() -> None:
        if isinstance(named, Mapping):
            kubernetes.config.load_kube_config_from_dict(named, persist_config=False, **context)
        else:
            persist = bool(options.get("persist_config", True))
            kubernetes.config.load_kube_config(config_file=found.files, persist_config=persist, **context)

    try:
        # The package asks whoever issues the tokens, for as long as that takes.
        in_time(load, TIMEOUT)
    except Exception as error:
        # Its words may quote the kubeconfig.
        why = type(error).__name__
        message = f"{found.where}: the auth-provider of user {found.user_name} failed ({why})."
        raise MeshlbError(message, "Log in again, or use exec.") from None


_FILES = {"ca_cert": "ssl_ca_cert", "client_cert": "cert_file", "client_key": "key_file"}
"""Options that name files, with the package's names for them."""


def _override(target: Target, options: Mapping[str, Any]) -> None:
    """What options say goes before what a kubeconfig says."""
    configuration = target.configuration
    note_secrets({name: options.get(name) for name in ("api_key", "password", "proxy_headers")})
    if has_credentials(options):
        # Who gives credentials gives all of them; those of the pod's service account would be renewed over them.
        configuration.api_key, configuration.refresh_api_key_hook = {}, None
    attributes = {"validate_certs": "verify_ssl", **_FILES}
    for name in ("host", "username", "password", "validate_certs", "ca_cert", "client_cert", "client_key", "proxy", "no_proxy"):
        if name in options:
            setattr(configuration, attributes.get(name, name), options[name])
    if "api_key" in options:
        configuration.api_key = {"authorization": f"Bearer {options['api_key']}"}
    if "proxy_headers" in options:
        configuration.proxy_headers = urllib3.util.make_headers(**with_values(options["proxy_headers"]))
    for name, header in (("impersonate_user", "Impersonate-User"), ("impersonate_groups", "Impersonate-Group")):
        if name in options:
            target.headers[header] = options[name]


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
    if AUTH_ARG_SPEC is None:
        raise MissingLibrary(
            "The collection kubernetes.core, whose connection options are used, is not installed.",
            "Install it: ansible-galaxy collection install 'kubernetes.core:>=6.0.0'.",
        )


def _require_files(configuration: Any) -> None:
    for option, attribute in _FILES.items():
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
