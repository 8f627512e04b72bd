# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of what was compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.mesh import OLDEST_COMPARED

from tests.oracle import ledger
from tests.oracle.ledger import Block
from tests.oracle.running import Given, blocks, reason, seeds_in


def block(first: int = 1, meshes: int = 25, *, fingerprint: str = "now", old: bool = False, disagreements: int = 0) -> Block:
    return Block(first, meshes, old, "v1", fingerprint, "meshes", 100, disagreements, unknown={"a reason": 2}, features={"headless": 3})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger.append(block(), path)
    ledger.append(block(26), path)
    assert ledger.read(path) == [block(), block(26)]


def test_a_line_that_is_cut_off_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger.append(block(), path)
    path.write_text(path.read_text() + '{"first": 26, "mes')
    assert ledger.read(path) == [block()]


def test_no_record_holds_nothing(tmp_path: Path) -> None:
    assert ledger.read(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(("other", "left"), [(block(), 25), (block(fingerprint="before"), 50), (block(old=True), 50), (block(11, 10), 40)])
def test_what_was_compared_in_the_same_state_is_not_compared_again(tmp_path: Path, other: Block, left: int) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger.append(other, path)
    found = list(blocks(Given(1, 50, path=path), Block(0, 0, False, "v1", "now", "meshes"), 25))
    seeds = [seed for one in found for seed in one.seeds]
    assert len(seeds) == len(set(seeds)) == left
    assert other.fingerprint != "now" or other.old or not set(seeds) & set(other.seeds)


def test_a_seed_counts_once() -> None:
    found = ledger.total([block(), block(), block(26, disagreements=1)])
    assert (found.meshes, found.comparisons, found.disagreements) == (50, 200, 1)
    assert (found.unknown["a reason"], found.features["headless"]) == (4, 6)


def test_the_fingerprint_is_that_of_the_code(tmp_path: Path) -> None:
    for home in ("one", "two"):
        (tmp_path / home / "plugins" / "module_utils").mkdir(parents=True)
        (tmp_path / home / "plugins" / "module_utils" / "a.py").write_text("A = 1\n")
    assert ledger.fingerprint(tmp_path / "one") == ledger.fingerprint(tmp_path / "two")
    (tmp_path / "two" / "plugins" / "module_utils" / "b.py").write_text("")
    assert ledger.fingerprint(tmp_path / "one") != ledger.fingerprint(tmp_path / "two")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("the backend is an ExternalName Service (echo0.apps.svc.cluster.local)", "the backend is an ExternalName Service"),
        ("VirtualService other/vs0 splits this path. no strategy serves this route; not x: y", "VirtualService * splits this path"),
    ],
)
def test_reasons_name_no_mesh(text: str, short: str) -> None:
    assert reason(text) == short


def test_seeds_that_may_disagree(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    path.write_text("# a comment\n12 a reason with the number 7\n\n30 another\n")
    assert seeds_in(path) == {12, 30}


def test_the_releases_are_those_that_the_lab_pins() -> None:
    files = (ledger.ROOT / "lab" / "go").glob("oracle*/go.mod")
    assert {pin for path in files for pin in re.findall(r"\tistio.io/istio (\S+)", path.read_text())} == set(ledger.RELEASES)


def test_the_oldest_release_is_the_one_that_the_collection_names() -> None:
    assert min(tuple(map(int, one.split("."))) for one in ledger.RELEASES.values()) == OLDEST_COMPARED
