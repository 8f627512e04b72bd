# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a folder of manifests instead of a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import ManifestError, MissingLibrary
from ..core.findings import finding
from ..core.model import Finding
from ..core.printable import listed
from .default_class import with_default_class
from .files import ENDINGS, manifest_files, text_of
from .json_text import from_json
from .objects import Obj, dig, identity_of, kind_key, kind_key_of, ref_of
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
    PriorityClass.scheduling.k8s.io PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io
    ProxyClass.tailscale.com ProxyGroup.tailscale.com RuntimeClass.node.k8s.io StorageClass.storage.k8s.io
    ValidatingAdmissionPolicy.admissionregistration.k8s.io
    ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io
    ValidatingWebhookConfiguration.admissionregistration.k8s.io""".split()
)
"""Kinds known to have no namespace; of other kinds the CustomResourceDefinitions in the same manifests say."""
RENDER_FIRST = "A template has to be rendered first (helm template, kustomize build)."
_SHOWN = 20
"""Files and objects that one finding names."""


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


def read_manifests(paths: Sequence[str], table: Mapping[str, Shape] = TABLE, default_namespace: str = "") -> Snapshot:
    """Read files and folders (recursively: ``*.yaml``, ``*.yml``, ``*.json``) into a snapshot that is not live.

    An object that does not have the types of ``table``, or that Kubernetes would not take as it is meant, is noted in its source, and
    so are files that hold no object. Objects without a namespace are taken to be in ``default_namespace``, or else in ``default``.

    Raises :class:`ManifestError` where a path does not exist, a file is neither YAML nor a template, an object of a kind of
    ``table`` has no apiVersion, kind or name, one object is there in two forms, or there is none at all; :class:`MissingLibrary`
    without PyYAML.
    """
    if yaml is None:
        raise MissingLibrary("PyYAML is not installed on the host that runs the module.", "Install it: pip install 'PyYAML>=6.0'.")
    left: list[_LeftOut] = []
    documents = [item for file in manifest_files(paths) for item in _read_file(file, left)]
    objects = [item for document in documents for item in _unpack(document, table, left)]
    with_objects = {item.file for item in objects}
    for item in left:
        if not isinstance(item.document.content, (dict, type(None))) and item.document.file in with_objects:
            raise item.document.error(f"{item.why}.")
    if not objects:
        first = f"; {left[0].document.where} {left[0].why}" if left else ""
        raise ManifestError(
            f"No Kubernetes object was found in {', '.join(map(repr, paths)) or 'an empty list of manifests'}{first}.",
            RENDER_FIRST if any(item.is_template for item in left)
            else f"Name files, or folders that hold files ending in {', '.join(ENDINGS)}.",
        )
    scoped = CLUSTER_SCOPED | {kind for item in objects for kind in _cluster_scoped_by(item.content)}
    source = Source(live=False, server="manifests")
    source.remarks.extend(_about_left_out(left))
    if not default_namespace:
        source.remarks.extend(_about_no_namespace(objects, scoped, table))
    named = (replace(item, content=_with_namespace(item.content, scoped, default_namespace or DEFAULT_NAMESPACE)) for item in objects)
    return Snapshot(with_default_class(_readable(_without_duplicates(named, source), source, table), source), source)


@dataclass(frozen=True)
class _LeftOut:
    """A document that is no object, with the reason as a clause. ``is_template``: it holds one, before it was rendered."""

    document: _Document
    why: str
    is_template: bool = False


def _about_left_out(left: Iterable[_LeftOut]) -> Iterator[Finding]:
    """What was left out, because it is no object: each template by itself, all others together."""
    others: dict[str, str] = {}
    for item in left:
        if item.is_template:
            yield finding("MLB117", f"{item.document.where} {item.why}", details={"file": item.document.file})
        else:
            others.setdefault(item.document.place, item.why)
    if others:
        message = f"{len(others)} document(s) are no Kubernetes objects and were left out: {listed(others, _SHOWN)}"
        yield finding("MLB150", message, details={"documents": [f"{place}: {why}" for place, why in others.items()]})


def _about_no_namespace(objects: Iterable[_Document], scoped: frozenset[str], table: Mapping[str, Shape]) -> Iterator[Finding]:
    kinds = table.keys() - scoped
    found = [item for item in objects if kind_key_of(item.content) in kinds and not dig(item.content, "metadata", "namespace", default="")]
    if found:
        named = listed([f"{item.content['kind']} {item.content['metadata']['name']}" for item in found], _SHOWN)
        message = f"{len(found)} object(s) have no metadata.namespace and are taken to be in namespace {DEFAULT_NAMESPACE}: {named}"
        yield finding("MLB151", message, details={"places": [item.place for item in found[:_SHOWN]]})


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


def _read_file(file: str, left: list[_LeftOut]) -> list[_Document]:
    text = text_of(file)
    try:
        return list(_read_json(file, text) if file.lower().endswith(".json") else _read_yaml(file, text))
    except _NotParsed as error:
        if not _is_unrendered(text, error.document.line):
            raise error.document.error(error.problem) from error
        left.append(_LeftOut(error.document, f"holds a template's expression, and {error.problem.removesuffix('.')}", is_template=True))
        return []


def _is_unrendered(text: str, line: int) -> bool:
    """Whether a text that cannot be parsed from a line on is a template: a line begins with an expression, or one is near."""
    lines = text.splitlines()
    return any(item.lstrip().startswith("{{") for item in lines) or any("{{" in item for item in lines[max(0, line - 3) : line + 1])


class _NotParsed(Exception):
    """A document that no parser takes."""

    def __init__(self, document: _Document, problem: str) -> None:
        super().__init__(problem)
        self.document = document
        self.problem = problem


def _read_json(file: str, text: str) -> Iterator[_Document]:
    # Not as YAML, of which JSON is a part in name only: indented by tabs it is none.
    try:
        yield _Document(file, 1, 1, from_json(text, _map_of))
    except ValueError as error:
        raise _NotParsed(_Document(file, 1, getattr(error, "lineno", 1), None), f"is not valid JSON: {error}.") from error


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
        raise _NotParsed(_Document(file, error.document, error.line, None), f"is not valid YAML: {error.problem}.") from error


def _unpack(document: _Document, table: Mapping[str, Shape], left: list[_LeftOut]) -> Iterator[_Document]:
    content = document.content
    if content is None:
        return  # an empty document, as templates leave them behind
    if not isinstance(content, dict):
        left.append(_LeftOut(document, f"is a {_words(content)}, not a Kubernetes object (a map)"))
        return
    items = content.get("items")
    if str(content.get("kind", "")).endswith("List") and isinstance(items, list):
        kind, version = str(content["kind"])[: -len("List")], content.get("apiVersion")
        for item in items:
            # Items of a typed list may leave out what the list says.
            filled = {"apiVersion": version, "kind": kind, **item} if kind and isinstance(item, dict) else item
            yield from _unpack(replace(document, content=filled), table, left)
        return
    named = _named(document)
    fault = _fault_in(named.content)
    if not fault:
        yield named
    elif is_template(fault):
        left.append(_LeftOut(document, fault, is_template=True))
    elif _means_a_kind(content, table):
        raise document.error(f"{fault}.")
    else:
        left.append(_LeftOut(document, fault))


def _named(document: _Document) -> _Document:
    """An object with the name that it will get: what the API server makes of ``generateName`` begins so."""
    metadata = dig(document.content, "metadata", default={})
    begin = metadata.get("generateName") if isinstance(metadata, dict) and not metadata.get("name") else None
    if not isinstance(begin, str) or not begin:
        return document
    # The place makes the name one that no other object has, as the API server's letters do.
    return replace(document, content={**document.content, "metadata": {**metadata, "name": f"{begin}{document.number}-{document.line}"}})


def _fault_in(content: Obj) -> str:
    """Why a map is no object that could be created, as a clause; empty where it is one."""
    for path in (("apiVersion",), ("kind",), ("metadata", "name")):
        value = dig(content, *path)
        if not isinstance(value, str) or not value:
            found = f"{value!r}" if value is not None else "nothing"
            named = f" ({ref_of(content)})" if isinstance(content.get("kind"), str) else ""
            return f"has {found} in {'.'.join(path)}{named}, where a text is needed"
    for field in ("name", "namespace"):
        name = content["metadata"].get(field) or "default"
        if isinstance(name, str) and not is_name(name):
            return f"has {name[:300]!r} in metadata.{field} ({content['kind']}), which cannot be a name"
    return ""


def _means_a_kind(content: Obj, table: Mapping[str, Shape]) -> bool:
    """Whether a map is meant to be an object of a kind that is read: nobody may overlook what is wrong with it."""
    kind = content.get("kind")
    if isinstance(content.get("apiVersion"), str):
        return kind_key_of(content) in table
    return isinstance(kind, str) and kind in {key.partition(".")[0] for key in table}


def _words(content: Any) -> str:
    return {list: "list", str: "text", int: "number", float: "number", bool: "truth value"}.get(type(content), "value")


def _cluster_scoped_by(content: Obj) -> Iterator[str]:
    if content.get("kind") == "CustomResourceDefinition" and dig(content, "spec", "scope") == "Cluster":
        yield f"{dig(content, 'spec', 'names', 'kind')}.{dig(content, 'spec', 'group')}"


def _without_duplicates(documents: Iterable[_Document], source: Source) -> Iterator[_Document]:
    """Each object once. What is there twice and alike is noted; raises :class:`ManifestError` where two differ."""
    seen: dict[tuple[str, str, str], _Document] = {}
    again: list[str] = []
    for document in documents:
        ref = ref_of(document.content)
        earlier = seen.setdefault(identity_of(ref), document)
        if earlier is document:
            yield document
        elif earlier.content == document.content:
            again.append(f"{ref} ({earlier.place}, {document.place})")
        else:
            raise document.error(f"is {ref}, which is already at {earlier.place}, and differs.", "Keep one of the two.")
    if again:
        message = f"{len(again)} object(s) are there more than once and alike, and count once: {listed(again, _SHOWN)}"
        source.remarks.append(finding("MLB152", message, details={"places": again}))


def _with_namespace(obj: Obj, scoped: frozenset[str], namespace: str) -> Obj:
    if kind_key(obj["apiVersion"], obj["kind"]) in scoped:
        return obj
    if dig(obj, "metadata", "namespace", default=""):
        return obj
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}
