# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thin client for the Kubernetes API: plain dictionaries, one request for what takes one request.

Kinds are named by their kind key (:func:`kube.objects.kind_key`), objects by :class:`core.model.ObjectRef`. Every error is
one of ``errors``, with a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from ...core.errors import ApiError, Gone, NotFound
from ...core.model import ObjectRef
from ..objects import Obj, kind_key, ref_of
from . import connection as api_connection
from . import errors as api_errors
from . import exec as api_exec

PAGE = 500
FIELD_MANAGER = "meshlb.istio"
_FORMS = ("apidiscovery.k8s.io;v=v2", "apidiscovery.k8s.io;v=v2beta1")
AGGREGATED = ",".join([*(f"application/json;g={form};as=APIGroupDiscoveryList" for form in _FORMS), "application/json"])
_RESTARTS = 3
# Inside the client, "list" is a method.
Objects = list[Obj]
Operations = list[dict[str, Any]]
Words = list[str]


@dataclass(frozen=True)
class ApiKind:
    """Where the API serves a kind: ``api_version`` is the server's preferred one that has it."""

    key: str
    kind: str
    api_version: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    def path(self, api_version: str = "", namespace: str = "", name: str = "") -> str:
        """The URL path of the collection, or of one object in it."""
        version = api_version or self.api_version
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        middle = f"/namespaces/{quote(namespace)}" if namespace and self.namespaced else ""
        return f"{root}{middle}/{self.plural}" + (f"/{quote(name, safe=':')}" if name else "")


Kinds = list[ApiKind]


class Requests(Protocol):
    """What the client needs of a transport (:class:`kube.client.connection.HttpTransport`)."""

    server: str

    @property
    def server_time(self) -> float | None: ...

    def request(
        self, method: str, path: str, query: Iterable[tuple[str, str]] = (), body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]: ...


class Api:
    """The client. Threads may share it once :meth:`discover` has run."""

    def __init__(self, transport: Requests) -> None:
        self._transport = transport
        self._kinds: dict[str, ApiKind] | None = None

    @property
    def server(self) -> str:
        return self._transport.server

    @property
    def server_time(self) -> float | None:
        """The time by the server's clock, in seconds since 1970; ``None`` while it has not said."""
        return self._transport.server_time

    def discover(self, groups: Iterable[str] | None = None) -> dict[str, ApiKind]:
        """What the API serves, by kind key: two requests, once.

        A server that is too old to tell everything at once is asked per API group; ``groups`` limits it to these.
        """
        if self._kinds is None:
            found = [*self._discover_core(), *self._discover_groups(set(groups) if groups is not None else None)]
            # The first of a kind is in the version that the server prefers.
            self._kinds = {item.key: item for item in reversed(found)}
        return self._kinds

    def _discover_core(self) -> Kinds:
        answer = self._json("GET", "/api", "discover the core API", Accept=AGGREGATED)
        if answer.get("kind") == "APIGroupDiscoveryList":
            return aggregated_kinds(answer)
        return plain_kinds(self._json("GET", "/api/v1", "discover the core API"))

    def _discover_groups(self, groups: set[str] | None) -> Kinds:
        answer = self._json("GET", "/apis", "discover the API groups", Accept=AGGREGATED)
        if answer.get("kind") == "APIGroupDiscoveryList":
            return aggregated_kinds(answer)
        found = []
        for group in answer.get("groups") or []:
            if groups is not None and group["name"] not in groups:
                continue
            preferred = group.get("preferredVersion", {}).get("groupVersion")
            versions = sorted((item["groupVersion"] for item in group["versions"]), key=lambda item: item != preferred)
            for version in versions:
                found += plain_kinds(self._json("GET", f"/apis/{version}", f"discover {version}"))
        return found

    def kind(self, key: str) -> ApiKind:
        """Where a kind is served. Raises :class:`core.errors.NotFound` where it is not."""
        found = self.discover().get(key)
        if found is None:
            hint = "Install what defines it, or point the module at another cluster."
            raise NotFound(f"The API server {self.server} has no kind {key}.", hint)
        return found

    def list(self, key: str, namespace: str = "") -> Objects:
        """All objects of a kind (in one namespace), read in pages, without ``metadata.managedFields``."""
        kind = self.kind(key)
        action = f"list {key}" + (f" in namespace {namespace}" if namespace else "")
        for attempt in range(_RESTARTS + 1):
            try:
                # The last attempt is a single page: a token that keeps expiring never gets to the end.
                return self._pages(kind, namespace, action, PAGE if attempt < _RESTARTS else 0)
            except Gone:
                if attempt == _RESTARTS:
                    raise
        return []

    def _pages(self, kind: ApiKind, namespace: str, action: str, limit: int) -> Objects:
        found: Objects = []
        token = ""
        while True:
            query = [("limit", str(limit))] if limit else []
            query += [("continue", token)] if token else []
            answer = self._json("GET", kind.path(namespace=namespace), action, query=query)
            version = str(answer.get("apiVersion") or kind.api_version)
            found += [_complete(item, version, kind.kind) for item in answer.get("items") or []]
            token = str((answer.get("metadata") or {}).get("continue") or "")
            if not token:
                return found

    def get(self, ref: ObjectRef) -> Obj:
        """One object as it is now. Raises :class:`core.errors.NotFound`."""
        answer = self._json("GET", self._path(ref), f"read {ref}", ref=ref)
        return _complete(answer, ref.api_version, ref.kind)

    def create(self, body: Obj, dry_run: bool = False) -> Obj:
        """Create an object. Raises :class:`core.errors.Conflict` where its name is taken."""
        ref = ref_of(body)
        path = self._path(ObjectRef(ref.api_version, ref.kind, ref.namespace, ""))
        query = _write_query(dry_run)
        return self._json("POST", path, f"create {ref}", query=query, content=body, ref=ref)

    def json_patch(self, ref: ObjectRef, operations: Operations, dry_run: bool = False) -> Obj:
        """Apply a JSON Patch (RFC 6902). A ``test`` that fails is :class:`core.errors.Rejected`, as the API has it."""
        query = _write_query(dry_run)
        return self._json(
            "PATCH", self._path(ref), f"change {ref}", query=query, content=operations, ref=ref,
            Content_Type="application/json-patch+json",
        )

    def delete(self, ref: ObjectRef, resource_version: str = "", uid: str = "", dry_run: bool = False) -> None:
        """Delete an object, if it still is the one (and in the version) that was read; else :class:`core.errors.Conflict`."""
        preconditions = {"resourceVersion": resource_version, "uid": uid}
        options: Obj = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Background",
            "preconditions": {key: value for key, value in preconditions.items() if value},
        }
        if dry_run:
            # An API server looks at a deletion's query only where it has no body: said there alone, the rehearsal would be real.
            options["dryRun"] = ["All"]
        self._json("DELETE", self._path(ref), f"delete {ref}", content=options, ref=ref)

    def exec(self, namespace: str, pod: str, container: str, command: Words, timeout: float = 30.0) -> str:
        """Run a command in a container and give what it printed; see :func:`kube.client.exec.run`."""
        return api_exec.run(self._transport, namespace, pod, container, command, timeout)

    def _path(self, ref: ObjectRef) -> str:
        kind = self.kind(kind_key(ref.api_version, ref.kind))
        return kind.path(ref.api_version, ref.namespace, ref.name)

    def _json(
        self,
        method: str,
        path: str,
        action: str,
        query: Iterable[tuple[str, str]] = (),
        content: Any = None,
        ref: ObjectRef | None = None,
        **headers: str,
    ) -> Obj:
        body = None if content is None else json.dumps(content).encode()
        headers = {"Accept": "application/json", **({"Content_Type": "application/json"} if body else {}), **headers}
        status, data = self._transport.request(method, path, query, body, **headers)
        if status >= 400:
            raise api_errors.refusal(status, data.decode("utf-8", "replace"), action, self.server, ref)
        try:
            answer = json.loads(data)
        except ValueError as error:
            hint = "Is there a login page or a proxy at this address?"
            raise ApiError(f"{self.server} does not answer as a Kubernetes API server ({action}).", hint, ref) from error
        return dict(answer)


