# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the stages conclude from the output of the tools they run."""

from __future__ import annotations

import pytest

from tests.tools import check_archive, check_importer, sanity

GOOD = """Configured locale: C.UTF-8
Running sanity test "compile" on Python 3.10
No tests applicable.
Running sanity test "compile" on Python 3.11
Running sanity test "pslint"
No tests applicable.
WARNING: Skipping sanity test "import" on Python 3.12: not found
Run command: something
"""
BAD = """Running sanity test "pep8"
Running sanity test "no-assert"
ERROR: Found 1 no-assert issue(s) which need to be resolved:
ERROR: plugins/a.py:1:1: raise AssertionError instead of: assert
FATAL: The 1 sanity test(s) listed below (out of 24) failed. See error output above for details.
no-assert
"""


def test_sanity_tells_what_ran_and_what_did_not() -> None:
    outcome = sanity.read_outcome(GOOD.splitlines())
    assert outcome.ran == ["compile"]
    assert outcome.not_applicable == ["compile", "pslint"]
    assert outcome.skipped == ['Skipping sanity test "import" on Python 3.12: not found']
    assert outcome.text == []


def test_sanity_reports_failures(capsys: pytest.CaptureFixture[str]) -> None:
    assert sanity.report(sanity.read_outcome(BAD.splitlines()), 1) == 1
    printed = capsys.readouterr().out
    assert "FAILED  no-assert" in printed
    assert "raise AssertionError" in printed
    assert printed.endswith("sanity: 1 passed, 1 failed\n")


def test_sanity_counts_a_crash_as_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert sanity.report(sanity.read_outcome(['Running sanity test "pep8"', "Traceback"]), 2) == 1
    assert capsys.readouterr().out.endswith("sanity: 1 passed, 1 failed\n")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("plugins/modules/lb_info.py", None),
        ("lab/lab", "lab/lab: not for the archive; name it in galaxy.yml's build_ignore, or allow it here"),
        ("plugins/__pycache__/a.pyc", "plugins/__pycache__/a.pyc: a tool's left-over or a test"),
        ("extensions/molecule/default/molecule.yml", "extensions/molecule/default/molecule.yml: a tool's left-over or a test"),
    ],
)
def test_the_archive_holds_what_users_need(name: str, complaint: str | None) -> None:
    assert check_archive.problems([*check_archive.REQUIRED, name]) == ([complaint] if complaint else [])


def test_the_archive_lacks_nothing() -> None:
    assert check_archive.problems(check_archive.REQUIRED[1:]) == ["FILES.json: missing"]


def test_the_importers_warnings_count() -> None:
    assert check_importer.complaints(["Importing", "WARNING: No changelog found.", "ERROR: no"]) == [
        "WARNING: No changelog found.",
        "ERROR: no",
    ]
