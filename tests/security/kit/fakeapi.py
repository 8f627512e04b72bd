# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small Kubernetes API server on 127.0.0.1, with faults on demand. Made for these checks; it knows no more than they need.

Objects live in a dictionary. Reads, creates, patches (JSON Patch, merge, apply), updates and deletes work, with dry runs,
resource versions, preconditions, paging and label selectors. A fault is a rule that answers instead, so often or always.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from . import reviews, webs
from .clusters import address
from .patches import json_patch, merge_patch

KINDS = {
    "v1": "Namespace- Node- Pod Service ConfigMap Secret Endpoints ServiceAccount Event ResourceQuota",
    "apps/v1": "Deployment DaemonSet StatefulSet ReplicaSet",
    "discovery.k8s.io/v1": "EndpointSlice",
    "networking.k8s.io/v1": "Ingress IngressClass- NetworkPolicy",
    "coordination.k8s.io/v1": "Lease",
    "admissionregistration.k8s.io/v1": "MutatingWebhookConfiguration-",
    "apiextensions.k8s.io/v1": "CustomResourceDefinition-",
    "security.istio.io/v1": "PeerAuthentication AuthorizationPolicy",
    "networking.istio.io/v1": "DestinationRule VirtualService ServiceEntry Sidecar Gateway",
    "gateway.networking.k8s.io/v1": "Gateway GatewayClass- HTTPRoute ReferenceGrant",
}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
QUIET = {"Lease", "Event"}
VOLATILE = {"resourceVersion", "generation", "uid", "creationTimestamp", "managedFields"}


def plural(kind):
    low = kind.lower()
    if low in ("endpoints",):
        return low
    if low.endswith("y") and low[-2] not in "aeiou":
        return low[:-1] + "ies"
    return low + ("es" if low.endswith(("s", "x", "ch")) else "s")


class Kind:
    """A kind that is served."""

    def __init__(self, api_version, kind, namespaced):
        self.api_version, self.kind, self.namespaced, self.plural = api_version, kind, namespaced, plural(kind)
        self.group, _slash, self.version = api_version.rpartition("/")

    def described(self):
        """As an APIResourceList shows it."""
        return {"name": self.plural, "singularName": "", "namespaced": self.namespaced, "kind": self.kind, "verbs": VERBS}

    def aggregated(self):
        """As an APIGroupDiscoveryList shows it."""
        return {
            "resource": self.plural,
            "responseKind": {"group": self.group, "version": self.version, "kind": self.kind},
            "scope": "Namespaced" if self.namespaced else "Cluster",
            "verbs": VERBS,
        }


class Request:
    """One request as it came in."""

    def __init__(self, method, path, query, headers, body, dry):
        self.method, self.path, self.query, self.headers, self.body, self.dry = method, path, query, headers, body, dry
        self.at = time.monotonic()

    @property
    def writes(self):
        """Whether it asks for a real change of an object (reviews, leases and events are none)."""
        quiet = re.search(r"/(leases|events|selfsubject\w+)(/|$)", self.path)
        return self.method in ("POST", "PUT", "PATCH", "DELETE") and not self.dry and not quiet

    @property
    def token(self):
        return self.headers.get("authorization", "")

    def __repr__(self):
        return f"{self.method} {self.path}{' (dry run)' if self.dry else ''}"


class Fault:
    """Answers instead of the server: ``times`` times (-1: always), for requests whose line matches, real ones or dry ones."""

    def __init__(self, method, pattern, action, times=1, dry=None):
        self.method, self.pattern, self.action, self.times, self.dry = method, re.compile(pattern), action, times, dry

    def takes(self, request):
        if self.times == 0 or self.method not in ("*", request.method):
            return False
        if self.dry is not None and self.dry != request.dry:
            return False
        return self.pattern.search(request.path + ("?" + request.query if request.query else "")) is not None


