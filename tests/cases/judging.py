# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a set-up, and comparing what a module says of it with what is right."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Entry = dict[str, Any]
HERE = Path(__file__).parent
CHOOSING = {
    "routes": ("load_balancer", "object", "host", "path", "backend"),
    "findings": ("code", "severity", "object", "says"),
    "changes": ("action", "object", "contains"),
    "load_balancers": ("name", "vendor"),
}
ASSERTED = {"routes": ("before", "after", "strategy"), "load_balancers": ("injected", "standalone_mtls")}
_PARTS_OF_TEXT = ("says", "contains")


def cases() -> list[Path]:
    """The files of all set-ups."""
    return sorted(file for file in HERE.glob("*/*.yaml") if file.parent.name != "parts")


def objects_of(case: Entry) -> list[Entry]:
    """The objects of a set-up: those of its parts, and its own in their place or beside them."""
    parts = (yaml.safe_load((HERE / "parts" / f"{name}.yaml").read_text()) for name in case.get("parts", []))
    found = {_identity(item): item for part in (*parts, case.get("manifests", [])) for item in part}
    return list(found.values())


def _identity(item: Entry) -> tuple[str, str, str, str]:
    metadata = item["metadata"]
    return (str(item["apiVersion"]), str(item["kind"]), str(metadata.get("namespace", "")), str(metadata["name"]))


def named(thing: Entry) -> str:
    """``kind namespace/name`` of an object, ``namespace/name`` of what has no kind."""
    place = f"{thing.get('namespace', '')}/{thing.get('name', '')}"
    return f"{thing['kind']} {place}" if thing.get("kind") else place.strip("/")


def entries(name: str, result: Entry) -> list[Entry]:
    """One list of a module's result, flat."""
    return [_FLAT[name](item) for item in result.get(name, [])]


def _route(item: Entry) -> Entry:
    to = item["backend"]
    return {
        "load_balancer": item.get("load_balancer", ""), "object": named(item["object"]), "host": item["host"], "path": item["path"],
        "backend": f"{to['namespace']}/{to['service']}:{to['port']}", "before": item["before"]["verdict"],
        "after": item["after"]["verdict"], "strategy": item["after"].get("strategy", ""),
    }


def _finding(item: Entry) -> Entry:
    return {"code": item["code"], "severity": item["severity"], "object": named(item.get("object") or {}), "says": item["message"]}


def _change(item: Entry) -> Entry:
    return {"action": item["action"], "object": named(item["object"]), "contains": json.dumps(item["after"])}


def _load_balancer(item: Entry) -> Entry:
    return {
        "name": named(item), "vendor": item["vendor"], "injected": item["sidecar"]["injected"],
        "standalone_mtls": item["modes"]["standalone_mtls"]["supported"],
    }


_FLAT = {"routes": _route, "findings": _finding, "changes": _change, "load_balancers": _load_balancer}


def fits(key: str, value: Any, wanted: Any) -> bool:
    """Whether a value is one of those wanted, and none of those forbidden."""
    wishes = [str(item).lower() for item in (wanted if isinstance(wanted, list) else [wanted])]
    text = str(value).lower()

    def met(wish: str) -> bool:
        return wish in text if key in _PARTS_OF_TEXT else fnmatch.fnmatchcase(text, wish)

    allowed = [wish for wish in wishes if not wish.startswith("not ")]
    forbidden = [wish.removeprefix("not ") for wish in wishes if wish.startswith("not ")]
    return not any(map(met, forbidden)) and (not allowed or any(map(met, allowed)))


def wrong_about(block: Entry, result: Entry) -> Iterator[str]:
    """What of a block does not hold, a line each."""
    unknown = set(block) - {"module", "args", *CHOOSING, *(f"no_{name}" for name in CHOOSING)}
    yield from (f"{key} means nothing" for key in sorted(unknown))
    if "failed" in result or "crashed" in result:
        yield f"it fails: {result.get('msg') or result}"
        return
    for name in CHOOSING:
        items = entries(name, result)
        for wanted in block.get(name, []):
            yield from _missing(name, items, wanted)
        for banned in block.get(f"no_{name}", []):
            found = [item for item in items if all(fits(key, item[key], value) for key, value in banned.items())]
            yield from (f"{name}: must not be there: {item}" for item in found)


def _missing(name: str, items: list[Entry], wanted: Entry) -> Iterator[str]:
    choose = {key: value for key, value in wanted.items() if key in CHOOSING[name]}
    assert set(wanted) <= {*CHOOSING[name], *ASSERTED.get(name, ())}, f"{name}: {wanted} has a key that means nothing"
    found = [item for item in items if all(fits(key, item[key], value) for key, value in choose.items())]
    if not found:
        yield f"{name}: no {choose}; there: {items}"
    for item in found:
        for key in (key for key in wanted if key not in choose and not fits(key, item[key], wanted[key])):
            yield f"{name}: {item}: {key} is {item[key]}, right is {wanted[key]}"
