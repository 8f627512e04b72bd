# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a folder of manifests instead of a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import ManifestError, MissingLibrary
from .files import ENDINGS, manifest_files, text_of
from .json_text import from_json
from .objects import Obj, dig, identity_of, kind_key, ref_of
from .reading import is_name, readable_object
from .shapes import Shape
from .snapshot import Snapshot, Source
from .spelling import about_unknown_fields, is_template, slip_in, unknown_fields
from .tables import TABLE
from .yaml_text import YamlProblem, yaml_documents

try:
    import yaml
except ImportError:  # said by read_manifests, where it is needed
    yaml = None  # type: ignore[assignment]

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
RENDER_FIRST = "A template has to be rendered first (helm template, kustomize build)."


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

    @property
    def where(self) -> str:
        """Where it stands, for people."""
        return f"{self.place}: document {self.number}"

    def error(self, message: str, hint: str = "") -> ManifestError:
        details = {"file": self.file, "document": self.number, "line": self.line}
        return ManifestError(f"{self.place}: document {self.number} {message}", hint, details=details)


def read_manifests(paths: Sequence[str], table: Mapping[str, Shape] = TABLE) -> Snapshot:
    """Read files and folders (recursively: ``*.yaml``, ``*.yml``, ``*.json``) into a snapshot that is not live.

    An object that does not have the types of ``table``, or that Kubernetes would not take as it is meant, is noted in its source.

    Raises :class:`ManifestError` where a path does not exist, a file is not YAML, an object has no apiVersion, kind or
    name, one object is there twice, or there is none at all; :class:`MissingLibrary` without PyYAML.
    """
    if yaml is None:
        raise MissingLibrary("PyYAML is not installed on the host that runs the module.", "Install it: pip install 'PyYAML>=6.0'.")
    documents = [item for file in manifest_files(paths) for item in _read_file(file)]
    objects = [item for document in documents for item in _unpack(document)]
    if not objects:
        raise ManifestError(
            f"No Kubernetes object was found in {', '.join(map(repr, paths)) or 'an empty list of manifests'}.",
            f"Name files, or folders that hold files ending in {', '.join(ENDINGS)}.",
        )
    scoped = CLUSTER_SCOPED | {kind for item in objects for kind in _cluster_scoped_by(item.content)}
    source = Source(live=False, server="manifests")
    return Snapshot(_readable(_without_duplicates(objects, scoped), source, table), source)


def _readable(documents: Iterable[_Document], source: Source, table: Mapping[str, Shape]) -> list[Obj]:
    objects = []
    for document in documents:
        obj = readable_object(document.content, source, table, document.where)
        if obj is None:
            continue
        objects.append(obj)
        ref, unknown = ref_of(obj), unknown_fields(obj, table)
        slip = slip_in(obj, table, unknown, document.where)
        if slip is not None:
            source.unreadable.setdefault(identity_of(ref), slip)
        elif identity_of(ref) not in source.unreadable:
            source.remarks.extend(about_unknown_fields(ref, unknown, document.where))
    return objects


def _read_file(file: str) -> Iterator[_Document]:
    text = text_of(file)
    return _read_json(file, text) if file.lower().endswith(".json") else _read_yaml(file, text)


def _read_json(file: str, text: str) -> Iterator[_Document]:
    # Not as YAML, of which JSON is a part in name only: indented by tabs it is none.
    try:
        yield _Document(file, 1, 1, from_json(text, _map_of))
    except ValueError as error:
        raise _Document(file, 1, getattr(error, "lineno", 1), None).error(f"is not valid JSON: {error}.") from error


def _map_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        key = next(key for key, dummy in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {key[:100]!r} is there twice; its second value is {str(made[key])[:100]!r}")
    return made


def _read_yaml(file: str, text: str) -> Iterator[_Document]:
    number = 1
    try:
        for number, (line, content) in enumerate(yaml_documents(text), 1):
            yield _Document(file, number, line, content)
    except YamlProblem as error:
        near = text.splitlines()[max(0, error.line - 3) : error.line + 1]
        hint = RENDER_FIRST if any("{{" in item for item in near) else ""
        raise _Document(file, error.document, error.line, None).error(f"is not valid YAML: {error.problem}.", hint) from error


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
            named = f" ({ref_of(content)})" if isinstance(content.get("kind"), str) else ""
            raise document.error(f"has {found} in {'.'.join(path)}{named}, where a text is needed.")
    for field in ("name", "namespace"):
        name = content["metadata"].get(field) or "default"
        if isinstance(name, str) and not is_name(name):
            hint = RENDER_FIRST if is_template(name) else ""
            raise document.error(f"has {name[:300]!r} in metadata.{field} ({content['kind']}), which cannot be a name.", hint)
    yield document


def _words(content: Any) -> str:
    return {list: "list", str: "text", int: "number", float: "number", bool: "truth value"}.get(type(content), "value")


def _cluster_scoped_by(content: Obj) -> Iterator[str]:
    if content.get("kind") == "CustomResourceDefinition" and dig(content, "spec", "scope") == "Cluster":
        yield f"{dig(content, 'spec', 'names', 'kind')}.{dig(content, 'spec', 'group')}"


def _without_duplicates(documents: Iterable[_Document], scoped: frozenset[str]) -> Iterator[_Document]:
    seen: dict[tuple[str, str, str], _Document] = {}
    for document in documents:
        obj = _with_namespace(document.content, scoped)
        ref = ref_of(obj)
        key = identity_of(ref)
        earlier = seen.setdefault(key, document)
        if earlier is not document:
            raise document.error(f"is {ref}, which is already at {earlier.place}.", "Keep one of the two.")
        yield replace(document, content=obj)


def _with_namespace(obj: Obj, scoped: frozenset[str]) -> Obj:
    if kind_key(obj["apiVersion"], obj["kind"]) in scoped:
        return obj
    if dig(obj, "metadata", "namespace", default=""):
        return obj
    return {**obj, "metadata": {**obj["metadata"], "namespace": DEFAULT_NAMESPACE}}
