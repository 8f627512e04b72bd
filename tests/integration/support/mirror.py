# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real API server seen through a glass that hides some of its kinds and objects: a cluster without Istio, or without a CRD."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from .cluster import Cluster, Obj

HOP = frozenset({"host", "connection", "accept-encoding", "authorization"})


@dataclass
class Mirror:
    """What is hidden, and what was asked for."""

    hides_group: Callable[[str], bool]
    hides_object: Callable[[Obj], bool] = lambda item: False
    address: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def filtered(self, document: Any) -> Any:
        """A discovery document or a list without what is hidden."""
        if not isinstance(document, dict):
            return document
        if document.get("kind") == "APIGroupList":
            document["groups"] = [item for item in document["groups"] if not self.hides_group(item["name"])]
        elif document.get("kind") == "APIGroupDiscoveryList":
            document["items"] = [item for item in document["items"] if not self.hides_group(item["metadata"].get("name", ""))]
        elif str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
            document["items"] = [item for item in document["items"] if not self.hides_object(item)]
        return document

    def hides_path(self, path: str) -> bool:
        """Whether a path is in a hidden group."""
        parts = path.partition("?")[0].strip("/").split("/")
        return len(parts) > 1 and parts[0] == "apis" and self.hides_group(parts[1])


@contextmanager
def mirrored(cluster: Cluster, mirror: Mirror) -> Iterator[Mirror]:
    """Serve it on loopback, with the cluster administrator's credentials towards the real one."""
    with TemporaryDirectory() as folder:
        server, context = _credentials(cluster, Path(folder))
        listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(mirror, server, context))
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        mirror.address = f"http://127.0.0.1:{listener.server_address[1]}"
        try:
            yield mirror
        finally:
            listener.shutdown()
            listener.server_close()
            thread.join()


def _credentials(cluster: Cluster, folder: Path) -> tuple[str, ssl.SSLContext]:
    config = yaml.safe_load(cluster.run("config", "view", "--raw", "--minify", "--flatten").stdout)
    there, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    files = {}
    for name, text in (
        ("ca", there["certificate-authority-data"]), ("crt", user["client-certificate-data"]), ("key", user["client-key-data"]),
    ):  # fmt: skip
        files[name] = folder / name
        files[name].write_bytes(b64decode(text))
        files[name].chmod(0o600)
    context = ssl.create_default_context(cafile=str(files["ca"]))
    context.load_cert_chain(files["crt"], files["key"])
    return str(there["server"]), context


def _handler(mirror: Mirror, server: str, context: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: Any) -> None:
            """Nothing: what was asked for is in the mirror."""

        def forward(self) -> None:
            mirror.asked.append((self.command, self.path))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            if mirror.hides_path(self.path):
                self.answer(404, b'{"kind": "Status", "code": 404, "message": "404 page not found"}', "application/json")
                return
            headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP}
            request = urllib.request.Request(server + self.path, data=body, headers=headers, method=self.command)
            try:
                with urllib.request.urlopen(request, context=context, timeout=30) as reply:
                    status, text, kind = reply.status, reply.read(), reply.headers.get("Content-Type", "")
            except urllib.error.HTTPError as error:
                status, text, kind = error.code, error.read(), error.headers.get("Content-Type", "")
            if "json" in kind:
                text = json.dumps(mirror.filtered(json.loads(text))).encode()
            self.answer(status, text, kind)

        def answer(self, status: int, text: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = forward

    return Handler