class Server:
    """The API server. ``objects`` are put in as they are; their kinds are served, besides the usual ones."""

    def __init__(self, objects=(), without=()):
        self.lock = threading.RLock()
        self.version = 1000
        self.kinds, self.store, self.log, self.faults = {}, {}, [], []
        self.exec, self.ways, self.rules = None, ("exec", "portforward"), None
        for api_version, names in KINDS.items():
            for name in names.split():
                self.serve_kind(api_version, name.rstrip("-"), not name.endswith("-"))
        for kind in without:
            self.kinds.pop(kind, None)
        for item in objects:
            self.put(item)
        handler = type("Handler", (_Handler,), {"api": self})
        self._http = _Http(("127.0.0.1", 0), handler)
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self._http.shutdown()
        self._http.server_close()

    def serve_kind(self, api_version, kind, namespaced=True):
        self.kinds.setdefault((api_version, kind), Kind(api_version, kind, namespaced))

    def stop_serving(self, api_version):
        """Leave a group out of discovery, as an aggregated discovery that is stale or partial does."""
        gone = {key: value for key, value in self.kinds.items() if key[0] == api_version}
        for key in gone:
            del self.kinds[key]
        return gone

    def put(self, obj):
        """Store an object as an API server would, and return what it became."""
        obj = copy.deepcopy(obj)
        metadata = obj.setdefault("metadata", {})
        self.serve_kind(obj["apiVersion"], obj["kind"], bool(metadata.get("namespace")))
        kind = self.kinds[(obj["apiVersion"], obj["kind"])]
        key = (obj["apiVersion"], obj["kind"], metadata.get("namespace", "") if kind.namespaced else "", metadata["name"])
        with self.lock:
            self.version += 1
            metadata["resourceVersion"] = str(self.version)
            metadata.setdefault("uid", hashlib.sha1(repr(key).encode()).hexdigest()[:32])
            metadata.setdefault("creationTimestamp", "2024-01-01T00:00:00Z")
            if kind.kind == "Service" and (obj.get("spec") or {}).get("type") != "ExternalName":
                # The same address for the same name, so that two servers can be compared.
                spec = obj.setdefault("spec", {})
                if isinstance(spec, dict):
                    spec.setdefault("clusterIP", address("10.200", repr(key)))
            self.store[key] = obj
        return obj

    def get(self, kind, namespace, name):
        return next((item for key, item in self.store.items() if key[1:] == (kind, namespace, name)), None)

    def objects(self):
        with self.lock:
            return [copy.deepcopy(item) for item in self.store.values()]

    def state(self):
        """What is stored, without what a server makes up, to be compared: {(kind, namespace, name): text}."""
        found = {}
        with self.lock:
            for (_version, kind, namespace, name), item in self.store.items():
                if kind in QUIET:
                    continue
                metadata = {k: v for k, v in item["metadata"].items() if k not in VOLATILE}
                for part in ("annotations", "labels"):
                    if not metadata.get(part):
                        metadata.pop(part, None)
                found[(kind, namespace, name)] = json.dumps({**item, "metadata": metadata}, sort_keys=True)
        return found

    def fault(self, method, pattern, action, times=1, dry=None):
        fault = Fault(method, pattern, action, times, dry)
        self.faults.insert(0, fault)
        return fault

    def on_writes(self, pattern, action):
        """A fault of every write, dry runs left out."""
        for method in ("POST", "PATCH", "PUT", "DELETE"):
            self.fault(method, pattern, action, -1, dry=False)

    def writes(self):
        return [item for item in self.log if item.writes]


