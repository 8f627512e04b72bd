# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a controller's own annotations, and booleans as Go reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...kube.objects import Obj, annotations_of, argument

GO_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
GO_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def go_bool(text: str | None, *, default: bool = False) -> bool:
    """A boolean of an annotation or a ConfigMap: absent is the default, and what Go cannot parse is false (the empty string too)."""
    return default if text is None else text in GO_TRUE


def flag_is_on(container: Obj, name: str, *, default: bool = False) -> bool:
    """A switch of the command line: one without a value is on, and one whose value Go cannot parse keeps its default."""
    text = argument(container, name)
    if not text:
        return default if text is None else True
    return text not in GO_FALSE if default else text in GO_TRUE


def same_bool(present: object, wanted: object) -> bool:
    """Whether a boolean that is there means the one that is wanted."""
    return present == wanted or any(wanted == word and present in words for word, words in (("true", GO_TRUE), ("false", GO_FALSE)))


@dataclass(frozen=True)
class AnnotationKeys:
    """Keys that are annotations of objects (of several prefixes the first counts), else entries of a ConfigMap."""

    prefixes: tuple[str, ...]
    config: Mapping[str, str] = field(default_factory=dict)

    def name(self, key: str) -> str:
        """The annotation to write for a key."""
        return f"{self.prefixes[0]}/{key}"

    def of(self, obj: Obj | None) -> dict[str, str]:
        """An object's own keys, without their prefix."""
        found: dict[str, str] = {}
        annotations = annotations_of(obj or {})
        for prefix in self.prefixes:
            for key, value in annotations.items():
                if key.startswith(f"{prefix}/"):
                    found.setdefault(key[len(prefix) + 1 :], value)
        return found

    def value(self, key: str, *objects: Obj | None) -> str | None:
        """A key's value in the first of these objects that has it, else in the ConfigMap, else ``None``."""
        return next((keys[key] for keys in (*map(self.of, objects), self.config) if key in keys), None)
