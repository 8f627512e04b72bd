# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks and faults: what a hostile tenant, object, API server or file must not bring about.

The checks run the modules as Ansible does, against a small API server on the loopback. Most of them wait, so they run side by side:
the first test starts all that were selected, and each test waits for its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.security.kit.core import CHECKS, Check, Tools, load_checks
from tests.security.kit.product import Product

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

load_checks()

KNOWN_FAULTS = frozenset((HERE / "known_faults.txt").read_text().split())


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The collection as it is in this checkout."""
    stage = [sys.executable, str(ROOT / "tests/tools/stage_collection.py"), "link"]
    tree = subprocess.run(stage, capture_output=True, text=True, check=True).stdout.strip()
    made = Product(tree, sys.executable, tmp_path_factory.mktemp("security"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, product: Product) -> Iterator[dict[str, Future[None]]]:
    """What each selected check comes to, by its name. A check that mostly waits takes no turn from the others."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and "outcomes" in item.fixturenames]
    chosen = [item.callspec.params["check"] for item in items]
    patient, busy = ThreadPoolExecutor(6), ThreadPoolExecutor((os.cpu_count() or 2) + 1)
    ordered = sorted(chosen, key=lambda check: not check.patient)
    yield {check.name: (patient if check.patient else busy).submit(run, check, product) for check in ordered}
    for pool in (patient, busy):
        pool.shutdown(wait=False, cancel_futures=True)


def run(check: Check, product: Product) -> None:
    """Run one check; it raises where it does not hold."""
    tools = Tools(product)
    try:
        check.body(tools)
    finally:
        tools.close()


def parameters() -> Iterator[Any]:
    """Every check; one that does not hold yet is in known_faults.txt, and fails the suite once it holds."""
    for check in CHECKS:
        marks = [pytest.mark.xfail(reason="known_faults.txt")] if check.name in KNOWN_FAULTS else []
        yield pytest.param(check, id=check.name, marks=marks)


@pytest.mark.parametrize("check", list(parameters()))
def test_holds(check: Check, outcomes: dict[str, Future[None]]) -> None:
    outcomes[check.name].result()


def test_known_faults_are_checks() -> None:
    assert {check.name for check in CHECKS} >= KNOWN_FAULTS
