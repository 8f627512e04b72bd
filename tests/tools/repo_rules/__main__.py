# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs every rule on the checkout and prints what breaks one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from tests.tools.stage_collection import ROOT, committed_files

from . import metadata, names, python, roles, text
from .model import Problem, Repository

RULES: tuple[Callable[[Repository], Iterable[Problem]], ...] = (
    python.size,
    python.exits,
    python.vendor_names,
    names.classes,
    names.signatures,
    text.licences,
    text.machine_places,
    metadata.action_groups,
    roles.variables,
)


def main() -> int:
    """Prints the problems; the exit status is 1 where there are any."""
    repository = Repository(ROOT, sorted({path.as_posix() for path in committed_files(ROOT)}))
    problems = sorted(problem for rule in RULES for problem in rule(repository))
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
