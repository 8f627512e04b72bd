# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes as files, for clusters that are driven from git: objects to create, patches, and a kustomization around them."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..core.errors import MeshlbError, MissingLibrary
from ..core.model import ABSENT, Change, FieldChange, ObjectRef, replace
from ..kube.fields import NoContainer, put, resolve
from ..kube.objects import Obj, dig, kind_key, ref_of
from ..kube.reading import is_name, readable_object
from ..kube.snapshot import Source
from ..kube.yaml_text import YamlProblem, yaml_documents
from .folder import present_files, update_folder
from .writer import operations

try:
    import yaml
except ImportError:  # said by write_output, where it is needed
    yaml = None  # type: ignore[assignment]

HEADER = "# Written by the Ansible collection meshlb.istio. A later run may change or remove this file."
KUSTOMIZATION = "kustomization.yaml"
_KIND = re.compile(r"[a-z0-9]+(\.[a-z0-9.-]+)?")
_LONGEST = 200
"""Letters of a file's name; file systems take 255 bytes."""
_CUSTOM_GROUPS = frozenset({"gateway.networking.k8s.io", "policy.networking.k8s.io"})


def write_output(
    output_dir: str, changes: Sequence[Change], check_mode: bool = False, keep: Callable[[Obj], bool] = lambda obj: False
) -> tuple[bool, list[str]]:
    """Make the folder hold the changes, and nothing else of ours; gives whether it did not yet, and the files' names.

    A file of ours whose object is to be kept stays, whether a change is about it or not. Files of others are never touched, and links are
    neither followed nor written through. Raises :class:`core.errors.MeshlbError` where a file of somebody else has a name that is needed,
    an object has a name that no file can have, or the folder cannot be written; the kustomization then names no file that is not there.
    """
    if yaml is None:
        raise MissingLibrary("PyYAML is not installed on the host that runs the module.", "Install it: pip install 'PyYAML>=6.0'.")
    try:
        present = present_files(output_dir, HEADER)
        wanted = _rendered(changes, present, keep)
        _refuse_foreign(output_dir, wanted, present)
        stale = sorted(present.keys() - wanted.keys())
        fresh = {name: text for name, text in wanted.items() if present.get(name) != text}
        if not check_mode:
            update_folder(output_dir, fresh, stale, last=KUSTOMIZATION)
    except (OSError, UnicodeError) as error:
        raise MeshlbError(f"output_dir {output_dir!r} cannot be used: {error}.", "Name a folder that can be written.") from error
    return bool(fresh or stale), sorted(wanted)


def objects_in(output_dir: str) -> set[ObjectRef]:
    """The objects that files of ours in the folder are about."""
    present = present_files(output_dir, HEADER)
    contents = {name: _loaded(text) for name, text in present.items() if name != KUSTOMIZATION}
    return set(_refs_of(contents, present.get(KUSTOMIZATION, "")).values())


def applied(output_dir: str, view: Callable[[ObjectRef], Obj | None]) -> list[Obj]:
    """The objects that files of ours in the folder are about, as they are where the files were applied; ``view`` gives those without."""
    present = present_files(output_dir, HEADER)
    contents = {name: _loaded(text) for name, text in present.items() if name != KUSTOMIZATION}
    found: dict[ObjectRef, Obj] = {}
    for name, ref in _refs_of(contents, present.get(KUSTOMIZATION, "")).items():
        content, there = contents[name], found.get(ref) or view(ref)
        if not name.startswith(("patch.", "json-patch.")):
            found[ref] = _object_in(ref, content)
        elif there is not None:
            with contextlib.suppress(NoContainer):
                found[ref] = _merged(there, content) if isinstance(content, dict) else _operated(there, content)
    return list(found.values())


def _merged(node: Any, patch: Any) -> Any:
    """What a merge patch makes of a value."""
    if not isinstance(patch, dict):
        return patch
    base = node if isinstance(node, dict) else {}
    changed = {key: _merged(base.get(key), item) for key, item in patch.items() if item is not None}
    return {**{key: item for key, item in base.items() if key not in patch}, **changed}


