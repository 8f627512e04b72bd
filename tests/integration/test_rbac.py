# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each playbook runs with exactly the rights that docs/rbac gives it, bound as docs/rbac.md says, and with nothing more."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import LOAD_BALANCER
from tests.integration.support import apps, rights
from tests.integration.support.cluster import Cluster
from tests.integration.support.modules import run_playbook
from tests.integration.support.objects import differences
from tests.integration.support.traffic import Entry, Target, ask_all, measured, settle

ROUTED = "apps"
SETTINGS = ("istio-system", LOAD_BALANCER[0])
# What strategies write: annotations, a headless Service with its rule, a ServiceEntry and a DestinationRule, a VirtualService.
PINS = {
    "rights-rewrite": ("echo-http", 80, "host_rewrite"), "rights-twin": ("echo-same", 8088, "headless_twin"),
    "rights-entry": ("echo-b", 80, "host_entry"), "rights-alias": ("echo-8000", 8000, "host_alias"),
}  # fmt: skip
# The role's variables; nothing else in the cluster is planned for.
ONLY = {
    "istio_standalone_mtls_namespaces": [ROUTED], "istio_standalone_mtls_load_balancers": ["/".join(LOAD_BALANCER)],
    "istio_standalone_mtls_pinnable_strategies": sorted({strategy for _service, _port, strategy in PINS.values()}),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def routes(cluster: Cluster, clean: None) -> Iterator[None]:
    """Routes that need every kind of change, and the documented roles."""
    cluster.apply(*(rights.marked(role) for role in rights.documented_roles().values()))
    for name, (service, number, strategy) in PINS.items():
        pin = {"meshlb.istio/strategy": strategy}
        cluster.apply(apps.ingress(ROUTED, name, f"{name}.example.test", (service, number), annotations=pin))
    yield
    cluster.delete("ingress", *PINS, "--namespace", ROUTED)
    rights.remove(cluster)


OF_THE_FRONT = "meshlb-ingress-nginx-standalone"


def account(cluster: Cluster, folder: Path, name: str, *bound: str) -> str:
    """A service account with some of the roles, each bound where the page says; gives its kubeconfig."""
    places = {
        "meshlb-settings": SETTINGS, "meshlb-prove": (LOAD_BALANCER[0], ROUTED), "meshlb-load-balancer": LOAD_BALANCER[:1],
        "meshlb-routes": (ROUTED,), OF_THE_FRONT: (ROUTED,),
    }  # fmt: skip
    return str(rights.bound(cluster, name, folder, {role: places.get(role, ()) for role in bound}))


def passed(done: subprocess.CompletedProcess[str]) -> str:
    """The output of a playbook that has to succeed, without a word of what could not be read."""
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "MLB105" not in done.stdout, "something could not be read"
    return done.stdout


LOOK = ("meshlb-assess", "meshlb-settings")


def test_assess_needs_to_look(cluster: Cluster, tmp_path: Path) -> None:
    before = rights.recorded(cluster)
    output = passed(run_playbook("assess", account(cluster, tmp_path, "looks", *LOOK), **ONLY))
    assert "rights-entry.example.test /" in output and "host_entry" in output
    assert differences(before, rights.recorded(cluster)) == []


def test_check_mode_needs_to_look(cluster: Cluster, tmp_path: Path) -> None:
    before = rights.recorded(cluster)
    passed(run_playbook("standalone_mtls", account(cluster, tmp_path, "checks", *LOOK), "--check", "--diff", **ONLY))
    assert differences(before, rights.recorded(cluster)) == []


def test_looking_is_not_enough_to_write(cluster: Cluster, tmp_path: Path) -> None:
    before = rights.recorded(cluster)
    done = run_playbook("standalone_mtls", account(cluster, tmp_path, "writes-not", *LOOK), **ONLY)
    assert done.returncode != 0
    assert "cannot patch resource" in done.stdout + done.stderr and "docs/rbac.md" in done.stdout + done.stderr
    assert differences(before, rights.recorded(cluster)) == []


def test_the_whole_way_and_back(cluster: Cluster, entry: Entry, tmp_path: Path) -> None:
    before = rights.recorded(cluster)
    writes = ("meshlb-load-balancer", "meshlb-routes", OF_THE_FRONT)
    every = account(cluster, tmp_path, "establishes", *LOOK, *writes, "meshlb-prove")
    output = passed(run_playbook("standalone_mtls", every, **ONLY))
    assert f"{len(PINS)} of {len(PINS)} routes reach mutual TLS by plan, {len(PINS)} proven by the proxies" in output
    targets = [Target(f"{name}.example.test") for name in PINS]
    expected = dict.fromkeys(targets, "mutual_tls")
    assert settle(lambda: {key: measured(found, entry.identity) for key, found in ask_all(entry, targets).items()}, expected) == expected

    proves = account(cluster, tmp_path, "proves", *LOOK, "meshlb-prove")
    methods = {"istio_standalone_mtls_proof_methods": ["configuration", "traffic"]}
    address = {"istio_standalone_mtls_entrypoint": f"http://{entry.address}:{entry.port}"}
    assert f"{len(PINS)} of {len(PINS)} routes proven" in passed(run_playbook("prove", proves, **ONLY, **methods, **address))

    # Whether there are chains as well has to be looked for.
    goes_back = account(cluster, tmp_path, "goes-back", *LOOK, *writes, "meshlb-chained-read")
    # In whole: a rollback of some namespaces leaves the sidecar to the others.
    passed(run_playbook("rollback", goes_back))
    assert differences(before, rights.recorded(cluster)) == []


def test_no_rule_is_for_secrets_or_for_everything() -> None:
    for name, role in rights.documented_roles().items():
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], f"{name} has a wildcard"
            assert "secrets" not in rule["resources"], f"{name} reads Secrets"
        assert json.dumps(role["rules"]).count("pods/portforward") == (name == "meshlb-prove")
        assert "pods/exec" not in json.dumps(role["rules"]), f"{name} may run commands"
