# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Envoy itself decides whether the filters of a backend's sidecar let a request in. Nothing of the collection is imported.

One process serves a whole run. Filters that it has not met yet become a listener of their own, on the loopback interface alone, just as
Istio made them. A request comes with a certificate of the client's identity, and the PROXY protocol says from where and to which pod. Three
things are exchanged: the keys of tokens for ours, a server that is asked for one that admits whoever shows a certain header, and in rules
about a connection's own source 10.x for 127.x, where it comes from here.
"""

from __future__ import annotations

import functools
import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from .admission import Guard, Request, Unclear
from .client import built
from .credentials import CONSENT, Authority, asked_claims, asked_client, asked_headers

Headers = dict[str, str]
SECONDS = 10.0
ADMITTED = ({"match": {"prefix": "/"}, "direct_response": {"status": 200}},)
FORWARDED, OUTSIDE = "X-Forwarded-For", "203.0.113.77"
"""The header in which the load balancer says who its client is, and one of them."""
CLIENTS, SOURCES = "10.", "127."
"""What addresses of clients begin with, and what they begin with here."""
MOST_LISTENERS = 250
"""Listeners after which a fresh process goes on."""
OTHER, AT = "other-server", "127.200.1.1"
"""The cluster of a server that filters may ask, and its address: it admits whoever shows :data:`CONSENT`."""
EXTENSIONS = "type.googleapis.com/envoy.extensions"
TYPES = {
    "envoy.filters.http.rbac": f"{EXTENSIONS}.filters.http.rbac.v3.RBAC",
    "envoy.filters.http.ext_authz": f"{EXTENSIONS}.filters.http.ext_authz.v3.ExtAuthz",
    "envoy.filters.http.jwt_authn": f"{EXTENSIONS}.filters.http.jwt_authn.v3.JwtAuthentication",
    "envoy.filters.network.rbac": f"{EXTENSIONS}.filters.network.rbac.v3.RBAC",
}


class Envoy:
    """A running Envoy; :meth:`admits` starts it when it is needed. Use it as a context."""

    def __init__(self, program: Path | None = None, *, seconds: float = SECONDS) -> None:
        self._program = program or built("--envoy")
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._listeners: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Envoy:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    @functools.cached_property
    def there(self) -> bool:
        """Whether there is a program to run, and one that ends it with this process."""
        return self._program is not None and shutil.which("setpriv") is not None

    def admits(self, filters: Sequence[Guard], requests: Sequence[Request], *, reads_http: bool) -> list[bool]:
        """Whether each request passes these filters. Raises :class:`Unclear` where Envoy cannot tell."""
        if not filters:
            return [True] * len(requests)
        if self._process is None or len(self._listeners) >= MOST_LISTENERS:
            self.close()
            self._start()
        name = self._listener(filters, reads_http, encrypted=bool(requests[0].identity))
        more = self._more(filters) if reads_http else {}
        said: list[bool] = []
        try:
            for _who, group in groupby(requests, lambda one: (one.identity, one.address, one.to)):
                said += self._connection(name, more, list(group), reads_http)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unclear(f"Envoy does not answer: {error}") from error
        return said

    def close(self) -> None:
        """End Envoy."""
        process, self._process = self._process, None
        self._listeners.clear()
        if process is not None:
            process.kill()
            process.wait()
            self._folder.cleanup()

    def _start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="meshlb-envoy-")
        self._home = Path(self._folder.name)
        self._port = _free_port()
        self._authority = Authority(self._home)
        self._publish()
        source = {"path": str(self._home / "listeners.json"), "watched_directory": {"path": str(self._home)}}
        settings = {
            "node": {"id": "oracle", "cluster": "oracle"}, "dynamic_resources": {"lds_config": {"path_config_source": source}},
            "static_resources": self._other(),
        }
        (self._home / "envoy.json").write_text(json.dumps(settings), encoding="utf-8")
        # Whoever ends this process by force ends Envoy with it.
        command = ["setpriv", "--pdeathsig", "KILL", str(self._program), "--config-path", str(self._home / "envoy.json")]
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _other(self) -> dict[str, Any]:
        """The server that filters may ask."""
        at = {"socket_address": {"address": AT, "port_value": self._port}}
        endpoints = [{"lb_endpoints": [{"endpoint": {"address": at}}]}]
        consent = {"headers": [{"name": name, "string_match": {"exact": value}} for name, value in CONSENT.items()]}
        answers = [
            {"match": {"prefix": "/", **consent}, "direct_response": {"status": 200}},
            {"match": {"prefix": "/"}, "direct_response": {"status": 403}},
        ]
        return {
            "clusters": [{"name": OTHER, "type": "STATIC", "load_assignment": {"cluster_name": OTHER, "endpoints": endpoints}}],
            "listeners": [{"name": OTHER, "address": at, "filter_chains": [{"filters": _reading((), answers)}]}],
        }

    def _publish(self) -> None:
        said = {"version_info": str(len(self._listeners)), "resources": list(self._listeners.values())}
        aside = self._home / "listeners.new"
        aside.write_text(json.dumps(said), encoding="utf-8")
        aside.rename(self._home / "listeners.json")

    def _listener(self, filters: Sequence[Guard], reads_http: bool, *, encrypted: bool) -> str:
        """The address of the listener with these filters, which is made where there is none."""
        key = json.dumps([filters, reads_http, encrypted], sort_keys=True)
        if key not in self._listeners:
            address = f"127.200.0.{len(self._listeners) + 1}"
            made = [_typed(one, self._authority.keys) for one in filters]
            chain: dict[str, Any] = {"filters": _reading(made, ADMITTED) if reads_http else [*made, _extension("network.echo", "Echo")]}
            if encrypted:
                chain["transport_socket"] = self._tls()
            proxy = _extension("listener.proxy_protocol", "ProxyProtocol")
            self._listeners[key] = {
                "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": address,
                "address": {"socket_address": {"address": address, "port_value": self._port}}, "listener_filters": [proxy],
                "filter_chains": [chain],
            }
            self._publish()
            self._connected(address).close()
        return str(self._listeners[key]["name"])

    def _tls(self) -> dict[str, Any]:
        certificate, key = self._authority.server
        common = {
            "tls_certificates": [{"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}],
            "validation_context": {"trusted_ca": {"inline_string": self._authority.certificate}},
        }
        return _extension("transport_sockets.tls", "DownstreamTlsContext", require_client_certificate=True, common_tls_context=common)

    def _connected(self, address: str, source: str = "127.0.0.1") -> socket.socket:
        until = time.monotonic() + self._seconds
        while True:
            try:
                return socket.create_connection((address, self._port), self._seconds, (source, 0))
            except ConnectionRefusedError:
                log = (self._home / "log").read_text(encoding="utf-8", errors="replace").strip()
            ended = self._process is not None and self._process.poll() is not None
            if ended or "rejected" in log or time.monotonic() > until:
                self.close()
                raise Unclear(f"Envoy does not take these filters: {log[-500:]}")
            time.sleep(0.003)

    def _connection(self, address: str, more: Headers, requests: Sequence[Request], reads_http: bool) -> list[bool]:
        """The answers on a connection of one client to one pod."""
        first = requests[0]
        if not first.address.startswith(CLIENTS):
            raise Unclear(f"no connection can come from {first.address} here")
        with self._connected(address, first.address.replace(CLIENTS, SOURCES, 1)) as plain:
            plain.sendall(f"PROXY TCP4 {first.address} {first.to[0]} 40000 {first.to[1]}\r\n".encode())
            if not first.identity:
                return _answers(plain, more, requests, reads_http)
            with self._authority.client(first.identity).wrap_socket(plain) as encrypted:
                return _answers(encrypted, more, requests, reads_http)

    def _more(self, filters: Sequence[Guard]) -> Headers:
        """What a request has that has everything which these filters ask for."""
        return {FORWARDED: asked_client(filters), **asked_headers(filters), **self._tokens(filters)}

    def _tokens(self, filters: Sequence[Guard]) -> Headers:
        """A token of the first issuer that a filter knows, with the claims that are asked for, where that filter looks for it."""
        for one in filters:
            for issuer in (one["settings"].get("providers") or {}).values():
                asked = {"sub": "somebody", **asked_claims(filters), "iss": issuer.get("issuer", "")}
                audience = {"aud": issuer["audiences"][0]} if issuer.get("audiences") else {}
                place = (issuer.get("from_headers") or [{"name": "Authorization", "value_prefix": "Bearer "}])[0]
                return {place["name"]: place.get("value_prefix", "") + self._authority.token(asked | audience)}
        return {}


def _extension(name: str, kind: str, **settings: Any) -> dict[str, Any]:
    """An extension of Envoy. ``name`` is the end of its package without the version."""
    package = name if name.startswith("transport") else f"filters.{name}"
    return {"name": f"envoy.{package}", "typed_config": {"@type": f"{EXTENSIONS}.{package}.v3.{kind}", **settings}}


def _reading(filters: Sequence[dict[str, Any]], answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Filters of a connection that is read as HTTP: those for connections first, then what reads requests, with the others in it."""
    of_requests = [one for one in filters if one["name"].startswith("envoy.filters.http.")]
    answer = {"name": "all", "domains": ["*"], "routes": list(answers)}
    manager = _extension(
        "network.http_connection_manager", "HttpConnectionManager", stat_prefix="oracle", route_config={"virtual_hosts": [answer]},
        http_filters=[*of_requests, _extension("http.router", "Router")],
    )
    return [*(one for one in filters if one not in of_requests), manager]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _typed(one: Guard, keys: str) -> dict[str, Any]:
    """A filter as Istio made it, but for keys and sources."""
    name = str(one["name"])
    if name not in TYPES:
        raise Unclear(f"{name} is not run here")
    return {"name": name, "typed_config": {"@type": TYPES[name], **_exchanged(one["settings"], keys)}}


