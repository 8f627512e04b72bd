# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tenant with all rights in one namespace, while the playbook runs with the documented ones: nothing outside that namespace changes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import LOAD_BALANCER, set_mode
from tests.integration.support import apps, rights
from tests.integration.support.cluster import Cluster, Obj
from tests.integration.support.modules import module, run_playbook
from tests.integration.support.objects import Record, differences
from tests.integration.support.traffic import Entry, Target, ask_all, measured, settle

from .attacks import ATTACKS, TENANT, VICTIM, VICTIM_HOST
from .scene import LB, PLACES

ALIKE = {"twin": "headless_twin", "rewrite": "host_rewrite"}
HOSTS = [VICTIM_HOST, "rewrite.victim.example.test"]
ONLY: dict[str, Any] = {"istio_standalone_mtls_load_balancers": ["/".join(LOAD_BALANCER)], "istio_standalone_mtls_prove": False}
KINDS = {
    "": ["services", "configmaps", "serviceaccounts", "pods", "resourcequotas", "limitranges"], "apps": ["deployments"],
    "networking.k8s.io": ["ingresses"], "networking.istio.io": ["destinationrules", "virtualservices", "serviceentries", "sidecars"],
}  # fmt: skip
SAMPLE = "host-of-a-service-pinned"
CHOSEN = [pytest.param(name, marks=[pytest.mark.sample] if name == SAMPLE else []) for name in ATTACKS]


def applications(image: str) -> list[Obj]:
    """The victim's routes, and the tenant's own application, inside of the mesh and outside of it."""
    made = [apps.namespace(VICTIM), apps.namespace(TENANT)]
    for where in (VICTIM, TENANT):
        made += [*apps.echo(where, "echo", image, [8080]), apps.service(where, "echo", {"app": "echo"}, [apps.port(80, 8080, "http")])]
    made += apps.echo(TENANT, "outside", image, [8080], sidecar=False)
    made.append(apps.service(TENANT, "outside", {"app": "outside"}, [apps.port(80, 8080, "http")]))
    for name, strategy in ALIKE.items():
        pin = {"meshlb.istio/strategy": strategy}
        made.append(apps.ingress(VICTIM, name, f"{name}.victim.example.test", ("echo", 80), annotations=pin))
    return made


def tenant_rights() -> list[Obj]:
    """Everything in one namespace."""
    rules = [{"apiGroups": [group], "resources": resources, "verbs": ["*"]} for group, resources in KINDS.items()]
    role = {"apiVersion": f"{rights.RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": TENANT}, "rules": rules}
    return [rights.marked(role), rights.account("tenant"), *rights.within("tenant", TENANT, [TENANT])]


@pytest.fixture(scope="module")
def operator(cluster: Cluster, clean: None, echo_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The kubeconfig of the account that runs the playbooks."""
    cluster.apply(*(rights.marked(role) for role in rights.documented_roles().values()), *applications(echo_image), *tenant_rights())
    for where, name in ((VICTIM, "echo"), (TENANT, "echo"), (TENANT, "outside")):
        cluster.rolled_out(where, f"deployment/{name}")
    set_mode(cluster, "STRICT")
    module(cluster, "lb_sidecar", load_balancer=LB)
    routed = (VICTIM, TENANT, "apps")
    of_routes = dict.fromkeys(("meshlb-routes", "meshlb-ingress-nginx-standalone"), routed)
    places = {**PLACES, **of_routes, "meshlb-prove": (*LOAD_BALANCER[:1], *routed)}
    yield str(rights.bound(cluster, "nightly", tmp_path_factory.mktemp("operator"), places))
    module(cluster, "service_routing", state="absent")
    cluster.delete("namespace", VICTIM, TENANT)
    rights.remove(cluster)


@pytest.fixture(scope="module")
def honest(cluster: Cluster, operator: str) -> Record:
    """The cluster after a run that nobody disturbed."""
    passed(run_playbook("standalone_mtls", operator, **ONLY))
    return outside(rights.recorded(cluster))


def passed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def outside(objects: Record) -> Record:
    """What is not the tenant's."""
    return {key: item for key, item in objects.items() if f"/{TENANT}/" not in key}


@pytest.fixture
def attack(request: pytest.FixtureRequest, cluster: Cluster, honest: Record, tmp_path: Path) -> Iterator[str]:
    """The tenant's objects, applied by the tenant."""
    made = ATTACKS[request.param]
    kubeconfig = rights.kubeconfig(cluster, "tenant", tmp_path)
    tenant = Cluster(str(kubeconfig), cluster.kubectl)
    tenant.run("create", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
    yield request.param
    for item in made:
        tenant.run("delete", "--ignore-not-found", item["kind"], item["metadata"]["name"], "--namespace", TENANT, check=False)


def serves(entry: Entry) -> dict[str, str]:
    answers = ask_all(entry, [Target(host) for host in HOSTS])
    return {target.host: measured(found, entry.identity) for target, found in answers.items()}


@pytest.mark.parametrize("attack", CHOSEN, indirect=True)
def test_nothing_outside_of_the_tenants_namespace_changes(
    cluster: Cluster, operator: str, honest: Record, attack: str, entry: Entry
) -> None:
    done = run_playbook("standalone_mtls", operator, **ONLY)
    assert "Traceback" not in done.stdout + done.stderr
    assert differences(honest, outside(rights.recorded(cluster))) == []
    expected = dict.fromkeys(HOSTS, "mutual_tls")
    assert settle(lambda: serves(entry), expected) == expected
    # A quota keeps the tenant's own objects from being written, and the run fails with their names. Nothing else may fail it.
    if attack != "quota":
        passed(done)


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name.startswith("book")], indirect=True)
def test_rollback_writes_nothing_of_the_tenants_choosing(cluster: Cluster, operator: str, honest: Record, attack: str) -> None:
    before = {key: item for key, item in rights.recorded(cluster).items() if f"/{TENANT}/" in key}
    done = run_playbook("rollback", operator, "--check", "--diff")
    assert "Traceback" not in done.stdout + done.stderr
    module(cluster, "service_routing", state="absent", namespaces=[TENANT])
    after = {key: item for key, item in rights.recorded(cluster).items() if f"/{TENANT}/" in key}
    assert differences(before, after) == []
    assert differences(honest, outside(rights.recorded(cluster))) == []
