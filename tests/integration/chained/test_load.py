# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chained and taken back again and again under constant load: not one request is lost."""

from __future__ import annotations

import os

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support.load import Load

from .chain import Chain
from .page import HOST_BY_HOST, THERE_AND_BACK, note
from .scene import EXPECTED, NEWS, all_of

TURNS = int(os.environ.get("MESHLB_TURNS", "2"))
HOSTS = sorted({target.host for target in EXPECTED})


@pytest.fixture(scope="module", autouse=True)
def plaintext_too(chain: Chain) -> None:
    """Without the gateway the load balancer reaches its backends in plaintext."""
    set_mode(chain.cluster, "PERMISSIVE")
    chain.answers("plaintext")


def unharmed(chain: Chain, load: Load, what: str) -> None:
    note(chain.front.id, chain.api, what, load)
    assert load.lost() == [] and min(len(load.answers), len(load.kept)) > 200


def test_no_request_is_lost_there_and_back(chain: Chain) -> None:
    with Load(chain.entry, list(EXPECTED)) as load:
        for _turn in range(TURNS):
            chain.run(hosts=HOSTS)
            chain.reaches(all_of("mutual_tls"))
            chain.take_back()
            chain.reaches(all_of("plaintext"))
    unharmed(chain, load, THERE_AND_BACK)


def test_no_request_is_lost_host_by_host(chain: Chain) -> None:
    alone = {key: "mutual_tls" if key.startswith(NEWS.host) else "plaintext" for key in all_of("")}
    with Load(chain.entry, list(EXPECTED)) as load:
        chain.run(hosts=[NEWS.host])
        chain.reaches(alone)
        chain.run(hosts=HOSTS)
        chain.reaches(all_of("mutual_tls"))
        chain.take_back(hosts=[host for host in HOSTS if host != NEWS.host])
        chain.reaches(alone)
        chain.take_back()
        chain.reaches(all_of("plaintext"))
    unharmed(chain, load, HOST_BY_HOST)
