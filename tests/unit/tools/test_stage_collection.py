# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trees: a link follows the checkout, a copy holds what git would commit and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.tools import stage_collection


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small checkout, with a cache of its own."""
    monkeypatch.setenv("MESHLB_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "checkout"
    (root / "plugins").mkdir(parents=True)
    (root / "plugins" / "a.py").write_text("a = 1\n")
    (root / ".gitignore").write_text("*.pyc\n")
    (root / "b.pyc").write_text("")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    return root


def staged(root: Path, kind: str) -> Path:
    return stage_collection.stage(kind, root) / "ansible_collections" / "meshlb" / "istio"


def test_the_link_leads_to_the_checkout(checkout: Path) -> None:
    assert staged(checkout, "link").readlink() == checkout
    assert staged(checkout, "link").readlink() == checkout


def test_the_copy_holds_what_git_would_commit(checkout: Path) -> None:
    target = staged(checkout, "copy")
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()) == [".gitignore", "plugins/a.py"]


def test_the_copy_follows_changes(checkout: Path) -> None:
    target = staged(checkout, "copy")
    before = (target / ".gitignore").stat().st_ctime_ns
    (checkout / "plugins" / "a.py").unlink()
    (checkout / "plugins").rmdir()
    (checkout / "plugins").write_text("now a file\n")
    staged(checkout, "copy")
    assert (target / "plugins").read_text() == "now a file\n"
    assert (target / ".gitignore").stat().st_ctime_ns == before, "an unchanged file was copied again"


def test_the_copy_loses_what_tools_left_in_it(checkout: Path) -> None:
    target = staged(checkout, "copy")
    (target / "tests" / "output").mkdir(parents=True)
    (target / "tests" / "output" / "log").write_text("")
    (target / "dangling").symlink_to("nowhere")
    staged(checkout, "copy")
    assert sorted(path.name for path in target.iterdir()) == [".gitignore", "plugins"]


def test_two_checkouts_have_two_trees(checkout: Path, tmp_path: Path) -> None:
    assert stage_collection.tree_folder(checkout, "copy") != stage_collection.tree_folder(tmp_path, "copy")
