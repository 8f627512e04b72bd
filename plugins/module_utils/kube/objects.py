# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading single Kubernetes objects (plain dictionaries, as the API gives them) without tripping over absent fields."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..core.values import ABSENT, ObjectRef

Obj = dict[str, Any]
Identity = tuple[str, str, str]
"""Kind key, namespace and name."""


def dig(obj: Any, *path: str | int, default: Any = None) -> Any:
    """Return the value at ``path``, or ``default`` where any step is missing or of another type."""
    node = obj
    for step in path:
        if isinstance(node, dict) and step in node:
            node = node[step]
        elif isinstance(node, list) and isinstance(step, int) and -len(node) <= step < len(node):
            node = node[step]
        else:
            return default
    return default if node is None else node


def value_at(obj: Any, path: tuple[str | int, ...]) -> Any:
    """Return the value at ``path`` or :data:`ABSENT`; unlike :func:`dig` a ``None`` counts as a value."""
    node = obj
    for step in path:
        if isinstance(node, dict) and step in node:
            node = node[step]
        elif isinstance(node, list) and isinstance(step, int) and 0 <= step < len(node):
            node = node[step]
        else:
            return ABSENT
    return node


def namespace_of(obj: Obj) -> str:
    return str(dig(obj, "metadata", "namespace", default=""))


def name_of(obj: Obj) -> str:
    return str(dig(obj, "metadata", "name", default=""))


def labels_of(obj: Obj) -> dict[str, str]:
    return dict(dig(obj, "metadata", "labels", default={}))


def annotations_of(obj: Obj) -> dict[str, str]:
    return dict(dig(obj, "metadata", "annotations", default={}))


def created_at(obj: Obj) -> str:
    """Creation time as the API's RFC 3339 text; an object that has none (a manifest) counts as the newest."""
    return str(dig(obj, "metadata", "creationTimestamp", default="")) or "9999"


def time_in(moment: str) -> float | None:
    """The time that an RFC 3339 text names, in seconds since 1970; ``None`` where it names none."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except (ValueError, OverflowError):
        return None


def ref_of(obj: Obj) -> ObjectRef:
    return ObjectRef(str(obj.get("apiVersion", "")), str(obj.get("kind", "")), namespace_of(obj), name_of(obj))


def kind_key(api_version: str, kind: str) -> str:
    """The key a kind has in a snapshot: ``Ingress.networking.k8s.io``, or ``Service`` for the core group."""
    group = api_version.rpartition("/")[0]
    return f"{kind}.{group}" if group else kind


def kind_key_of(obj: Obj) -> str:
    """The kind key of an object; of one that does not say what it is, a key that no kind has."""
    return kind_key(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))


def identity(obj: Obj) -> Identity:
    """What an object is found by."""
    metadata = obj.get("metadata") or {}
    return (kind_key(obj["apiVersion"], obj["kind"]), str(metadata.get("namespace", "")), str(metadata.get("name", "")))


def identity_of(ref: ObjectRef) -> Identity:
    """What the object that a reference names is found by."""
    return (kind_key(ref.api_version, ref.kind), ref.namespace, ref.name)


def pod_template(workload: Obj) -> Obj:
    """The pod template of a workload; a Pod is its own template."""
    if workload.get("kind") == "Pod":
        return workload
    return dict(dig(workload, "spec", "template", default={}))


def containers_of(template: Obj) -> list[Obj]:
    """All containers of a pod or a pod template that keep running: the ordinary ones and restartable init containers."""
    spec = dig(template, "spec", default={})
    native = [item for item in spec.get("initContainers") or [] if item.get("restartPolicy") == "Always"]
    return list(spec.get("containers") or []) + native


def argument(container: Obj, *names: str) -> str | None:
    """The value of a command-line flag in ``command`` or ``args`` (``--name=value``, ``--name value``), else ``None``.

    A flag without a value gives the empty string, and of several the last one holds. ``names`` are given without dashes.
    """
    words = [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]
    found = None
    for position, word in enumerate(words):
        flag, has_value, value = word.partition("=")
        if flag.startswith("-") and flag.lstrip("-") in names:
            following = words[position + 1] if position + 1 < len(words) else ""
            found = value if has_value else "" if following.startswith("-") else following
    return found


def image_name(image: str) -> tuple[str, str]:
    """Split an image reference into its path without registry host and its tag (``""`` when pinned by digest alone)."""
    path = image.partition("@")[0]
    head, slash, rest = path.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        path = rest
    base, colon, tag = path.rpartition(":")
    return (base, tag) if colon and "/" not in tag else (path, "")
