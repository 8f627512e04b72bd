# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The figures about what was compared come from the record alone."""

from __future__ import annotations

from pathlib import Path

from tests.oracle import ledger
from tests.oracle.ledger import Block
from tests.tools.generate_docs import truth

PAGE = "# Page\n\n<!-- figures -->\nold\n<!-- end of figures -->\n\nThe end.\n"


def checkout(root: Path) -> Path:
    """A checkout with the page and some code."""
    for folder in ("docs", "tests/oracle", "plugins/module_utils"):
        (root / folder).mkdir(parents=True)
    (root / "docs" / "truth.md").write_text(PAGE)
    (root / "plugins" / "module_utils" / "a.py").write_text("A = 1\n")
    return root


def record(root: Path, **more: object) -> None:
    given = {"first": 1, "meshes": 1000, "old": False, "istio": "v1.31", "fingerprint": ledger.fingerprint(root), "generator": "g", **more}
    block = Block(**given, comparisons=12000, unknown={"* is unclear": 6}, left_out={"none|ready": 2}, features={"headless": 300})  # type: ignore[arg-type]
    ledger.append(block, root / "tests" / "oracle" / "ledger.jsonl")


def test_nothing_on_record_is_told(tmp_path: Path) -> None:
    text = truth.pages(checkout(tmp_path))["docs/truth.md"]
    assert "No mesh has been compared since the collection's code changed last." in text
    assert text.startswith("# Page\n")
    assert text.endswith("\nThe end.\n")


def test_the_figures_are_those_on_record(tmp_path: Path) -> None:
    record(checkout(tmp_path))
    text = truth.pages(tmp_path)["docs/truth.md"]
    assert "| `v1.31` | everything | 1,000 | 12,000 | 0 | 6 (1 in 2000) |" in text
    assert "| \\* is unclear | 6 |" in text
    assert "| none\\|ready | 2 |" in text
    assert "| headless | 300 |" in text


def test_meshes_of_old_features_have_a_line_of_their_own(tmp_path: Path) -> None:
    record(checkout(tmp_path))
    record(tmp_path, old=True)
    text = truth.pages(tmp_path)["docs/truth.md"]
    assert "| what 0.1.0 decided | 1,000 |" in text
    assert "| everything | 1,000 |" in text


def test_what_was_compared_before_the_code_changed_does_not_count(tmp_path: Path) -> None:
    record(checkout(tmp_path))
    (tmp_path / "plugins" / "module_utils" / "a.py").write_text("A = 2\n")
    assert "No mesh has been compared" in truth.pages(tmp_path)["docs/truth.md"]


def test_the_page_does_not_change_when_it_is_written_again(tmp_path: Path) -> None:
    record(checkout(tmp_path))
    first = truth.pages(tmp_path)["docs/truth.md"]
    (tmp_path / "docs" / "truth.md").write_text(first)
    assert truth.pages(tmp_path)["docs/truth.md"] == first


def test_without_a_page_there_is_nothing_to_write(tmp_path: Path) -> None:
    assert truth.pages(tmp_path) == {}
