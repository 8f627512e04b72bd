# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contracts for imports hold for the code, and each reports the import that it forbids."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.stage_collection import ROOT

LINTER = Path(sys.executable).with_name("lint-imports")
COLLECTION = "ansible_collections.meshlb.istio.plugins"


UTILS = "ansible_collections/meshlb/istio/plugins/module_utils"
LAYERS = (
    "core", "kube", "istio", "balancers/contract", "balancers/kit", "balancers/one", "balancers/other", "detect", "plan", "apply", "prove",
    "runs",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A staged tree whose plugins may be changed, with an empty file ``made_up.py`` in each layer and in two load balancers' folders."""
    plugins = tmp_path / UTILS / ".."
    shutil.copytree(ROOT / "plugins", plugins.resolve(), ignore=shutil.ignore_patterns("__pycache__"))
    for layer in LAYERS:
        folder = tmp_path / UTILS / layer
        folder.mkdir(exist_ok=True)
        (folder / "made_up.py").touch()
    return tmp_path


def lint(tree: Path) -> tuple[int, str]:
    """The linter's exit status and what it said, in lines that it does not wrap."""
    outcome = subprocess.run(
        [LINTER, "--no-cache", "--no-logo", ROOT / "pyproject.toml"],
        cwd=tree, env={**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "400"}, capture_output=True, text=True, check=False,
    )
    return outcome.returncode, outcome.stdout + outcome.stderr


def test_the_code_keeps_all_contracts(tree: Path) -> None:
    status, said = lint(tree)
    assert status == 0, said


@pytest.mark.parametrize(
    ("file", "line", "reported"),
    [
        # Upward, under each way to write it and wherever it stands.
        ("istio/a.py", "from ..plan.made_up import name", "istio.a -> plan.made_up"),
        ("istio/a.py", "from ..balancers import registry", "istio.a -> balancers.registry"),
        ("core/a.py", "def f() -> None:\n    from ..kube import made_up", "core.a -> kube.made_up"),
        ("kube/a.py", f"import {COLLECTION}.module_utils.runs.made_up", "kube.a -> runs.made_up"),
        ("runs/a.py", f"from {COLLECTION}.modules import lb_info", f"runs.a -> {COLLECTION}.modules.lb_info"),
        # Sideways.
        ("prove/a.py", "from ..apply import made_up", "prove.a -> apply.made_up"),
        ("apply/a.py", "from ..prove import made_up", "apply.a -> prove.made_up"),
        ("balancers/one/a.py", "from ..other import made_up", "balancers.one.a -> balancers.other.made_up"),
        ("balancers/one/a.py", "from ..gke import shared", "balancers.one.a -> balancers.gke.shared"),
        # Upward within balancers.
        ("balancers/contract/a.py", "from ..kit import made_up", "balancers.contract.a -> balancers.kit.made_up"),
        ("balancers/contract/a.py", "from ..one import made_up", "balancers.contract.a -> balancers.one.made_up"),
        ("balancers/kit/a.py", "from ..one import made_up", "balancers.kit.a -> balancers.one.made_up"),
        ("balancers/kit/a.py", "from .. import registry", "balancers.kit.a -> balancers.registry"),
        ("balancers/one/a.py", "from .. import registry", "balancers.one.a -> balancers.registry"),
        # Past the registry.
        ("detect/a.py", "from ..balancers.one import made_up", "detect.a -> balancers.one.made_up"),
        ("../modules/a.py", f"import {COLLECTION}.module_utils.balancers.one.made_up", "-> balancers.one.made_up"),
        # A folder that no contract knows.
        ("extra/a.py", "", "- extra"),
        # What is impure, directly and by way of another layer.
        ("plan/chain/a.py", "def f() -> None:\n    from kubernetes import client", "plan.chain.a -> kubernetes"),
        ("core/a.py", "import ansible.module_utils.basic", "core.a -> ansible"),
        ("detect/a.py", "from ..kube.client import api", "detect.a -> kube.client.api"),
        ("apply/a.py", "from ansible_collections.kubernetes.core import plugins", "apply.a -> ansible_collections.kubernetes"),
    ],
)
def test_a_forbidden_import_is_reported(tree: Path, file: str, line: str, reported: str) -> None:
    path = tree / UTILS / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{line}\n")
    status, said = lint(tree)
    assert status == 1
    assert reported in said.replace(f"{COLLECTION}.module_utils.", "")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("balancers/one/a.py", "from ..contract import made_up\nfrom ..kit import made_up as kit\nfrom ...istio import made_up as mesh"),
        ("balancers/one/a.py", "from . import made_up"),
        ("balancers/registry.py", "from .one import made_up"),
        ("detect/a.py", "from ..balancers import registry\nfrom ..balancers.contract import made_up"),
        ("apply/a.py", "import time"),
    ],
)
def test_what_a_new_load_balancer_needs_is_allowed(tree: Path, file: str, line: str) -> None:
    with (tree / UTILS / file).open("a") as written:
        written.write(f"\n{line}\n")
    status, said = lint(tree)
    assert status == 0, said


def test_the_linter_sees_every_folder() -> None:
    """Below an __init__.py the linter takes a folder without one for data, and does not look into it."""
    assert not list((ROOT / "plugins").rglob("__init__.py"))
