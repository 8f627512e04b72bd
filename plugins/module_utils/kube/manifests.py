# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a folder of manifests instead of a cluster."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import ManifestError, MissingLibrary
from .objects import Obj, dig, identity_of, kind_key, ref_of
from .snapshot import Snapshot, Source

try:
    import yaml
except ImportError:  # said by read_manifests, where it is needed
    yaml = None  # type: ignore[assignment]

ENDINGS = (".yaml", ".yml", ".json")
SKIPPED = frozenset({"kustomization.yaml", "kustomization.yml"})
DEFAULT_NAMESPACE = "default"
CLUSTER_SCOPED = frozenset(
    """APIService.apiregistration.k8s.io CertificateSigningRequest.certificates.k8s.io ClusterIssuer.cert-manager.io
    ClusterRole.rbac.authorization.k8s.io ClusterRoleBinding.rbac.authorization.k8s.io CSIDriver.storage.k8s.io
    CustomResourceDefinition.apiextensions.k8s.io FlowSchema.flowcontrol.apiserver.k8s.io
    GatewayClass.gateway.networking.k8s.io IngressClass.networking.k8s.io
    MutatingWebhookConfiguration.admissionregistration.k8s.io Namespace Node PersistentVolume
    PriorityClass.scheduling.k8s.io PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io RuntimeClass.node.k8s.io
    StorageClass.storage.k8s.io ValidatingAdmissionPolicy.admissionregistration.k8s.io
    ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io
    ValidatingWebhookConfiguration.admissionregistration.k8s.io""".split()
)
"""Kinds known to have no namespace; of other kinds the CustomResourceDefinitions in the same manifests say."""


@dataclass(frozen=True)
class _Document:
    """One object and where it stands: file, number of the document in it (from 1) and line (from 1)."""

    file: str
    number: int
    line: int
    content: Any

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    def error(self, message: str, hint: str = "") -> ManifestError:
        details = {"file": self.file, "document": self.number, "line": self.line}
        return ManifestError(f"{self.place}: document {self.number} {message}", hint, details=details)


def read_manifests(paths: Sequence[str]) -> Snapshot:
    """Read files and folders (recursively: ``*.yaml``, ``*.yml``, ``*.json``) into a snapshot that is not live.

    Raises :class:`ManifestError` where a path does not exist, a file is not YAML, an object has no apiVersion, kind or
    name, one object is there twice, or there is none at all; :class:`MissingLibrary` without PyYAML.
    """
    if yaml is None:
        raise MissingLibrary("PyYAML is not installed on the host that runs the module.", "Install it: pip install 'PyYAML>=6.0'.")
    documents = [item for file in _files(paths) for item in _read_file(file)]
    objects = [item for document in documents for item in _unpack(document)]
    if not objects:
        raise ManifestError(
            f"No Kubernetes object was found in {', '.join(map(repr, paths)) or 'an empty list of manifests'}.",
            f"Name files, or folders that hold files ending in {', '.join(ENDINGS)}.",
        )
    scoped = CLUSTER_SCOPED | {kind for item in objects for kind in _cluster_scoped_by(item.content)}
    return Snapshot(_without_duplicates(objects, scoped), Source(live=False, server="manifests"))


def _files(paths: Sequence[str]) -> Iterator[str]:
    seen: set[str] = set()
    for path in paths:
        for file in _files_of(path):
            if os.path.realpath(file) not in seen:
                seen.add(os.path.realpath(file))
                yield file


def _files_of(path: str) -> Iterator[str]:
    if os.path.isfile(path):
        yield path
        return
    if not os.path.isdir(path):
        raise ManifestError(f"There is no file or folder {path!r}.", "Correct the path in the manifests option.")
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            if name.endswith(ENDINGS) and name not in SKIPPED:
                yield os.path.join(folder, name)


@functools.cache
def _loader_class() -> Any:
    """A safe loader that reads scalars as Kubernetes does: neither timestamps nor ``=`` mean anything special."""
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    special = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
    resolvers = {
        first: [(tag, expression) for tag, expression in found if tag not in special]
        for first, found in base.yaml_implicit_resolvers.items()
    }
    return type("KubernetesLoader", (base,), {"yaml_implicit_resolvers": resolvers})


