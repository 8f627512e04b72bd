# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small API server on loopback: discovery, paged lists, creates, JSON patches and deletes, and any answer a test wants."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.api import Api, open_api

from tests.unit.plugins.module_utils.support.listening import listening

Obj = dict[str, Any]
Answer = tuple[int, Any]
Kind = tuple[str, str, str, bool]
KINDS: list[Kind] = [
    # kind, api version, plural, namespaced
    ("Namespace", "v1", "namespaces", False),
    ("Pod", "v1", "pods", True),
    ("ConfigMap", "v1", "configmaps", True),
    ("Secret", "v1", "secrets", True),
    ("Node", "v1", "nodes", False),
    ("Service", "v1", "services", True),
    ("Deployment", "apps/v1", "deployments", True),
    ("DaemonSet", "apps/v1", "daemonsets", True),
    ("StatefulSet", "apps/v1", "statefulsets", True),
    ("EndpointSlice", "discovery.k8s.io/v1", "endpointslices", True),
    ("Ingress", "networking.k8s.io/v1", "ingresses", True),
    ("IngressClass", "networking.k8s.io/v1", "ingressclasses", False),
    ("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies", True),
    ("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", False),
    ("Gateway", "gateway.networking.k8s.io/v1", "gateways", True),
    ("Odd", "x.example/v2", "odds", True),
    ("Odd", "x.example/v1", "odds", True),
    ("Older", "x.example/v1", "olders", True),
    ("Lease", "coordination.k8s.io/v1", "leases", True),
]


def status(code: int, message: str) -> Answer:
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