def _operated(obj: Obj, operations: Any) -> Obj:
    for item in operations if isinstance(operations, list) else ():
        if dig(item, "op") in ("add", "replace", "remove"):
            value = item.get("value") if item["op"] != "remove" else ABSENT
            obj = put(obj, resolve(obj, str(dig(item, "path", default=""))), value)
    return obj


def _rendered(changes: Sequence[Change], present: Mapping[str, str], keep: Callable[[Obj], bool]) -> dict[str, str]:
    """The files by name, with those that stay as they are."""
    wanted = render(changes, bool(present))
    stale = {name: _loaded(text) for name, text in present.items() if name not in wanted and name != KUSTOMIZATION}
    refs = _refs_of(stale, present.get(KUSTOMIZATION, "")) if stale else {}
    kept = {name: ref for name, ref in refs.items() if keep(_object_in(ref, stale[name]))}
    return {**render(changes, True, kept), **{name: present[name] for name in kept}} if kept else wanted


def _refs_of(contents: Mapping[str, Any], kustomization: str) -> dict[str, ObjectRef]:
    """The object that each of these files is about; what somebody made unreadable is about none."""
    found = {name: ref_of(content) for name, content in contents.items() if isinstance(content, dict)}
    for entry in dig(_loaded(kustomization), "patches", default=[]):
        target = dig(entry, "target", default={})
        version = "/".join(filter(None, (str(dig(target, "group", default="")), str(dig(target, "version", default="")))))
        ref = ObjectRef(version, *(str(dig(target, key, default="")) for key in ("kind", "namespace", "name")))
        if ref.kind and dig(entry, "path") in contents:
            found[str(dig(entry, "path"))] = ref
    return found


def _object_in(ref: ObjectRef, content: Any) -> Obj:
    metadata = {"name": ref.name, "namespace": ref.namespace}
    whole = content if isinstance(content, dict) else {}
    return {**whole, "apiVersion": ref.api_version, "kind": ref.kind, "metadata": {**dig(whole, "metadata", default={}), **metadata}}


def _loaded(text: str) -> Any:
    """What a file holds, ``None`` for what is no YAML, and for an object without the fields that every object has."""
    try:
        found = next((content for dummy, content in yaml_documents(text)), None)
    except YamlProblem:
        return None
    if not isinstance(found, dict) or found.get("kind") == "Component":
        return found
    return readable_object(found, Source(live=False), {})


def render(changes: Sequence[Change], always: bool = True, kept: Mapping[str, ObjectRef] | None = None) -> dict[str, str]:
    """The files by name. No changes give an empty kustomization, or nothing unless ``always``. ``kept`` are files that it names besides."""
    ordered = sorted(changes, key=lambda item: item.sort_key)
    files = {name: (text, change.object) for change in ordered for name, text in _files_of(change)}
    if not files and not any(change.action == "delete" for change in ordered) and not always:
        return {}
    refs = {**{name: ref for name, (dummy, ref) in files.items()}, **(kept or {})}
    return {KUSTOMIZATION: _kustomization(ordered, refs), **{name: text for name, (text, dummy) in files.items()}}


def _files_of(change: Change) -> Iterator[tuple[str, str]]:
    if change.action == "create":
        yield f"{_stem(change.object)}.yaml", _text(change.body, change.why)
    elif change.action == "patch":
        by_position = [item for item in change.fields if _needs_position(change.object, item)]
        merged = [item for item in change.fields if item not in by_position]
        if merged:
            yield f"patch.{_stem(change.object)}.yaml", _text(_merge_patch(change.object, merged), change.why)
        if by_position:
            patch = operations(replace(change, fields=tuple(by_position)))
            yield f"json-patch.{_stem(change.object)}.yaml", _text(patch, change.why)


def _stem(ref: ObjectRef) -> str:
    kind = kind_key(ref.api_version, ref.kind).lower()
    if not (_KIND.fullmatch(kind) and is_name(ref.name) and is_name(ref.namespace or "default")):
        raise MeshlbError(f"{ref.kind!r} {ref.namespace!r}/{ref.name!r} has a name that no file can have.", "Correct its name.", ref)
    # An underscore is in no namespace and in no name, so two objects never share a file.
    stem = "_".join(filter(None, (kind, ref.namespace, ref.name)))
    return stem if len(stem) <= _LONGEST else f"{stem[:_LONGEST - 13]}-{hashlib.sha256(stem.encode()).hexdigest()[:12]}"


