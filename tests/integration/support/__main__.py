# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the Molecule scenarios ask of a cluster that Ansible has no word for: whole-object comparisons, and many requests.

    python -m tests.integration.support record FILE              writes every object
    python -m tests.integration.support unwritten FILE           fails where an object was written to since
    python -m tests.integration.support changes BEFORE PREDICTED MADE
    python -m tests.integration.support answers MADE --expected FILE --mode MODE --load-balancer NAMESPACE/NAME
    python -m tests.integration.support proofs MADE PROOF
    python -m tests.integration.support identical FILE           fails where an object is not what it was
    python -m tests.integration.support export FOLDER            writes manifests
    python -m tests.integration.support same-plan FILES LIVE
    python -m tests.integration.support apply-output FOLDER      runs the commands that the folder's kustomization lists
    python -m tests.integration.support same-objects FILE
    python -m tests.integration.support same-by-kustomize BEFORE FOLDER
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from . import output, scenario
from .cluster import NoCluster, find_cluster
from .objects import differences, lasting, record


def load(name: str) -> Any:
    """A JSON or YAML file's content."""
    text = Path(name).read_text(encoding="utf-8")
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


def do_record(options: argparse.Namespace) -> list[str]:
    """Write every object to a file."""
    found = record(find_cluster())
    Path(options.file).write_text(json.dumps(found), encoding="utf-8")
    print(f"{len(found)} objects")
    return []


def do_unwritten(options: argparse.Namespace) -> list[str]:
    """A resourceVersion that moved, where it is not a controller's news of its status."""
    before, after = load(options.file), record(find_cluster())
    problems = differences(before, after)
    for key in before.keys() & after.keys():
        was, now = before[key], after[key]
        moved = was["metadata"]["resourceVersion"] != now["metadata"]["resourceVersion"]
        only_status = lasting(was) == lasting(now) and was.get("status") != now.get("status")
        if moved and not only_status:
            problems.append(f"{key} was written to")
    print(f"{len(after)} objects compared")
    return sorted(problems)


def do_changes(options: argparse.Namespace) -> list[str]:
    """Predicted, reported and real changes."""
    return scenario.compare_changes(load(options.before), load(options.predicted), load(options.made), record(find_cluster()))


def do_answers(options: argparse.Namespace) -> list[str]:
    """Requests for every route."""
    expected = load(options.expected)["expected_routes"]
    namespace, _slash, name = options.load_balancer.partition("/")
    return scenario.compare_answers(find_cluster(), load(options.made), expected, options.mode, (namespace, name))


def do_proofs(options: argparse.Namespace) -> list[str]:
    """The plan, the configuration and the traffic."""
    return scenario.compare_proofs(load(options.made), load(options.proof))


def do_identical(options: argparse.Namespace) -> list[str]:
    """Whole objects."""
    before, after = load(options.file), record(find_cluster())
    print(f"{len(after)} objects compared with {len(before)}")
    return differences(before, after)


def do_kustomize(options: argparse.Namespace) -> list[str]:
    """The output through kustomize."""
    return output.same_by_kustomize(find_cluster(), load(options.before), Path(options.folder))


def parser() -> argparse.ArgumentParser:
    """The commands."""
    top = argparse.ArgumentParser(prog="support", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(required=True)

    def add(name: str, work: Callable[[argparse.Namespace], list[str]], *places: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name)
        for place in places:
            command.add_argument(place)
        command.set_defaults(work=work)
        return command

    add("record", do_record, "file")
    add("unwritten", do_unwritten, "file")
    add("changes", do_changes, "before", "predicted", "made")
    answers = add("answers", do_answers, "made")
    for option in ("--expected", "--mode", "--load-balancer"):
        answers.add_argument(option, required=True)
    add("proofs", do_proofs, "made", "proof")
    add("identical", do_identical, "file")
    add("export", lambda options: output.export(find_cluster(), Path(options.folder)), "folder")
    add("same-plan", lambda options: output.same_plan(load(options.files), load(options.live)), "files", "live")
    add("apply-output", lambda options: output.apply_output(find_cluster(), Path(options.folder)), "folder")
    add("same-objects", lambda options: output.same_objects(find_cluster(), load(options.file)), "file")
    add("same-by-kustomize", do_kustomize, "before", "folder")
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Every problem is a line; any of them is a failure."""
    options = parser().parse_args(words)
    try:
        problems: list[str] = options.work(options)
    except NoCluster as error:
        problems = [str(error)]
    for line in problems:
        print(f"PROBLEM {line}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