def obj(kind: str, name: str, namespace: str = "web", **more: Any) -> Obj:
    version = next(item[1] for item in KINDS if item[0] == kind)
    metadata = {"name": name, "namespace": namespace, "resourceVersion": "1", "uid": f"u-{name}"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any

    @property
    def dry(self) -> bool:
        # As a real server has it: of a deletion with a body only the body counts.
        return "dryRun" in (self.body if self.method == "DELETE" and self.body else self.query)


@dataclass
class FakeApi:
    """``answer`` is asked first (``None``: the ordinary way); ``requests`` holds what came in."""

    aggregated: bool = True
    kinds: list[Kind] = field(default_factory=lambda: KINDS)
    objects: dict[str, Obj] = field(default_factory=dict)
    answer: Callable[[Request], Answer | None] = lambda request: None
    requests: list[Request] = field(default_factory=list)
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    version: int = 100

    def add(self, *objects: Obj) -> None:
        for item in objects:
            self.objects[self.path(item)] = item

    def path(self, item: Obj) -> str:
        plural = next(kind[2] for kind in self.kinds if kind[:2] == (item["kind"], item["apiVersion"]))
        root = f"/apis/{item['apiVersion']}" if "/" in item["apiVersion"] else f"/api/{item['apiVersion']}"
        namespace = item["metadata"].get("namespace")
        middle = f"/namespaces/{namespace}" if namespace and plural != "namespaces" else ""
        return f"{root}{middle}/{plural}/{item['metadata']['name']}"

    def named(self, *methods: str) -> list[str]:
        return [item.path for item in self.requests if item.method in methods]

    def api(self, workers: int = 4, **options: Any) -> Api:
        return open_api({"host": self.address, "api_key": "token", **options}, workers)

    def handle(self, request: Request) -> Answer:
        with self.lock:
            self.requests.append(request)
        special = self.answer(request)
        if special is not None:
            return special
        with self.lock:
            return getattr(self, request.method.lower())(request)  # type: ignore[no-any-return]

    def get(self, request: Request) -> Answer:
        parts = request.path.strip("/").split("/")
        if parts in (["api"], ["apis"]):
            return 200, self._groups(parts[0] == "api")
        if request.path in self.objects:
            return 200, self.objects[request.path]
        version = "v1" if parts[0] == "api" else "/".join(parts[1:3])
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        if not rest:
            return 200, {"kind": "APIResourceList", "groupVersion": version, "resources": self._resources(version)}
        plural = rest[-1]
        if any(item[2] == plural for item in self.kinds):
            return 200, self._list(request, version, plural, rest[1] if rest[0] == "namespaces" and len(rest) > 1 else "")
        return status(404, f"{request.path} not found")

    def _groups(self, core: bool) -> Obj:
        names = sorted({item[1].rpartition("/")[0] for item in self.kinds} - {""})
        wanted = [""] if core else names
        if self.aggregated:
            items = [{"metadata": {"name": name}, "versions": self._versions(name)} for name in wanted]
            return {"kind": "APIGroupDiscoveryList", "items": items}
        if core:
            return {"kind": "APIVersions", "versions": ["v1"]}
        groups = []
        for name in names:
            versions = [{"groupVersion": f"{name}/{item['version']}"} for item in self._versions(name)]
            groups.append({"name": name, "versions": versions[::-1], "preferredVersion": versions[0]})
        return {"kind": "APIGroupList", "groups": groups}

    def _list(self, request: Request, version: str, plural: str, namespace: str) -> Obj:
        found = [
            item for path, item in sorted(self.objects.items())
            if path.split("/")[-2] == plural and item["apiVersion"] == version
            and namespace in ("", item["metadata"].get("namespace"))
        ]
        first = int(request.query.get("continue", "0"))
        limit = int(request.query.get("limit", "0")) or len(found)
        more = str(first + limit) if first + limit < len(found) else ""
        items = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in found]
        return {"apiVersion": version, "kind": "List", "metadata": {"continue": more}, "items": items[first : first + limit]}

    def post(self, request: Request) -> Answer:
        path = self.path(request.body)
        if path in self.objects:
            return status(409, f"{path} already exists")
        return 201, self._store(path, request.body, request.dry)

    def patch(self, request: Request) -> Answer:
        if request.path not in self.objects:
            return status(404, f"{request.path} not found")
        found = json.loads(json.dumps(self.objects[request.path]))
        for item in request.body:
            *above, last = [part.replace("~1", "/").replace("~0", "~") for part in item["path"].split("/")[1:]]
            node: Any = found
            for part in above:
                node = node[int(part)] if isinstance(node, list) else node.get(part)
            key: Any = int(last) if isinstance(node, list) else last
            if node is None or (item["op"] == "test" and node[key] != item["value"]):
                return status(422, "the server rejected our request due to an error in our request")
            if item["op"] == "remove":
                del node[key]
            elif item["op"] != "test":
                node[key] = item["value"]
        return 200, self._store(request.path, found, request.dry)

    def delete(self, request: Request) -> Answer:
        found = self.objects.get(request.path)
        if found is None:
            return status(404, f"{request.path} not found")
        for key, value in request.body["preconditions"].items():
            if found["metadata"].get(key) != value:
                return status(409, f"the {key} in the precondition does not match")
        if not request.dry:
            del self.objects[request.path]
        return 200, {"kind": "Status", "status": "Success"}

    def _store(self, path: str, item: Obj, dry: bool) -> Obj:
        self.version += 1
        stored = {**item, "metadata": {"uid": "u", **item["metadata"], "resourceVersion": str(self.version)}}
        if not dry:
            self.objects[path] = stored
        return stored

    def _versions(self, group: str) -> list[Obj]:
        found = list(dict.fromkeys(item[1] for item in self.kinds if item[1].rpartition("/")[0] == group))
        return [{"version": item.rpartition("/")[2], "resources": self._aggregated(item)} for item in found]

    def _aggregated(self, version: str) -> list[Obj]:
        return [
            {"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced" if namespaced else "Cluster", "verbs": ["list"]}
            for kind, known, plural, namespaced in self.kinds if known == version
        ]

    def _resources(self, version: str) -> list[Obj]:
        found = [
            {"name": plural, "kind": kind, "namespaced": namespaced, "verbs": ["list"]}
            for kind, known, plural, namespaced in self.kinds if known == version
        ]
        return [*found, {"name": "pods/log", "kind": "Pod", "namespaced": True}]


@contextmanager
def serving(fake: FakeApi) -> Iterator[FakeApi]:
    """The fake on a port of its own, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: in two, the second would wait for the first one's acknowledgement.
        wbufsize = -1

        def log_message(self, *args: Any) -> None:
            pass

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.respond
            raise AttributeError(name)

        def respond(self) -> None:
            url = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            body = json.loads(text) if text else None
            code, answer = fake.handle(Request(self.command, unquote(url.path), query, dict(self.headers), body))
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(code)
            if code == 429:
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with listening(Handler) as fake.address:
        yield fake
