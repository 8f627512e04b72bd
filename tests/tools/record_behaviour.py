# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records what the modules return for folders of manifests, and compares two recordings.

    record_behaviour.py record FILE --collection PATH FOLDER...
    record_behaviour.py compare OLD NEW [--added-fields]

PATH holds ansible_collections/meshlb/istio. Every FOLDER is searched for sets of manifests: a folder called ``manifests`` is one set,
and so is each file of Kubernetes objects outside of such a folder. On each set run lb_info, service_routing with every strategy
(and with an exemption, with each way of keeping the Host, and for taking back), and chained_gateway for every load balancer and platform.
A change of structure must leave a recording as it is. With ``--added-fields``, fields that the findings did not have before count as no
difference.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import multiprocessing
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Result = dict[str, Any]
Call = tuple[str, dict[str, Any]]

STRATEGIES = ("auto", "service_vip", "host_entry", "headless_twin", "host_alias", "host_rewrite", "certs_only")
ROUTING: tuple[dict[str, Any], ...] = (
    *({"strategy": name} for name in STRATEGIES),
    {"strategy": "auto", "strict_exemption": True},
    {"strategy": "auto", "preserve_host": False},
    {"state": "absent"},
)
ADDED_FIELDS = ("cause", "remedy", "details")
"""Fields that findings got later than the others."""
GATEWAYS: tuple[dict[str, Any], ...] = (
    {},
    {"api": "gateway_api", "create": True, "name": "edge"},
    {"tls": {"mode": "simple", "credential_name": "edge", "host": "edge.example.com"}},
)


def manifest_sets(folder: Path) -> Iterator[Path]:
    """Every set of manifests below a folder, in order."""
    for path in sorted(folder.rglob("*")):
        inside = "manifests" in path.relative_to(folder).parts[:-1]
        if path.is_dir() and path.name == "manifests" and not inside:
            yield path
        elif path.suffix in (".yml", ".yaml", ".json") and not inside and _holds_objects(path):
            yield path


def _holds_objects(path: Path) -> bool:
    try:
        documents = [item for item in yaml.safe_load_all(path.read_text()) if item is not None]
    except (yaml.YAMLError, UnicodeDecodeError):
        return False
    return bool(documents) and all(isinstance(item, dict) and item.get("apiVersion") and item.get("kind") for item in documents)


def call(module: str, args: dict[str, Any]) -> Result:
    """Run a module in this process as Ansible does, JSON in and JSON out: a process for each of thousands of calls costs too much."""
    main = importlib.import_module(f"ansible_collections.meshlb.istio.plugins.modules.{module}").main
    basic = importlib.import_module("ansible.module_utils.basic")
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode()  # type: ignore[attr-defined]
    basic._ANSIBLE_PROFILE = "legacy"  # type: ignore[attr-defined]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            main()
        except SystemExit:
            pass
        except Exception:
            said.write(traceback.format_exc())
    lines = said.getvalue().splitlines()
    answers = [line for line in lines if line.startswith("{")]
    found: Result = json.loads(answers[-1]) if answers else {"crashed": lines[-1:]}
    # What was asked is part of the key already, and grows with every option.
    found.pop("invocation", None)
    return found


def calls(found: Result, platforms: list[str]) -> Iterator[Call]:
    """What is asked about a set of manifests in which ``lb_info`` found this."""
    for args in ROUTING:
        yield "service_routing", args
    load_balancers = [{"namespace": item["namespace"], "name": item["name"]} for item in found.get("load_balancers", [])]
    for load_balancer in load_balancers:
        for gateway in GATEWAYS:
            yield "chained_gateway", {"load_balancer": load_balancer, "gateway": gateway, "hosts": "from_load_balancer"}
    yield "chained_gateway", {"state": "absent"}
    backend = _some_backend(found)
    if backend is None:
        return
    hosts = [{"host": "new.example.com", "paths": [{"path": "/", "path_type": "Prefix", "backend": backend}]}]
    for load_balancer in load_balancers:
        yield "chained_gateway", {"load_balancer": load_balancer, "hosts": hosts, "https_redirect": True}
    for platform in platforms:
        yield "chained_gateway", {"platform": platform, "hosts": hosts}


