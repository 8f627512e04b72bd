# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thin client for the Kubernetes API: plain dictionaries, one request for what takes one request.

Kinds are named by their kind key (:func:`kube.objects.kind_key`), objects by :class:`core.model.ObjectRef`. Every error is
one of ``errors``, with a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from ...core.errors import ApiError, Gone, NotFound
from ...core.model import ObjectRef
from ..json_text import from_json
from ..objects import Obj, kind_key, ref_of
from . import answers
from . import connection as api_connection
from . import errors as api_errors
from . import exec as api_exec
from . import portforward as api_portforward
from .answers import ApiKind, NoAnswer
from .channels import Bounds

PAGE = 500
FIELD_MANAGER = "meshlb.istio"
_FORMS = ("apidiscovery.k8s.io;v=v2", "apidiscovery.k8s.io;v=v2beta1")
AGGREGATED = ",".join([*(f"application/json;g={form};as=APIGroupDiscoveryList" for form in _FORMS), "application/json"])
_RESTARTS = 3
MOST_EMPTY_PAGES = 100
"""More than these are no list that will end."""
T = TypeVar("T")
# Inside the client, "list" is a method.
Objects = list[Obj]
Operations = list[dict[str, Any]]
Words = list[str]
Kinds = list[ApiKind]


class Requests(Protocol):
    """What the client needs of a transport (:class:`kube.client.connection.HttpTransport`)."""

    server: str
    context: str

    @property
    def unsafe(self) -> str: ...

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
    def unsafe(self) -> str:
        """Why nobody can be sure to speak to this server, and alone, as a clause; empty where that is certain."""
        return self._transport.unsafe

    @property
    def context(self) -> str:
        """The kubeconfig's context that was chosen, empty where none was used."""
        return self._transport.context

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
        action = "discover the core API"
        answer = self._json("GET", "/api", action, Accept=AGGREGATED)
        if answer.get("kind") == answers.GROUPS_AND_KINDS:
            return self._believed(action, lambda: answers.aggregated_kinds(answer))
        return self._plain_kinds("/api/v1", action)

    def _discover_groups(self, groups: set[str] | None) -> Kinds:
        action = "discover the API groups"
        answer = self._json("GET", "/apis", action, Accept=AGGREGATED)
        if answer.get("kind") == answers.GROUPS_AND_KINDS:
            return self._believed(action, lambda: answers.aggregated_kinds(answer))
        versions = self._believed(action, lambda: answers.versions_of_groups(answer, groups))
        return [kind for version in versions for kind in self._plain_kinds(f"/apis/{version}", f"discover {version}")]

    def _plain_kinds(self, path: str, action: str) -> Kinds:
        answer = self._json("GET", path, action)
        return self._believed(action, lambda: answers.plain_kinds(answer))

    def _believed(self, action: str, read: Callable[[], T]) -> T:
        """What is read out of an answer. Raises :class:`core.errors.ApiError` where it is something else than was asked for."""
        try:
            return read()
        except NoAnswer as error:
            raise _no_api(self.server, action, f"it answers with {error}") from error

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
        token, seen = "", {""}
        while True:
            query = [("limit", str(limit))] if limit else []
            query += [("continue", token)] if token else []
            answer = self._json("GET", kind.path(namespace=namespace), action, query=query, kind=kind.key)
            items, token = self._believed(action, partial(answers.page_of, answer, kind))
            found += items
            if not token:
                return found
            first = str(items[0]["metadata"].get("uid") or "") if items else ""
            if token in seen or (first and first in seen) or len(seen) > len(found) + MOST_EMPTY_PAGES:
                raise _no_api(self.server, action, "its list gives the same page again, or never ends")
            seen |= {token, first}

    def get(self, ref: ObjectRef) -> Obj:
        """One object as it is now. Raises :class:`core.errors.NotFound`."""
        answer = self._json("GET", self._path(ref), f"read {ref}", ref=ref)
        if not isinstance(answer.get("metadata"), dict):
            raise _no_api(self.server, f"read {ref}", f"it answers with {answers.described(answer)} without metadata")
        return answers.complete(answer, ref.api_version, ref.kind)

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

    def exec(self, namespace: str, pod: str, container: str, command: Words, bounds: Bounds) -> str:
        """Run a command in a container and give what it printed; see :func:`kube.client.exec.run`."""
        return api_exec.run(self._transport, namespace, pod, container, command, bounds)

    def get_from_pod(self, namespace: str, pod: str, port: int, path: str, bounds: Bounds) -> str:
        """The answer to a GET request at a port inside a pod; see :func:`kube.client.portforward.get`."""
        return api_portforward.get(self._transport, namespace, pod, port, path, bounds)

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
        kind: str = "",
        **headers: str,
    ) -> Obj:
        body = None if content is None else json.dumps(content).encode()
        headers = {"Accept": "application/json", **({"Content_Type": "application/json"} if body else {}), **headers}
        status, data = self._transport.request(method, path, query, body, **headers)
        if status >= 400:
            raise api_errors.refusal(status, data.decode("utf-8", "replace"), action, self.server, ref, kind)
        try:
            answer = from_json(data.decode())
        except ValueError as error:
            raise _no_api(self.server, action, "its answer is no JSON", ref) from error
        if not isinstance(answer, dict):
            raise _no_api(self.server, action, f"it answers with {answers.described(answer)}", ref)
        return answer


def _no_api(server: str, action: str, why: str, ref: ObjectRef | None = None) -> ApiError:
    hint = "Is there a login page or a proxy at this address?"
    return ApiError(f"{server} does not answer as a Kubernetes API server ({action}): {why}.", hint, ref)


def open_api(params: Mapping[str, Any], workers: int = 8) -> Api:
    """A client from a module's parameters; see :func:`kube.client.connection.connect`."""
    return Api(api_connection.connect(params, workers))


def _write_query(dry_run: bool) -> list[tuple[str, str]]:
    return [("fieldManager", FIELD_MANAGER), *([("dryRun", "All")] if dry_run else [])]