def changed(before, after):
    """What differs between two states, in words."""
    found = [f"created {k[0]} {k[1]}/{k[2]}" for k in after if k not in before]
    found += [f"deleted {k[0]} {k[1]}/{k[2]}" for k in before if k not in after]
    found += [f"changed {k[0]} {k[1]}/{k[2]}" for k in after if k in before and before[k] != after[k]]
    return sorted(found)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, *_args):
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api = None

    def log_message(self, *_args):
        pass

    def answer(self, code, body, headers=None, content_type="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, code, message, reason="", headers=None):
        self.answer(code, status(code, message, reason), headers)

    def handle_one(self, method):
        request, query = self._read(method)
        api = self.api
        with api.lock:
            api.log.append(request)
            fault = next((item for item in api.faults if item.takes(request)), None)
            if fault is not None and fault.times > 0:
                fault.times -= 1
        if fault is not None and fault.action(self, request) != "go on":
            return
        forbidden = reviews.refusal(api.rules, request)
        if forbidden:
            return self.refuse(403, forbidden, "Forbidden")
        if request.path.endswith(("/exec", "/portforward")):
            return webs.serve(self, request)
        with api.lock:
            self._serve(api, request, query)

    def _read(self, method):
        """(request, its query with one value for each name)."""
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw
        dry = "dryRun" in query or (method == "DELETE" and isinstance(body, dict) and bool(body.get("dryRun")))
        headers = {}
        for name, value in self.headers.items():
            headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
        return Request(method, parts.path, parts.query, headers, body, dry), query

    def _serve(self, api, request, query):
        method, path, body = request.method, request.path, request.body
        if path == "/version":
            return self.answer(200, {"major": "1", "minor": "35", "gitVersion": "v1.35.0"})
        if path in ("/api", "/apis", "/api/v1") or re.fullmatch(r"/apis/[^/]+(/[^/]+)?", path):
            return self._discover(api, path)
        if method == "POST" and re.fullmatch(r"/apis/(authorization|authentication)\.k8s\.io/v1/(selfsubject\w+)", path):
            return self.answer(201, reviews.review(api.rules, body))
        found = _place(api, path)
        if found is None:
            return self.refuse(404, "the server could not find the requested resource", "NotFound")
        kind, namespace, name = found
        if method == "GET" and not name:
            return self._list(api, kind, namespace, query)
        if method == "POST" and not name:
            return self._create(api, kind, namespace, body, request.dry)
        return self._one(api, request, kind, api.store.get((kind.api_version, kind.kind, namespace, name)), namespace, name)

    def _one(self, api, request, kind, live, namespace, name):
        """A request for one object."""
        if live is None:
            if request.method == "PATCH" and "apply" in (self.headers.get("Content-Type") or ""):
                return self._create(api, kind, namespace, request.body, request.dry)
            return self.refuse(404, f'{kind.plural} "{name}" not found', "NotFound")
        if request.method == "GET":
            return self.answer(200, live)
        if request.method == "DELETE":
            return self._delete(api, kind, live, request)
        if request.method in ("PATCH", "PUT"):
            return self._change(api, kind, live, request.body, request.dry, request.method)
        return self.refuse(405, "the server does not allow this method on the requested resource")

    def _conflict(self, kind, name):
        self.refuse(409, f'Operation cannot be fulfilled on {kind.plural} "{name}": the object has been modified', "Conflict")

    def _delete(self, api, kind, live, request):
        metadata = live["metadata"]
        wanted = (request.body.get("preconditions") or {}) if isinstance(request.body, dict) else {}
        if any(wanted.get(item) not in (None, "", metadata.get(item)) for item in ("resourceVersion", "uid")):
            return self._conflict(kind, metadata["name"])
        if not request.dry:
            del api.store[(kind.api_version, kind.kind, metadata.get("namespace", "") if kind.namespaced else "", metadata["name"])]
            api.version += 1
        return self.answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _change(self, api, kind, live, body, dry, method):
        try:
            new = copy.deepcopy(body) if method == "PUT" else (json_patch if isinstance(body, list) else merge_patch)(live, body)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            return self.refuse(422, "the server rejected our request due to an error in our request", "Invalid")
        wrong = _wrong(kind, live, new)
        if wrong:
            return self.refuse(400, wrong, "BadRequest")
        if new["metadata"].get("resourceVersion") not in (None, "", live["metadata"]["resourceVersion"]):
            return self._conflict(kind, live["metadata"]["name"])
        new["metadata"].setdefault("uid", live["metadata"]["uid"])
        return self.answer(200, new if dry else api.put(new))

    def _create(self, api, kind, namespace, body, dry):
        if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
            return self.refuse(400, "the object is not an object", "BadRequest")
        metadata = body["metadata"]
        name = metadata.get("name") or f"{metadata.get('generateName', 'x')}{api.version}"
        if kind.namespaced and metadata.get("namespace", namespace) != namespace:
            return self.refuse(400, "the namespace of the object does not match the URL", "BadRequest")
        if (kind.api_version, kind.kind, namespace, name) in api.store:
            return self.refuse(409, f'{kind.plural} "{name}" already exists', "AlreadyExists")
        new = {**body, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": {**metadata, "name": name}}
        if kind.namespaced:
            new["metadata"]["namespace"] = namespace
        return self.answer(201, new if dry else api.put(new))

    def _list(self, api, kind, namespace, query):
        items = [
            item
            for key, item in sorted(api.store.items())
            if key[:2] == (kind.api_version, kind.kind) and (not namespace or key[2] == namespace)
        ]
        items = [item for item in items if _selected(item, query.get("labelSelector", ""))]
        wanted = re.fullmatch(r"metadata\.name=(.+)", query.get("fieldSelector", ""))
        if wanted:
            items = [item for item in items if item["metadata"]["name"] == wanted[1]]
        limit, start = int(query.get("limit") or 0), int((query.get("continue") or "0").partition(".")[0] or 0)
        page = items[start : start + limit] if limit else items[start:]
        metadata = {"resourceVersion": str(api.version)}
        if limit and start + limit < len(items):
            metadata["continue"] = f"{start + limit}.next"
        # Items of a real list do not say what they are either.
        shown = [{k: v for k, v in item.items() if k not in ("apiVersion", "kind")} for item in page]
        self.answer(200, {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": shown})

    def _discover(self, api, path):
        kinds = sorted(api.kinds.values(), key=lambda item: (item.api_version, item.kind))
        if path not in ("/api", "/apis"):
            version = path.partition("/apis/")[2] or "v1"
            shown = [item.described() for item in kinds if item.api_version == version]
            if not shown:
                return self.refuse(404, "the server could not find the requested resource", "NotFound")
            return self.answer(200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": shown})
        groups = {}
        for item in kinds:
            if bool(item.group) == (path == "/apis"):
                groups.setdefault(item.group, {}).setdefault(item.version, []).append(item.aggregated())
        if "APIGroupDiscoveryList" in (self.headers.get("Accept") or ""):
            return self.answer(200, {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": _aggregated(groups)})
        if path == "/api":
            return self.answer(200, {"kind": "APIVersions", "versions": ["v1"]})
        shown = []
        for group, versions in groups.items():
            names = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
            shown.append({"name": group, "versions": names, "preferredVersion": names[0]})
        return self.answer(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": shown})

    def do_GET(self):
        self.handle_one("GET")

    def do_POST(self):
        self.handle_one("POST")

    def do_PUT(self):
        self.handle_one("PUT")

    def do_PATCH(self):
        self.handle_one("PATCH")

    def do_DELETE(self):
        self.handle_one("DELETE")


def _aggregated(groups):
    """The items of an APIGroupDiscoveryList."""
    shown = []
    for group, versions in groups.items():
        listed = [{"version": version, "freshness": "Current", "resources": members} for version, members in versions.items()]
        shown.append({"metadata": {"name": group} if group else {}, "versions": listed})
    return shown


def _wrong(kind, live, new):
    """Why a changed object is refused, or the empty string."""
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        return f"{kind.kind} is not an object"
    for item in ("name", "namespace"):
        if (new["metadata"].get(item) or "") != (live["metadata"].get(item) or ""):
            return f"the {item} of the object does not match the URL"
    if (new.get("kind"), new.get("apiVersion")) != (live["kind"], live["apiVersion"]):
        return "the kind of the object does not match the URL"
    if not isinstance(new.get("spec", {}), dict):
        return f"{kind.kind} in version {kind.api_version} cannot be handled: spec is not an object"
    return ""


def _place(api, path):
    found = re.fullmatch(r"/(?:api/(v1)|apis/([^/]+/[^/]+))/namespaces/([^/]+)/([a-z]+)(?:/([^/]+))?", path)
    if found:
        version, namespace, word, name = found[1] or found[2], unquote(found[3]), found[4], unquote(found[5] or "")
    else:
        found = re.fullmatch(r"/(?:api/(v1)|apis/([^/]+/[^/]+))/([a-z]+)(?:/([^/]+))?", path)
        if not found:
            return None
        version, namespace, word, name = found[1] or found[2], "", found[3], unquote(found[4] or "")
    kind = next((item for item in api.kinds.values() if item.api_version == version and item.plural == word), None)
    return None if kind is None else (kind, namespace, name)


def _selected(item, selector):
    labels = item["metadata"].get("labels") or {}
    return all(_fits(labels, term.strip()) for term in re.split(r",(?![^(]*\))", selector) if term.strip())


def _fits(labels, term):
    inside = re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", term)
    if inside:
        return (labels.get(inside[1]) in [value.strip() for value in inside[3].split(",")]) == (inside[2] == "in")
    if "!=" in term:
        name, _sign, value = term.partition("!=")
        return labels.get(name.strip()) != value.strip()
    if "=" in term:
        name, _sign, value = term.replace("==", "=").partition("=")
        return labels.get(name.strip()) == value.strip()
    return term[1:] not in labels if term.startswith("!") else term in labels


def status(code, message, reason=""):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}


# Faults -----------------------------------------------------------------------------------------------------------------


def refusal(code, message="etcdserver: leader changed", reason="", headers=None):
    def action(handler, _request):
        handler.refuse(code, message, reason, headers)

    return action


def text(data, code=200, headers=None, content_type="application/json"):
    def action(handler, _request):
        handler.answer(code, data if isinstance(data, bytes) else data.encode(), headers, content_type)

    return action


def reset(handler, _request):
    """Close the connection with a reset, without an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def lost(handler, request):
    """Do what is asked, and lose the answer on the way."""
    query = {name: values[-1] for name, values in parse_qs(request.query).items()}
    real = handler.answer
    handler.answer = lambda *_args, **_more: None
    with handler.api.lock:
        handler._serve(handler.api, request, query)
    handler.answer = real
    reset(handler, request)


def wait(seconds):
    def action(_handler, _request):
        time.sleep(seconds)
        return "go on"

    return action
