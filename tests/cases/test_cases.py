# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every set-up, with what the modules have to say of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cases.judging import HERE, cases, fits, objects_of, wrong_about
from tests.tools.record_behaviour import call


@pytest.mark.parametrize("file", cases(), ids=[str(file.relative_to(HERE).with_suffix("")) for file in cases()])
def test_what_is_said_is_right(file: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(file.read_text())
    given = tmp_path / "objects.json"
    given.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects_of(case)}, default=str))
    assert case["situation"] and case["source"] and case["right"] and case["expect"]
    for block in case["expect"]:
        result = call(block["module"], {"manifests": [str(given)], "_ansible_check_mode": True, **block.get("args", {})})
        assert not list(wrong_about(block, result))


def test_the_comparison_notices_what_is_wrong() -> None:
    said = {"findings": [{"code": "MLB204", "severity": "error", "message": "to store/archive"}]}
    assert list(wrong_about({"module": "x", "routes": [{"object": "Ingress a/b"}]}, said))
    assert list(wrong_about({"module": "x", "no_findings": [{"code": "MLB2*"}]}, said))
    assert list(wrong_about({"module": "x", "finding": []}, said)) == ["finding means nothing"]
    assert not list(wrong_about({"module": "x", "findings": [{"code": ["MLB1", "MLB204"], "says": "Archive"}]}, said))
    assert fits("after", "refused", "not mutual_tls") and not fits("after", "mutual_tls", ["not mutual_tls", "mutual_tls"])
