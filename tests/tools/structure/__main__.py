# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints the measurements, of this checkout or of another one."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.tools.stage_collection import ROOT

from . import readings, searchable, sizes, walk
from .source import Source, read_source

STARTS = tuple(f"module_utils.runs.{run}.run_{run}.options" for run in ("routing", "sidecar", "chained", "proof"))
"""The options whose way is measured, by their full names."""
CONTRACT = ("module_utils/balancers/contract/",)
LONGEST = 10
PER_PACKAGE = ("files", "lines", "functions", "plain", "searches", "with_self")
Figures = dict[str, Any]


def measure(root: Path, starts: Sequence[str], reader: str, contract: Sequence[str]) -> Figures:
    """All figures, as JSON has them."""
    source = read_source(root)
    counted = readings.count_readings(root, reader)
    return {
        "packages": packages(source),
        "longest functions": [{"lines": lines, "function": name} for lines, name in sizes.longest_functions(source, LONGEST)],
        "contract": sizes.members(source, *contract),
        "readings": {"full": counted.full, "limited": counted.limited, "routes": counted.routes},
        "ways": {start: {"itself": way(source, start, False), "made from it": way(source, start, True)} for start in starts},
    }


def way(source: Source, start: str, made: bool) -> dict[str, int]:
    """How far the way of a parameter goes."""
    function, dummy, parameter = start.rpartition(".")
    trip = walk.walk(source, function, parameter, made)
    return {"files": len(trip.files), "functions": len(trip.functions), "returns": trip.returns, "new returns": trip.new_returns}


def packages(source: Source) -> dict[str, dict[str, int]]:
    """Size of each package, and how many of its functions can search all objects; then of ``module_utils`` and of all."""
    found: dict[str, Counter[str]] = {name: Counter(lines=number) for name, number in sizes.lines(source).items()}
    for path in source.files:
        found[sizes.package_of(path)]["files"] += 1
    for item in searchable.signatures(source):
        row = found[sizes.package_of(source.path_of(item.name))]
        row.update(functions=1, plain=item.plain, searches=item.searches, with_self=item.with_self)
    layers = sum((row for name, row in found.items() if name.startswith("module_utils")), Counter[str]())
    rows = {**dict(sorted(found.items())), "module_utils in all": layers, "in all": sum(found.values(), Counter[str]())}
    return {name: {key: row[key] for key in PER_PACKAGE} for name, row in rows.items()}


def report(figures: Figures) -> Iterator[str]:
    """The figures as tables."""
    yield "Functions with a parameter that is a Snapshot, that holds one under any name, or whose self does\n"
    heads: tuple[str, ...] = ("files", "lines", "functions", "a Snapshot", "holds one", "or self")
    yield from table(heads, {name: list(row.values()) for name, row in figures["packages"].items()})
    yield "\nWays of parameters, passed on whole or inside what holds them, and with all that is made from them\n"
    heads = ("files", "functions", "returns", "to new functions")
    ways = {f"{start}, {name}": list(row.values()) for start, rows in figures["ways"].items() for name, row in rows.items()}
    yield from table(heads, ways)
    yield "\nReadings of routes in one run of service_routing\n"
    yield from table(("full", "limited", "routes"), {readings.MANIFESTS.name: list(figures["readings"].values())})
    yield "\nMembers per class of the contract, and with those inherited\n"
    yield from table(("own", "in all"), {name: list(row.values()) for name, row in figures["contract"].items()})
    yield "\nLongest functions\n"
    yield from table(("lines",), {row["function"]: [row["lines"]] for row in figures["longest functions"]})


def table(heads: Sequence[str], rows: dict[str, list[int]]) -> Iterator[str]:
    """Lines with the names on the left and the numbers under their heads."""
    width = max((len(name) for name in rows), default=0)
    yield " " * width + "".join(f"  {head:>10}" for head in heads)
    for name, numbers in rows.items():
        yield f"{name:<{width}}" + "".join(f"  {number:>{max(10, len(head))},}" for head, number in zip(heads, numbers, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.structure", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout")
    parser.add_argument("--start", nargs="+", default=STARTS, help="parameters whose way is measured, as MODULE.FUNCTION.PARAMETER")
    parser.add_argument("--reader", default=readings.READER, help="the function that reads routes (default: %(default)s)")
    parser.add_argument("--contract", nargs="+", default=CONTRACT, help="files or folders whose classes are the contract")
    given = parser.parse_args()
    figures = measure(given.root.resolve(), given.start, given.reader, given.contract)
    text = json.dumps(figures, indent=2) if given.json else "\n".join(report(figures))
    sys.stdout.write(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
