# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What run-stages says in the end: counts, seconds, and the time that a stage has."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
PASSES = "echo '{name}: 2 passed, 0 failed'\n"
SLOW = f"sleep 1.1\n{PASSES}"
FAILS = "echo '{name}: 1 passed, 3 failed'\nexit 1\n"
BREAKS_OFF = "exit 7\n"


def run(folder: Path, budgets: str, **stages: str) -> tuple[int, dict[str, str], str]:
    """Run stages of these contents; gives the exit status, the summary by stage, and the last line."""
    (folder / "stages").mkdir()
    shutil.copy(TOOLS / "run-stages", folder)
    (folder / "budgets").write_text(budgets)
    for name, content in stages.items():
        (folder / "stages" / f"{name}.sh").write_text(content.format(name=name))
    done = subprocess.run(["bash", str(folder / "run-stages"), *stages], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    lines = done.stdout.partition(" summary\n")[2].splitlines()
    return done.returncode, {line.split()[0]: line for line in lines if line.startswith("  ")}, lines[-1]


@pytest.mark.parametrize(
    ("content", "counts", "status"),
    [(PASSES, "2 passed, 0 failed", 0), (FAILS, "1 passed, 3 failed", 1), (BREAKS_OFF, "0 passed, 1 failed", 1)],
)
def test_the_counts_decide(tmp_path: Path, content: str, counts: str, status: int) -> None:
    assert run(tmp_path, "", build=content)[::2] == (status, counts)


def test_nothing_after_tools_that_are_missing(tmp_path: Path) -> None:
    assert list(run(tmp_path, "", deps=FAILS, lint=PASSES)[1]) == ["deps"]


def test_the_budget_is_beside_the_seconds(tmp_path: Path) -> None:
    status, summary = run(tmp_path, "# Minutes.\n10 deps lint\n2 unit\n", deps=PASSES, lint=PASSES, unit=PASSES, build=PASSES)[:2]
    assert status == 0
    assert re.search(r" \ds of  600s for deps and lint$", summary["deps"])
    assert re.search(r" \ds of  120s$", summary["unit"])
    assert re.search(r" \ds$", summary["build"])


def test_too_slow_is_noted_and_fails_nothing(tmp_path: Path) -> None:
    status, summary, last = run(tmp_path, "0 deps lint\n0 unit\n1 sanity\n", deps=SLOW, lint=PASSES, unit=SLOW, sanity=SLOW)
    assert (status, last) == (0, "8 passed, 0 failed")
    assert re.search(r"for deps and lint  note: over budget \(\ds\)$", summary["lint"])
    assert re.search(r"of    0s  note: over budget$", summary["unit"])
    assert "note" not in summary["sanity"]


def test_every_budget_is_for_a_stage() -> None:
    """A stage's name that is misspelt would leave it without a budget."""
    lines = [line.split() for line in (TOOLS / "budgets").read_text().splitlines() if not line.startswith("#")]
    assert all(minutes.isdigit() and names for minutes, *names in lines)
    named = [name for dummy, *names in lines for name in names]
    assert set(named) <= {path.stem for path in (TOOLS / "stages").glob("*.sh")}
    assert len(named) == len(set(named))