def _some_backend(found: Result) -> dict[str, Any] | None:
    for load_balancer in found.get("load_balancers", []):
        for route in load_balancer["routes"]:
            backend = route["backend"]
            if backend["port"] and backend["protocol"] != "unknown":
                return {key: backend[key] for key in ("namespace", "service", "port")}
    return None


def record_set(task: tuple[Path, Path, list[str]]) -> list[tuple[str, str]]:
    """All answers for one set of manifests, as pairs of a key and sorted JSON."""
    path, root, platforms = task
    base = {"manifests": [str(path)], "_ansible_check_mode": True, "_ansible_diff": True}
    first = call("lb_info", {**base})
    answers = [("lb_info {}", first)]
    for module, args in calls(first, platforms):
        answers.append((f"{module} {json.dumps(args, sort_keys=True)}", call(module, {**base, **args})))
    where = path.relative_to(root).as_posix()
    return [(f"{where} {key}", json.dumps(answer, sort_keys=True).replace(f"{root}/", "")) for key, answer in answers]


def record(target: Path, collection: Path, folders: list[Path]) -> int:
    """Write all answers to a file, one line each."""
    sys.path.insert(0, str(collection.resolve()))
    for module in ("lb_info", "service_routing", "chained_gateway"):
        importlib.import_module(f"ansible_collections.meshlb.istio.plugins.modules.{module}")
    # A refusal of a platform that does not exist names all that do.
    sets = [(path.resolve(), folder.resolve().parent) for folder in folders for path in manifest_sets(folder)]
    refusal = call("chained_gateway", {"manifests": [str(sets[0][0])], "platform": "?", "hosts": [], "_ansible_check_mode": True})
    known = str(refusal.get("hint", ""))
    if not known.startswith("Known are: "):
        sys.exit(f"The platforms are not known: {refusal}")
    platforms = sorted(known.removeprefix("Known are: ").rstrip(".").split(", "))
    tasks = [(*item, platforms) for item in sets]
    with multiprocessing.Pool(os.cpu_count()) as pool, target.open("w") as file:
        for number, lines in enumerate(pool.imap(record_set, tasks, chunksize=1), 1):
            file.writelines(f"{key}\t{answer}\n" for key, answer in lines)
            print(f"{number} of {len(tasks)} sets", file=sys.stderr, end="\r", flush=True)
    print(file=sys.stderr)
    return 0


def compare(old: Path, new: Path, *, added_fields: bool = False) -> int:
    """Print what differs between two recordings; the exit status says whether anything does."""
    before, after = (dict(line.rstrip("\n").split("\t", 1) for line in path.open()) for path in (old, new))
    different = 0
    for key in [*before, *(key for key in after if key not in before)]:
        if before.get(key) == after.get(key):
            continue
        one, other = (json.loads(side.get(key, "null")) for side in (before, after))
        if added_fields:
            leave_out_added(one, other)
        if one != other:
            different += 1
            print(f"== {key}")
            for line in differences(one, other):
                print(f"   {line}")
    print(f"{different} of {len({*before, *after})} answers differ")
    return 1 if different else 0


def leave_out_added(old: Any, new: Any) -> None:
    """Take the fields from the findings in ``new`` that those in ``old`` do not have yet."""
    added = set(ADDED_FIELDS).difference(*findings_in(old))
    for item in findings_in(new):
        for key in added & item.keys():
            del item[key]


def findings_in(value: Any) -> Iterator[Result]:
    """All findings in a JSON value: they stand in a result, and in the details of a failure."""
    if isinstance(value, dict):
        if {"code", "severity"} <= value.keys():
            yield value
        else:
            for item in value.values():
                yield from findings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from findings_in(item)


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """What differs between two JSON values, a line each."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{where}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, other, f"{where}/{number}")
    elif old != new:
        yield f"{where}: {json.dumps(old)[:600]} -> {json.dumps(new)[:600]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    recording = ways.add_parser("record")
    recording.add_argument("file", type=Path)
    recording.add_argument("--collection", type=Path, required=True)
    recording.add_argument("folders", type=Path, nargs="+")
    comparing = ways.add_parser("compare")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    comparing.add_argument("--added-fields", action="store_true", help="leave out fields that only the new findings have")
    given = parser.parse_args()
    if given.way == "compare":
        return compare(given.old, given.new, added_fields=given.added_fields)
    return record(given.file, given.collection, given.folders)


if __name__ == "__main__":
    sys.exit(main())
