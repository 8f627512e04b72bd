# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway that changes its hosts or its ports: for as long as the load balancer still sends the former ones, it answers both.

Seen under load in the lab: where the Gateway lost a host before the load balancer was led away from it, those requests got 404.
"""

from __future__ import annotations

from typing import Any

from ..kube.objects import Obj, dig

_WORDS = frozenset({"hosts", "values"})
"""Lists of names, of which all hold."""
_ENTRIES = {"servers": ("port", "number"), "listeners": ("name",), "matchExpressions": ("key",)}
"""Lists of maps, each known by one of its fields."""
ANY = "*"


def widened(existing: Obj, wanted: Obj) -> Obj:
    """``wanted``, and what ``existing`` serves besides. Of any other object than a Gateway: ``wanted``."""
    if wanted.get("kind") != "Gateway":
        return wanted
    return {**wanted, "spec": _both(dig(existing, "spec", default={}), wanted.get("spec", {}))}


def _both(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {key: _field(key, old.get(key), value) for key, value in new.items()}


def _field(key: str, old: Any, new: Any) -> Any:
    if not isinstance(old, list) or not isinstance(new, list):
        return _both(old, new)
    if key in _WORDS:
        return [ANY] if ANY in (*old, *new) else [*new, *(item for item in old if item not in new)]
    if key not in _ENTRIES:
        return new
    former, latter = ({dig(item, *_ENTRIES[key]): item for item in items} for items in (old, new))
    return [*(_both(former.get(name), item) for name, item in latter.items()), *(former[name] for name in former if name not in latter)]