def _read_file(file: str) -> Iterator[_Document]:
    try:
        with open(file, encoding="utf-8-sig") as stream:
            text = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file} cannot be read: {error}.") from error
    return _read_json(file, text) if file.endswith(".json") else _read_yaml(file, text)


def _read_json(file: str, text: str) -> Iterator[_Document]:
    # Not as YAML, of which JSON is a part in name only: indented by tabs it is none.
    try:
        yield _Document(file, 1, 1, json.loads(text))
    except ValueError as error:
        raise _Document(file, 1, getattr(error, "lineno", 1), None).error(f"is not valid JSON: {error}.") from error


def _read_yaml(file: str, text: str) -> Iterator[_Document]:
    number, loader = 1, None
    try:
        loader = _loader_class()(text)
        while loader.check_node():
            node = loader.get_node()
            yield _Document(file, number, node.start_mark.line + 1, loader.construct_document(node))
            number += 1
    except yaml.YAMLError as error:
        raise _syntax_error(file, text, number, error) from error
    finally:
        if loader is not None:
            loader.dispose()


def _syntax_error(file: str, text: str, number: int, error: Exception) -> ManifestError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else 1
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    template = any("{{" in item for item in text.splitlines()[max(0, line - 3) : line + 1])
    hint = "A template has to be rendered first (helm template, kustomize build)." if template else ""
    return _Document(file, number, line, None).error(f"is not valid YAML: {problem}.", hint)


def _unpack(document: _Document) -> Iterator[_Document]:
    content = document.content
    if content is None:
        return  # an empty document, as templates leave them behind
    if not isinstance(content, dict):
        raise document.error(f"is a {_words(content)}, not a Kubernetes object (a map).")
    items = content.get("items")
    if str(content.get("kind", "")).endswith("List") and isinstance(items, list):
        kind, version = str(content["kind"])[: -len("List")], content.get("apiVersion")
        for item in items:
            # Items of a typed list may leave out what the list says.
            filled = {"apiVersion": version, "kind": kind, **item} if kind and isinstance(item, dict) else item
            yield from _unpack(_Document(document.file, document.number, document.line, filled))
        return
    for path in (("apiVersion",), ("kind",), ("metadata", "name")):
        value = dig(content, *path)
        if not isinstance(value, str) or not value:
            found = f"{value!r}" if value is not None else "nothing"
            named = f" ({ref_of(content)})" if content.get("kind") else ""
            raise document.error(f"has {found} in {'.'.join(path)}{named}, where a text is needed.")
    yield document


def _words(content: Any) -> str:
    return {list: "list", str: "text", int: "number", float: "number", bool: "truth value"}.get(type(content), "value")


def _cluster_scoped_by(content: Obj) -> Iterator[str]:
    if content.get("kind") == "CustomResourceDefinition" and dig(content, "spec", "scope") == "Cluster":
        yield f"{dig(content, 'spec', 'names', 'kind')}.{dig(content, 'spec', 'group')}"


def _without_duplicates(documents: Iterable[_Document], scoped: frozenset[str]) -> list[Obj]:
    seen: dict[tuple[str, str, str], _Document] = {}
    objects = []
    for document in documents:
        obj = _with_namespace(document.content, scoped)
        ref = ref_of(obj)
        key = identity_of(ref)
        earlier = seen.setdefault(key, document)
        if earlier is not document:
            raise document.error(f"is {ref}, which is already at {earlier.place}.", "Keep one of the two.")
        objects.append(obj)
    return objects


def _with_namespace(obj: Obj, scoped: frozenset[str]) -> Obj:
    if kind_key(obj["apiVersion"], obj["kind"]) in scoped:
        return obj
    if dig(obj, "metadata", "namespace", default=""):
        return obj
    return {**obj, "metadata": {**obj["metadata"], "namespace": DEFAULT_NAMESPACE}}
