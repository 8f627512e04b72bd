# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook from a cluster without a gateway: it says beforehand what it will do, installs the chart, and leads the routes to it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.integration.conftest import set_mode
from tests.integration.support.cluster import ROOT, Cluster, wait_for
from tests.integration.support.modules import run_playbook
from tests.integration.support.objects import differences

from .chain import Chain
from .fronts import FRONTS
from .scene import AWAY, GATEWAY, HOME, SITES, all_of, look

FRESH, RELEASE = "chained-fresh", "fresh"
# The chart's account is called as the release.
IDENTITY = f"spiffe://cluster.local/ns/{FRESH}/sa/{RELEASE}"


@pytest.fixture
def chain(cluster: Cluster, scene: None) -> Iterator[Chain]:
    """ingress-nginx, and no gateway where one is asked for."""
    made = Chain(cluster, FRONTS["ingress_nginx"], "istio", {"namespace": FRESH})
    cluster.delete("namespace", FRESH)
    made.lay()
    set_mode(cluster, "STRICT")
    yield made
    made.take_back(drain=0)
    cluster.delete("namespace", FRESH)
    for where in (HOME, AWAY):
        cluster.delete(made.front.kind, "--all", "--namespace", where)


def play(chain: Chain, *words: str, **more: Any) -> tuple[str, set[str]]:
    """Run the playbook; gives what it printed, and the objects whose differences it showed."""
    values = yaml.safe_load((ROOT / "lab" / "manifests" / "istio-gateway-values.yaml").read_text())
    names = {
        **chain.options, "gateway": {"namespace": FRESH, "name": GATEWAY}, "hosts": [site.host for site in SITES], "drain": 1,
        "connection": {"kubeconfig": chain.cluster.kubeconfig}, "install_gateway": True, "gateway_release": RELEASE,
        "gateway_chart": chain.cluster.charts["gateway"], "gateway_values": values, "helm": chain.cluster.binaries["helm"], **more,
    }
    variables = {f"istio_chained_{key}": value for key, value in names.items()}
    done: subprocess.CompletedProcess[str] = run_playbook("chained", chain.cluster.kubeconfig, "--diff", *words, **variables)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout, set(re.findall(r"^\+\+\+ after: (\S.*)$", done.stdout, re.MULTILINE))


def test_rehearsed_before_there_is_a_gateway(chain: Chain) -> None:
    before = chain.recorded()
    said, foreseen = play(chain, "--check")
    assert differences(before, chain.recorded()) == []
    assert not chain.cluster.items("namespaces", f"--field-selector=metadata.name={FRESH}")
    assert "MLB619" in said and said.count("mutual_tls") >= len(SITES)
    _said, done = play(chain)
    wait_for(lambda: look(chain.entry, IDENTITY) == all_of("mutual_tls"), "all routes to go by the new gateway")
    assert foreseen and foreseen == done
    assert "changed=0" in play(chain)[0]
    play(chain, state="absent", install_gateway=False)
    chain.answers("refused")