def open_api(params: Mapping[str, Any], workers: int = 8) -> Api:
    """A client from a module's parameters; see :func:`kube.client.connection.connect`."""
    return Api(api_connection.connect(params, workers))


def aggregated_kinds(answer: Obj) -> list[ApiKind]:
    """The kinds of an APIGroupDiscoveryList, in the server's order of preference."""
    found = []
    for group in answer.get("items") or []:
        name = str(group.get("metadata", {}).get("name") or "")
        for version in group.get("versions") or []:
            api_version = f"{name}/{version['version']}" if name else version["version"]
            for resource in version.get("resources") or []:
                kind = str((resource.get("responseKind") or {}).get("kind") or "")
                namespaced = resource.get("scope") == "Namespaced"
                if kind:
                    found.append(_kind(kind, api_version, resource["resource"], namespaced, resource.get("verbs")))
    return found


def plain_kinds(answer: Obj) -> list[ApiKind]:
    """The kinds of an APIResourceList."""
    version = str(answer.get("groupVersion") or "")
    return [
        _kind(item["kind"], version, item["name"], bool(item.get("namespaced")), item.get("verbs"))
        for item in answer.get("resources") or []
        if "/" not in item["name"]
    ]


def _kind(kind: str, api_version: str, plural: str, namespaced: bool, verbs: Any) -> ApiKind:
    return ApiKind(kind_key(api_version, kind), kind, api_version, plural, namespaced, frozenset(verbs or ()))


def _complete(item: Obj, api_version: str, kind: str) -> Obj:
    """Items of a list do not say what they are; who manages which field is long, and read by nobody here."""
    metadata = {key: value for key, value in (item.get("metadata") or {}).items() if key != "managedFields"}
    return {**item, "apiVersion": item.get("apiVersion") or api_version, "kind": item.get("kind") or kind, "metadata": metadata}


def _write_query(dry_run: bool) -> list[tuple[str, str]]:
    return [("fieldManager", FIELD_MANAGER), *([("dryRun", "All")] if dry_run else [])]
