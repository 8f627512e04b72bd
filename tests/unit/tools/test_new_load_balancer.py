# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A load balancer that was just started imports, is in the registry and recognises itself; what cannot be started leaves no trace."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.new_load_balancer import CATALOGUE, RefusedError, registered, start
from tests.tools.stage_collection import ROOT

PROGRAM = """
import json
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.recognition import recognition_of
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import PROFILES
workload = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "registry.example.com/example/acme_edge:1.0"}]}}}}
found = [(item.about.id, item.about.title) for item in PROFILES if recognition_of(item.recogniser, workload)]
print(json.dumps({"found": found, "last": PROFILES[-1].about.id}))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what a load balancer is written into."""
    root = tmp_path / "ansible_collections" / "meshlb" / "istio"
    shutil.copytree(ROOT / "plugins", root / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    (root / CATALOGUE).parent.mkdir(parents=True)
    shutil.copy(ROOT / CATALOGUE, root / CATALOGUE)
    return root


def contents(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in root.rglob("*") if path.is_file()}


def test_what_is_written_imports_and_is_recognised_by_the_registry(tree: Path) -> None:
    before = contents(tree)
    written = start(tree, "acme_edge", "Acme Edge (Cloud)")
    after = contents(tree)
    assert sorted(written) == sorted(name for name, text in after.items() if before.get(name) != text)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={"PYTHONPATH": str(tree.parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}, cwd=tree, check=True,
        capture_output=True, text=True,
    )
    assert json.loads(done.stdout) == {"found": [["acme_edge", "Acme Edge (Cloud)"]], "last": "acme_edge"}
    for name in written:
        if name.endswith(".py"):
            compile(after[name], name, "exec")
    assert '"acme_edge", data_plane("acme-edge"' in after[CATALOGUE].partition("OUTSIDE = {")[0]


@pytest.mark.parametrize(
    ("identifier", "title"),
    [("Acme", "Acme"), ("2nd", "Second"), ("acme-edge", "Acme"), ("", "Acme"), ("class", "Class"), ("acme", ""), ("acme", 'the "best"'),
     ("acme", "a: b"), ("acme", "x" * 51), ("kong", "Kong"), ("kit", "Kit"), ("registry", "Registry")],
)  # fmt: skip
def test_what_cannot_be_started_leaves_no_trace(tree: Path, identifier: str, title: str) -> None:
    before = contents(tree)
    with pytest.raises(RefusedError):
        start(tree, identifier, title)
    assert contents(tree) == before


def test_a_second_time_is_refused(tree: Path) -> None:
    start(tree, "acme", "Acme")
    before = contents(tree)
    with pytest.raises(RefusedError, match="there already"):
        start(tree, "acme", "Acme")
    assert contents(tree) == before


@pytest.mark.parametrize(
    ("identifier", "order"),
    [("a", ["a", "b.profile", "contract.profile"]), ("c", ["b.profile", "c", "contract.profile"]),
     ("z", ["b.profile", "contract.profile", "z"])],
)  # fmt: skip
def test_the_registry_keeps_its_order(identifier: str, order: list[str]) -> None:
    text = "from .b.profile import B\nfrom .contract.profile import Profile\n\nPROFILES: tuple[Profile, ...] = (\n    B(),\n)\nLAST = 1\n"
    made = registered(text, identifier)
    assert [line.split()[1][1:] for line in made.splitlines() if line.startswith("from ")] == order
    assert f"    B(),\n    {identifier}.PROFILE,\n)\nLAST" in made


def test_make_help_shows_it() -> None:
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "new-load-balancer" in shown and "ID=example TITLE=Example" in shown
