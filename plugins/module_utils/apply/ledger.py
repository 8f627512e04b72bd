# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of one part: all that it wrote in a cluster, found by the book that each object carries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..core.marks import REPLACED
from ..kube.objects import Obj, dig
from .book import BookError, is_created, parts_of

Lookup = Callable[[str, str, str], "Obj | None"]
"""The object of a kind key, namespace and name, if there is one."""


@dataclass(frozen=True)
class Ledger:
    """What ``part`` created or changed, and a way to look up what else is there."""

    part: str
    written: tuple[Obj, ...]
    existing: Lookup


def ledger(part: str, objects: Iterable[Obj], existing: Lookup) -> Ledger:
    """The ledger of a part, out of all objects of a cluster."""
    return Ledger(part, tuple(obj for obj in objects if is_of(obj, part)), existing)


def is_of(obj: Obj, part: str) -> bool:
    """Whether a part created or changed an object; where its book cannot be read, it may have."""
    # Most objects carry neither mark: told apart without copying a map or parsing JSON, as this runs over the whole cluster.
    if is_created(obj):
        return is_created(obj, part)
    if REPLACED not in (dig(obj, "metadata", "annotations") or ()):
        return False
    try:
        return part in parts_of(obj)
    except BookError:
        return True
