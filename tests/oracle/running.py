# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many meshes in several processes, in blocks; or one, told in full."""

from __future__ import annotations

import json
import multiprocessing
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from . import ledger
from .client import Oracle
from .envoy import Envoy
from .ledger import Block
from .meshes import Mesh, from_seed
from .rounds import Round, play
from .shrink import shrunk

DISAGREE = "DISAGREE"
_NAMES = re.compile(r"\S*[./]\S+|\b\d+\b")


@dataclass(frozen=True)
class Given:
    """Which meshes, in how many processes, and on what record; no record takes all, and keeps nothing.

    ``known``: a file of disagreements; the first other one ends the run. ``allowed``: a file of seeds that may disagree, with reasons.
    """

    seed: int
    meshes: int
    old: bool = False
    workers: int = 2
    path: Path | None = None
    known: Path | None = None
    allowed: Path | None = None
    istio: str = ""


def reason(text: str) -> str:
    """Why something is unknown, without the names of this one mesh: the first sentence, as far as it is the same for all."""
    first = text.partition(". no strategy")[0].partition("; not ")[0].partition(" (")[0]
    return _NAMES.sub("*", first)[:100].strip()


def blocks(given: Given, like: Block, size: int) -> Iterator[Block]:
    """What is left to do, in ranges of seeds."""
    known = ledger.done(ledger.read(given.path), like) if given.path else set()
    left = [seed for seed in range(given.seed, given.seed + given.meshes) if seed not in known]
    while left:
        count = next((number for number, seed in enumerate(left[:size]) if seed != left[0] + number), len(left[:size]))
        yield replace(like, first=left[0], meshes=count)
        left = left[count:]


def compare_all(given: Given, size: int) -> int:
    """Compare, record and tell; the status is 1 where Istio and the collection disagree."""
    began, counted = time.monotonic(), Round()
    known = {_sort(line) for line in given.known.read_text(encoding="utf-8").splitlines()} if given.known else None
    allowed = seeds_in(given.allowed) if given.allowed and not given.old else set()
    todo = list(blocks(given, _like(given), size))
    meshes, failing = 0, set[int]()
    _say(f"{sum(one.meshes for one in todo)} of {given.meshes} meshes are left to compare")
    # Whoever stops this stops it at once; finished blocks are on record, and the others are for the next time.
    signal.signal(signal.SIGTERM, lambda *_unused: sys.exit(143))
    try:
        with multiprocessing.get_context("fork").Pool(given.workers, _quiet) as pool:
            for block, found, faults in pool.imap_unordered(partial(_block, given.istio), todo):
                meshes += block.meshes
                failing |= set(block.failing)
                if given.path:
                    ledger.append(block, given.path)
                told = [line for seed, line in faults if seed not in allowed]
                new = [line for line in told if known is None or (line.startswith(DISAGREE) and _sort(line) not in known)]
                for line in new:
                    _say(line)
                if known is not None and new:
                    return 1
                counted.merge(found)
                _say(f"seeds {block.first} to {block.seeds[-1]}: {block.comparisons} comparisons, {block.disagreements} disagreements")
    except KeyboardInterrupt:
        _say("stopped; the next run goes on from here")
        return 130
    _say(_summary(meshes, counted, time.monotonic() - began))
    tried = {seed for block in todo for seed in block.seeds}
    _note("may disagree, as it is known", failing & allowed)
    _note("agrees by now, and need not be allowed", (allowed & tried) - failing)
    wrong = len(failing - allowed)
    _say(f"{meshes - wrong} passed, {wrong} failed")
    return 1 if wrong else 0


def _note(text: str, seeds: set[int]) -> None:
    if seeds:
        _say(f"note: {text}: {', '.join(map(str, sorted(seeds)))}")


