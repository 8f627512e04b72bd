# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook chained runs with exactly the rights that docs/rbac gives it, bound as docs/rbac.md says, and with nothing more."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import rights
from tests.integration.support.cluster import Cluster
from tests.integration.support.modules import run_playbook
from tests.integration.support.objects import differences

from .chain import Chain
from .fronts import FRONTS
from .scene import APPS, GATEWAY_HOME, SITES

# The lab has kinds of several load balancers, and all kinds of the Gateway API.
READS = ("meshlb-assess", "meshlb-chained-read", "meshlb-vendors-read")
PLACES = {
    "meshlb-settings": ("istio-system", GATEWAY_HOME, *(front.namespace for front in FRONTS.values())),
    "meshlb-chained-gateway": (GATEWAY_HOME,), "meshlb-chained-routes": tuple(sorted(set(APPS.values()))),
}  # fmt: skip
EVERY = (*READS, *PLACES)
ROUTED = PLACES["meshlb-chained-routes"]
# Fronts that are one load balancer with another kind of routes.
SAME = {"skipper_groups": "skipper", "contour_ingress": "contour"}
# What a run says of a kind that it could not read.
UNREAD = "MLB105"


@pytest.fixture(scope="module", autouse=True)
def roles(cluster: Cluster) -> Iterator[None]:
    cluster.apply(*(rights.marked(role) for role in rights.documented_roles().values()))
    yield
    rights.remove(cluster)


def account(cluster: Cluster, folder: Path, name: str, bound: tuple[str, ...]) -> str:
    """A service account with some of the roles; gives its kubeconfig."""
    there = {item["metadata"]["name"] for item in cluster.items("namespaces")}
    meant = {role: PLACES.get(role, ROUTED if role.endswith("-chained") else ()) for role in bound}
    return str(rights.bound(cluster, name, folder, {role: [item for item in where if item in there] for role, where in meant.items()}))


def variables(chain: Chain, **more: Any) -> dict[str, Any]:
    """The role's."""
    names = {"hosts": [site.host for site in SITES], **chain.options, **more}
    return {f"istio_chained_{key}": value for key, value in names.items()}


def passed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert [line for line in done.stdout.splitlines() if UNREAD in line] == []
    return done.stdout


def test_looking_is_enough_to_check_and_too_little_to_write(chain: Chain, tmp_path: Path) -> None:
    looks = account(chain.cluster, tmp_path, f"looks-{chain.api.replace('_', '-')}", (*READS, "meshlb-settings"))
    before = chain.recorded()
    passed(run_playbook("chained", looks, "--check", "--diff", **variables(chain)))
    done = run_playbook("chained", looks, **variables(chain))
    assert done.returncode != 0 and "docs/rbac.md" in done.stdout + done.stderr
    assert differences(before, chain.recorded()) == []


def test_there_and_back_with_what_is_documented(chain: Chain, tmp_path: Path) -> None:
    own = f"meshlb-{SAME.get(chain.front.id, chain.front.id).replace('_', '-')}-chained"
    bound = (*EVERY, own)
    writes = account(chain.cluster, tmp_path, f"chains-{chain.api.replace('_', '-')}", bound)
    before = chain.recorded()
    passed(run_playbook("chained", writes, **variables(chain)))
    chain.answers("mutual_tls")
    passed(run_playbook("chained", writes, **variables(chain, state="absent", hosts="from_load_balancer", drain=1)))
    assert chain.unlike(before) == []
