# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only the load balancers that are asked for, because the lab builds and runs them on request."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support.cluster import Cluster
from tests.integration.support.ways import Vendor
from tests.integration.support.world import World

WANTED = [name.strip().replace("-", "_") for name in os.environ.get("MESHLB_VENDORS", "").split(",") if name.strip()]
OWN = {path.name: path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
collect_ignore = [name for name, vendor in OWN.items() if vendor not in WANTED and not (vendor == "every_vendor" and WANTED)]


def vendor_of(name: str) -> Vendor:
    """The data of one load balancer."""
    found: Vendor = importlib.import_module(f"tests.integration.vendors.{name}").VENDOR
    return found


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[World]:
    """One load balancer's applications and routes; which one is the fixture's parameter."""
    made = World(cluster, vendor_of(request.param))
    try:
        made.build()
        yield made
    finally:
        print("\n" + "\n".join(made.table()))
        made.remove()
