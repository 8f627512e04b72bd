# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.fuzz: mutated clusters through every module in manifest mode.

Fails where a run ends in a traceback, where a cluster costs more than 100 times the median CPU, or where the process needs more than 1 GiB.
Each cluster is made from its own number, so ``--first N --count 1`` runs one of them again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.tools.stage_collection import stage

if __name__ == "__main__":
    sys.path.insert(0, str(stage("link")))

from tests.fuzz.clusters import Base, bases
from tests.fuzz.mutations import mutated
from tests.fuzz.runs import Ended, all_runs, proof

TIMES_THE_MEDIAN, MEMORY = 100, 1 << 20
"""KiB of memory."""
PROOFS = 2
"""Of one cluster, as its sidecars say something else each time."""


@dataclass
class Report:
    """What came out: CPU seconds by cluster, tracebacks by their last line of ours, and memory in KiB."""

    seconds: dict[int, float] = field(default_factory=dict)
    broken: Counter[str] = field(default_factory=Counter)
    unforeseen: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    memory: int = 0

    def add(self, other: Report) -> None:
        self.seconds.update(other.seconds)
        self.broken += other.broken
        self.unforeseen += other.unforeseen
        self.examples = {**other.examples, **self.examples}
        self.memory = max(self.memory, other.memory)

    @property
    def slow(self) -> list[int]:
        """Clusters that cost too much."""
        usual = statistics.median(self.seconds.values()) if self.seconds else 0.0
        return [number for number, found in self.seconds.items() if found > TIMES_THE_MEDIAN * max(usual, 0.01)]

    @property
    def failed(self) -> bool:
        return bool(self.broken or self.slow or self.memory > MEMORY)

    def __str__(self) -> str:
        usual, most = statistics.median(self.seconds.values()), max(self.seconds.values())
        cost = f"CPU per cluster: median {usual:.3f} s, most {most:.3f} s; memory {self.memory // 1024} MiB"
        lines = [f"{len(self.seconds)} clusters, {cost}"]
        lines += [f"too slow: cluster {number}, {self.seconds[number]:.1f} s" for number in self.slow]
        lines += [f"{times} x {place}\n{self.examples[place]}" for place, times in self.broken.most_common()]
        lines += [f"not foreseen, {times} x: {text}" for text, times in self.unforeseen.most_common(20)]
        return "\n".join(lines)


def fuzz(numbers: Sequence[int], seed: int) -> Report:
    """Run these clusters, one after the other."""
    report, found = Report(), list(bases())
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            _one(report, found, Path(folder), number, seed)
    report.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return report


def _one(report: Report, found: list[Base], folder: Path, number: int, seed: int) -> None:
    rng = Random(f"{seed}-{number}")
    base = rng.choice(found)
    objects, done = mutated(rng, base.objects)
    report.seconds[number] = 0.0
    runs = list(all_runs(folder, objects, base.load_balancer, as_yaml=rng.random() < 0.2))
    for _proof in range(PROOFS):
        ended, said = proof(folder, base.load_balancer, rng)
        runs.append(ended)
        done += said
    for ended in runs:
        report.seconds[number] += ended.seconds
        if ended.trace:
            place = _place(ended)
            report.broken[place] += 1
            report.examples.setdefault(place, f"cluster {number} ({base.name}): {'; '.join(done)}\n{ended.trace}")
        report.unforeseen.update(text[:160] for text in ended.unforeseen)


def _place(ended: Ended) -> str:
    lines = [line.strip() for line in ended.trace.splitlines()]
    ours = [line.partition("module_utils/")[2] for line in lines if "module_utils/" in line]
    return f"{lines[-1][:100]} in {ours[-1] if ours else lines[-2]}"


def _share(job: tuple[range, int]) -> Report:
    return fuzz(*job)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    report, last = Report(), given.first + given.count
    # In short shares, so that what one cluster leaves behind does not count for all others.
    shares = [(range(first, min(first + 100, last)), given.seed) for first in range(given.first, last, 100)]
    with multiprocessing.Pool(given.workers, maxtasksperchild=10) as pool:
        for part in pool.imap_unordered(_share, shares):
            report.add(part)
            sys.stderr.write(f"{len(report.seconds)} of {given.count}; {len(report.slow)} slow; {sum(report.broken.values())} broken\n")
            sys.stderr.writelines(f"{report.examples[place]}\n" for place in part.broken)
    sys.stdout.write(f"{report}\n")
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())
