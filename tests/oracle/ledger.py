# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of what was compared: one line of JSON per finished block of meshes, and what the lines of one state of the code add up to."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MESHES_IN_TEST = 300
"""As many as run with every test of the project, from the first seed on."""
LEDGER = ROOT / "tests" / "oracle" / "ledger.jsonl"
RELEASES = {"v0.0.0-20260827124520-eed52ebb66ad": "1.31", "v0.0.0-20260826214018-9739e10eb9d7": "1.30"}
"""Istio's minor versions, by the versions of its module."""


def digest(folder: Path) -> str:
    """A hash over the Python files below a folder, their names included."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def fingerprint(root: Path = ROOT) -> str:
    """Which state of the collection's code was compared."""
    return digest(root / "plugins" / "module_utils")


def generator(root: Path = ROOT) -> str:
    """Which meshes the seeds stand for."""
    return digest(root / "tests" / "oracle" / "meshes")


@dataclass
class Block:
    """What came out for ``meshes`` seeds from ``first`` on: ``unknown`` and ``left_out`` by reason, ``features`` by meshes.

    ``judges`` says who decided what filters let in.
    """

    first: int
    meshes: int
    old: bool
    istio: str
    fingerprint: str
    generator: str
    comparisons: int = 0
    disagreements: int = 0
    failing: list[int] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    features: dict[str, int] = field(default_factory=dict)
    judges: dict[str, int] = field(default_factory=dict)

    @property
    def seeds(self) -> range:
        return range(self.first, self.first + self.meshes)


def append(block: Block, path: Path = LEDGER) -> None:
    """Add a finished block, as one write, so that whoever is stopped leaves whole lines."""
    line = json.dumps(asdict(block), sort_keys=True) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def read(path: Path = LEDGER) -> list[Block]:
    """Every block on record; a line that is cut off counts as none."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            found.append(Block(**json.loads(line)))
        except (json.JSONDecodeError, TypeError):
            continue
    return found


def done(blocks: Iterable[Block], like: Block) -> set[int]:
    """Seeds that were compared in this state of the code, with these meshes and this Istio."""
    same = (like.old, like.istio, like.fingerprint, like.generator)
    return {seed for one in blocks if (one.old, one.istio, one.fingerprint, one.generator) == same for seed in one.seeds}


@dataclass(frozen=True)
class Total:
    """What blocks add up to; a seed that is on record twice counts once."""

    meshes: int
    comparisons: int
    disagreements: int
    unknown: Counter[str]
    left_out: Counter[str]
    features: Counter[str]
    judges: Counter[str]


def total(blocks: Sequence[Block]) -> Total:
    seen: set[tuple[int, bool, str, str]] = set()
    counted: list[Block] = []
    for one in blocks:
        keys = {(seed, one.old, one.istio, one.generator) for seed in one.seeds}
        if not keys & seen:
            counted.append(one)
            seen |= keys
    sums = [Counter[str](), Counter[str](), Counter[str](), Counter[str]()]
    for one in counted:
        for whole, part in zip(sums, (one.unknown, one.left_out, one.features, one.judges), strict=True):
            whole.update(part)
    meshes = sum(one.meshes for one in counted)
    return Total(meshes, sum(one.comparisons for one in counted), sum(one.disagreements for one in counted), *sums)