def seeds_in(path: Path) -> set[int]:
    """The seeds that a file allows to disagree: the first word of each line, comments left out."""
    lines = (line.partition("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines())
    return {int(words[0]) for words in lines if words}


def _sort(line: str) -> str:
    """What a disagreement is about: seed, stage, kind, and of a verdict the route and both answers."""
    about, _said, rest = line.partition(": said ")
    if not rest:
        return re.sub(r"[^:]*$", "", about)
    return f"{about}: {rest.partition(' ')[0]} {rest.partition('Istio does ')[2].partition(' ')[0]}"


def _like(given: Given) -> Block:
    with Oracle(istio=given.istio) as oracle:
        version = str(oracle.ask({"id": "version"}).get("istio", ""))
    return Block(0, 0, given.old, version, ledger.fingerprint(), ledger.generator())


def _quiet() -> None:
    """The parent decides what an interrupt means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _block(istio: str, block: Block) -> tuple[Block, Round, list[tuple[int, str]]]:
    """A finished block, what came out, and for each disagreement the seed and a line about it."""
    whole, features = Round(), Counter[str]()
    lines: list[tuple[int, str]] = []
    with Envoy() as envoy, Oracle(istio=istio, envoy=envoy) as oracle:
        for seed in block.seeds:
            mesh = from_seed(seed, old=block.old)
            features.update(mesh.features)
            found = play(oracle, mesh)
            whole.merge(found)
            if found.faults:
                block.failing.append(seed)
                lines += [(seed, f"{DISAGREE} seed {seed}: {fault}") for fault in found.faults]
                more = f"{' OLD=1' if block.old else ''}{f' ISTIO={istio}' if istio else ''}"
                lines.append((seed, f"  again: make oracle MESHES=1 SEED={seed}{more}"))
    block.comparisons, block.disagreements = whole.compared, len(whole.faults)
    block.unknown = _by_reason(whole.unknown)
    block.left_out, block.features, block.judges = dict(whole.left_out), dict(features), dict(whole.judges)
    return block, whole, lines


def _by_reason(unknown: Counter[str]) -> dict[str, int]:
    found = Counter[str]()
    for text, count in unknown.items():
        found[reason(text)] += count
    return dict(found)


def _summary(meshes: int, found: Round, seconds: float) -> str:
    unknown = sum(found.unknown.values())
    per_mesh = seconds / meshes if meshes else 0.0
    lines = [f"{meshes} meshes in {seconds:.0f} s ({per_mesh:.2f} s each)"]
    lines.append(f"{found.compared} comparisons, {len(found.faults)} disagreements, {unknown} unknown")
    lines += [f"  what filters let in was decided {count} x by {judge}" for judge, count in found.judges.most_common()]
    lines += [f"  unknown {count} x: {why}" for why, count in Counter(_by_reason(found.unknown)).most_common(20)]
    lines += [f"  left out {count} x: {why}" for why, count in found.left_out.most_common(10)]
    lines += [f"  disagreed {count} x: {kind}" for kind, count in Counter(f"{one.stage}, {one.kind}" for one in found.faults).most_common()]
    return "\n".join(lines)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# ---- one mesh


def tell_one(seed: int, *, old: bool, shrink: bool, folder: Path | None, istio: str = "") -> int:
    """Everything about one mesh; the status is 1 where something disagrees."""
    with Envoy() as envoy, Oracle(istio=istio, envoy=envoy) as oracle:
        mesh = from_seed(seed, old=old)
        found = play(oracle, mesh)
        if shrink and found.faults:
            mesh = smaller(oracle, mesh, found)
            found = play(oracle, mesh)
    _say(f"seed {seed}: {', '.join(sorted(mesh.features))}; besides auto, {mesh.strategy}; proof {mesh.proven}")
    _say(f"{found.compared} comparisons, {len(found.faults)} disagreements, {sum(found.unknown.values())} unknown")
    for fault in found.faults:
        _say(f"DISAGREE {fault}")
    for why, count in found.unknown.items():
        _say(f"unknown {count} x: {why}")
    if folder is not None:
        _write(mesh, folder)
        _say(f"written: make ask CASE={folder}")
    return 1 if found.faults else 0


def smaller(oracle: Oracle, mesh: Mesh, found: Round) -> Mesh:
    """The smallest mesh that still has a disagreement like the first one of these."""
    first = found.faults[0]

    def alike(text: str) -> str:
        return " ".join(re.findall(r"said \w+|Istio does \w+|takes \w+ as \w+|\w+ before, \w+ after", text))

    wanted = (first.stage, first.kind, alike(first.text))
    return shrunk(mesh, lambda one: any((fault.stage, fault.kind, alike(fault.text)) == wanted for fault in play(oracle, one).faults))


def _write(mesh: Mesh, folder: Path) -> None:
    manifests = folder / "manifests"
    manifests.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(mesh.objects)}, indent=1)
    (manifests / "objects.json").write_text(f"{text}\n", encoding="utf-8")
