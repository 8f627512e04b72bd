# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server on the loopback in front of the API server, which counts writes, stops runs at one of them, and refuses requests on demand."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

# Headers of a hop, which say nothing to the next one.
OWN_HEADERS = frozenset({"connection", "host", "content-length", "transfer-encoding", "accept-encoding"})

Hook = Callable[[int, bool], None]
"""Called at each write: (its number from 1, whether the API server has carried it out)."""
Refusal = Callable[["Asked"], "tuple[int, dict[str, str]] | None"]
"""A status and headers to answer with instead of passing a request on."""


class Asked:
    """One request of a run."""

    def __init__(self, method: str, path: str) -> None:
        self.method, self.path = method, path

    @property
    def writes(self) -> bool:
        """Whether it changes an object of the cluster. A dry run does not, and Leases are the run's own."""
        parts = urlsplit(self.path)
        return self.method not in ("GET", "HEAD") and "dryRun" not in parse_qs(parts.query) and "/leases" not in parts.path


class Front:
    """The server. ``with Front(kubeconfig) as front: module(..., **front.connection)``."""

    def __init__(self, kubeconfig: Path, hook: Hook | None = None, refusal: Refusal | None = None) -> None:
        config = json.loads(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.hook, self.refusal = hook or (lambda _number, _done: None), refusal or (lambda _asked: None)
        self.writes, self.refused, self.conflicts = 0, 0, 0
        self._target = urlsplit(cluster["server"])
        self._trust = self._context(cluster["certificate-authority-data"])
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.connection = {"host": f"http://127.0.0.1:{self._server.server_address[1]}", "api_key": user["token"]}

    @staticmethod
    def _context(authority: str) -> ssl.SSLContext:
        with tempfile.NamedTemporaryFile(suffix=".crt") as file:
            file.write(base64.b64decode(authority))
            file.flush()
            return ssl.create_default_context(cafile=file.name)

    def __enter__(self) -> Front:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def number(self) -> int:
        """The number of a write that arrives."""
        with self._lock:
            self.writes += 1
            return self.writes

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """What the API server answers."""
        link = http.client.HTTPSConnection(str(self._target.hostname), self._target.port, timeout=60, context=self._trust)
        try:
            link.request(method, path, body or None, headers)
            answer = link.getresponse()
            # A minute after an Ingress came, the load balancer writes its address into it. A run that meets that reads and writes again.
            self.conflicts += answer.status == HTTPStatus.CONFLICT
            return answer.status, answer.getheaders(), answer.read()
        finally:
            link.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_words: Any) -> None:
                """Silent: what a run did is in its result."""

            def answer(self) -> None:
                asked = Asked(self.command, self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                refused = front.refusal(asked)
                if refused:
                    front.refused += 1
                    self.give(refused[0], list(refused[1].items()), b"")
                    return
                number = front.number() if asked.writes else 0
                if number:
                    front.hook(number, False)
                headers = {key: value for key, value in self.headers.items() if key.lower() not in OWN_HEADERS}
                try:
                    found = front.forward(self.command, self.path, headers, body)
                except OSError:
                    # As the API server would: a connection that ends.
                    self.close_connection = True
                    return
                if number:
                    front.hook(number, True)
                self.give(*found)

            def give(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
                self.send_response(status)
                for key, value in headers:
                    if key.lower() not in OWN_HEADERS:
                        self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

        return Handler
