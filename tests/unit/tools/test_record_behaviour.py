# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What counts as a difference between two recordings of behaviour."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tools import record_behaviour

OLD = {"code": "MLB203", "severity": "error", "message": "a"}
ADDED = {"cause": {}, "remedy": "Change it.", "details": {"field": "a"}}
NEW = {**OLD, **ADDED}
REFUSED = {"msg": "no", "details": {"findings": [OLD]}}


def compared(tmp_path: Path, old: Any, new: Any, **options: bool) -> int:
    files = tmp_path / "old.txt", tmp_path / "new.txt"
    for file, answer in zip(files, (old, new), strict=True):
        file.write_text(f"set lb_info {{}}\t{json.dumps(answer)}\n")
    return record_behaviour.compare(*files, **options)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"findings": [OLD]}, {"findings": [NEW]}),
        (REFUSED, {**REFUSED, "details": {"findings": [NEW]}}),
        ({"findings": [OLD]}, {"findings": [{**OLD, "remedy": "Change it."}]}),
    ],
    ids=["result", "failure", "some"],
)
def test_added_fields_are_left_out_where_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str], old: Any, new: Any) -> None:
    assert compared(tmp_path, old, new, added_fields=True) == 0
    assert capsys.readouterr().out == "0 of 1 answers differ\n"
    assert compared(tmp_path, old, new) == 1


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ({"findings": [OLD]}, {"findings": [{**NEW, "message": "b"}]}, '/findings/0/message: "a" -> "b"'),
        ({"findings": [NEW]}, {"findings": [{**NEW, "remedy": "b"}]}, '/findings/0/remedy: "Change it." -> "b"'),
        ({"findings": []}, {"findings": [NEW]}, f"/findings: [] -> [{json.dumps(OLD)}]"),
        ({"findings": [OLD], "a": {}}, {"findings": [NEW], "a": ADDED}, '/a/remedy: null -> "Change it."'),
    ],
    ids=["message", "not added", "finding", "elsewhere"],
)
def test_other_differences_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str], old: Any, new: Any, shown: str) -> None:
    assert compared(tmp_path, old, new, added_fields=True) == 1
    assert f"   {shown}\n" in capsys.readouterr().out


def test_the_option_is_one_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [str(tmp_path / name) for name in ("old.txt", "new.txt")]
    assert compared(tmp_path, {"findings": [OLD]}, {"findings": [NEW]}) == 1
    monkeypatch.setattr("sys.argv", ["record_behaviour.py", "compare", *files, "--added-fields"])
    assert record_behaviour.main() == 0
