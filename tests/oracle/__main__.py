# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compares the collection with Istio's own code on random meshes, block by block. It can be stopped at any time, and goes on where it was.

A single mesh is told in full, and not put on record: --meshes 1 --seed N, with --shrink for the smallest mesh that fails alike, and with
--write FOLDER for its manifests, about which `make ask` can be asked.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.tools.stage_collection import stage

if __name__ == "__main__":
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--collection", default="")
    sys.path.insert(0, place.parse_known_args()[0].collection or str(stage("link")))

from .client import NotBuilt, binary
from .ledger import LEDGER, MESHES_IN_TEST
from .running import Given, compare_all, tell_one

BLOCK = 25


def main(argv: list[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__, formatter_class=raw)
    parser.add_argument("--meshes", type=int, default=MESHES_IN_TEST)
    parser.add_argument("--seed", type=int, default=1, help="of the first mesh; the others follow")
    parser.add_argument("--old", action="store_true", help="meshes made of what the model decided when the comparison began")
    parser.add_argument("--istio", default="", help="a minor version, such as 1.30; the newest by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ledger", type=Path, default=LEDGER, help="the file of finished blocks")
    parser.add_argument("--no-ledger", dest="ledger", action="store_const", const=None, help="compare all, and record nothing")
    parser.add_argument("--known", type=Path, metavar="FILE", help="disagreements, as this prints them; stops at the first other one")
    parser.add_argument("--allowed", type=Path, metavar="FILE", help="seeds that may disagree, each with a reason")
    parser.add_argument("--collection", metavar="FOLDER", help="what holds ansible_collections, instead of this checkout")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    given = parser.parse_args(argv)
    try:
        binary(given.istio)
    except NotBuilt as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if given.meshes == 1:
        return tell_one(given.seed, old=given.old, shrink=given.shrink, folder=given.write, istio=given.istio)
    files = (given.ledger, given.known, given.allowed)
    return compare_all(Given(given.seed, given.meshes, given.old, given.workers, *files, given.istio), BLOCK)


if __name__ == "__main__":
    sys.exit(main())