def _text(content: Any, *remarks: str) -> str:
    comments = "".join(f"# {line}\n" for remark in remarks for line in remark.splitlines())
    body = yaml.dump(content, Dumper=_dumper(), sort_keys=True, allow_unicode=True, width=1000, default_flow_style=False)
    return f"{HEADER}\n{comments}---\n{body}"


# kubectl takes a bare y for true and a bare 1e3 for a number; PyYAML thinks that both are texts.
_MISTAKEN = re.compile(r"[-+.\d]|[yYnN]$")


@functools.cache
def _dumper() -> Any:
    """A dumper that quotes every text that kubectl would take for something else, and repeats instead of referring."""

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="'" if _MISTAKEN.match(value) else None)

    made: Any = type("KubernetesDumper", (yaml.SafeDumper,), {"ignore_aliases": lambda self, data: True})
    made.add_representer(str, text)
    return made


def _needs_position(ref: ObjectRef, item: FieldChange) -> bool:
    """Whether a field cannot be put into a merge patch that kubectl and kustomize understand alike.

    That is so inside a list, and for lists of built-in kinds, which kustomize would merge by their items' keys.
    """
    if any(isinstance(step, int) for step in item.path):
        return True
    built_in = ("." not in ref.group or ref.group.endswith(".k8s.io")) and ref.group not in _CUSTOM_GROUPS
    return built_in and _has_list(item.after)


def _has_list(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and any(map(_has_list, value.values())))


def _merge_patch(ref: ObjectRef, fields: Sequence[FieldChange]) -> Any:
    metadata = {"name": ref.name, **({"namespace": ref.namespace} if ref.namespace else {})}
    patch: Any = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata}
    for item in fields:
        patch = put(patch, item.path, None if item.after is ABSENT else item.after)
    return patch


def _kustomization(changes: Sequence[Change], files: Mapping[str, ObjectRef]) -> str:
    content: dict[str, Any] = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    resources = [name for name in files if not name.startswith(("patch.", "json-patch."))]
    patches = [_patch_entry(name, ref) for name, ref in files.items() if name not in resources]
    if resources:
        content["resources"] = resources
    if patches:
        content["patches"] = patches
    return _text(content, "\n".join(_instructions(changes, files, resources)))


def _patch_entry(name: str, ref: ObjectRef) -> dict[str, Any]:
    if not name.startswith("json-patch."):
        return {"path": name}
    version = ref.api_version.rpartition("/")[2]
    target = {"group": ref.group, "version": version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
    return {"path": name, "target": {key: value for key, value in target.items() if value}}


def _instructions(changes: Sequence[Change], files: Mapping[str, ObjectRef], resources: Sequence[str]) -> Iterator[str]:
    yield "To apply with kustomize, name this folder under components: in the kustomization.yaml that has your own manifests"
    yield "under resources:, then kubectl apply -k that one. To apply with kubectl alone, in this folder and in this order:"
    for name, ref in files.items():
        yield f"  {_command(name, ref, resources)}"
    for change in changes:
        if change.action == "delete":
            yield f"  kubectl delete {_named(change.object)}"


def _command(name: str, ref: ObjectRef, resources: Sequence[str]) -> str:
    if name in resources:
        return f"kubectl apply -f {name}"
    if name.startswith("patch."):
        return f"kubectl patch --type merge -f {name} --patch-file {name}"
    return f"kubectl patch --type json {_named(ref)} --patch-file {name}"


def _named(ref: ObjectRef) -> str:
    where = f"--namespace {ref.namespace} " if ref.namespace else ""
    version = ref.api_version.rpartition("/")[2]
    kind = f"{ref.kind.lower()}.{version}.{ref.group}" if ref.group else ref.kind.lower()
    return f"{where}{kind} {ref.name}"


def _refuse_foreign(folder: str, wanted: dict[str, str], present: dict[str, str]) -> None:
    for name in sorted(wanted.keys() - present.keys()):
        if os.path.lexists(os.path.join(folder, name)):
            raise MeshlbError(
                f"output_dir {folder!r} holds a {name} that this collection did not write.",
                "Choose a folder of its own for the output, or remove that file.",
            )
