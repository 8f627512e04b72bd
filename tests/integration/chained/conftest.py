# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scene of every chain: applications and the mesh's policy; a chain is made of the fixture's parameter.

Only where MESHLB_CHAINED is set, because they need the kinds of the Gateway API on the lab, and take their time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support.cluster import ROOT, Cluster
from tests.integration.support.modules import module

from . import page
from .chain import APIS, Chain
from .fronts import ALL, FRONTS, Front
from .scene import APPS, AWAY, GATEWAY, GATEWAY_HOME, HOME, applications, install

collect_ignore = [] if os.environ.get("MESHLB_CHAINED") else [path.name for path in Path(__file__).parent.glob("test_*.py")]
OF_ONE = {"test_emissary_ingress.py": "emissary", "test_rules.py": "traefik"}
collect_ignore += [name for name, front in OF_ONE.items() if FRONTS[front] not in ALL]
PAIRS = [(front, api) for front in ALL for api in APIS]


def called(pair: tuple[Front, str]) -> str:
    return f"{pair[0].id}-{pair[1]}"


@pytest.fixture(scope="session")
def scene(cluster: Cluster, echo_image: str) -> Iterator[None]:
    """Applications in the mesh, and no chain, before and after."""
    mine: dict[str, Any] = {"state": "absent", "drain": 0, "gateway": {"name": GATEWAY, "namespace": GATEWAY_HOME}}
    module(cluster, "chained_gateway", **mine)
    cluster.apply(*applications(echo_image))
    install(cluster)
    for name, where in APPS.items():
        cluster.rolled_out(where, f"deployment/{name}")
    yield
    if os.environ.get("MESHLB_CHAINED_PAGE"):
        page.write(ROOT / os.environ["MESHLB_CHAINED_PAGE"], cluster)
    module(cluster, "chained_gateway", **mine)
    cluster.delete("namespace", HOME, AWAY, GATEWAY_HOME)
    cluster.delete("peerauthentication", "default", "--namespace", "istio-system")


@pytest.fixture(scope="module", params=PAIRS, ids=called)
def chain(request: pytest.FixtureRequest, cluster: Cluster, scene: None) -> Iterator[Chain]:
    """A chain that is not made yet, in a mesh that accepts mutual TLS alone."""
    front, api = request.param
    made = Chain(cluster, front, api)
    made.lay()
    set_mode(cluster, "STRICT")
    try:
        yield made
    finally:
        made.take_back(drain=0)
        for where in (HOME, AWAY):
            cluster.delete(front.kind, "--all", "--namespace", where)