def _exchanged(node: Any, keys: str) -> Any:
    if isinstance(node, list):
        return [_exchanged(item, keys) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _source(value) if key == "direct_remote_ip" else _exchanged(value, keys) for key, value in node.items()}
    if "server_uri" in made:
        made["server_uri"] = {**made["server_uri"], "cluster": OTHER}
    if made.pop("remote_jwks", None) or "local_jwks" in made:
        made["local_jwks"] = {"inline_string": keys}
    return made


def _source(wanted: dict[str, Any]) -> dict[str, Any]:
    """The same of what a client's address may be, where connections come from here."""
    prefix, length = str(wanted["address_prefix"]), int(wanted.get("prefix_len", 0))
    if prefix.startswith(SOURCES) or 0 < length < 8:
        raise Unclear(f"{prefix}/{length} cannot be told from others here")
    return {**wanted, "address_prefix": prefix.replace(CLIENTS, SOURCES, 1) if prefix.startswith(CLIENTS) else prefix}


def _answers(over: socket.socket, more: Headers, requests: Sequence[Request], reads_http: bool) -> list[bool]:
    if not reads_http:
        return [_echoes(over)] * len(requests)
    connection = http.client.HTTPConnection("backend")
    connection.sock = over
    return [_passes(connection, more, one) for one in requests]


def _passes(connection: http.client.HTTPConnection, more: Headers, request: Request) -> bool:
    headers = {"Host": request.host, **(more if request.more else {FORWARDED: OUTSIDE})}
    connection.request(request.method, request.path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status not in (200, 401, 403):
        raise Unclear(f"Envoy answers {answer.status}")
    return answer.status == 200


def _echoes(over: socket.socket) -> bool:
    """Whether bytes come back. A connection that is turned away is closed, with or without a word."""
    try:
        over.sendall(b"?")
        return bool(over.recv(1))
    except TimeoutError:
        raise
    except OSError:
        return False
