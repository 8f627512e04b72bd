# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every test on the cluster starts from."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.support import apps, rights
from tests.integration.support.cluster import Cluster, NoCluster, find_cluster
from tests.integration.support.modules import module
from tests.integration.support.traffic import Entry, entry_of

LOAD_BALANCER = ("ingress-nginx", "ingress-nginx-controller")


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster; where there is none every test fails, as nothing was shown."""
    try:
        return find_cluster()
    except NoCluster as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def accounts(cluster: Cluster) -> Iterator[None]:
    """A place for service accounts."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": rights.NAMESPACE}})
    yield
    # Waited for: another session may follow at once, and would find it on its way out.
    cluster.delete("namespace", rights.NAMESPACE)


@pytest.fixture(scope="session")
def entry(cluster: Cluster) -> Entry:
    """The lab's ingress-nginx."""
    return entry_of(cluster, *LOAD_BALANCER, LOAD_BALANCER[1])


def set_connections_age(cluster: Cluster, age: str | None) -> None:
    """After how long the load balancer ends a connection to a backend; none: its own default."""
    patch = json.dumps({"data": {"upstream-keepalive-time": age}})
    cluster.run("patch", "configmap", LOAD_BALANCER[1], "--namespace", LOAD_BALANCER[0], "--type=merge", f"--patch={patch}")


@pytest.fixture(scope="module")
def short_connections(cluster: Cluster) -> Iterator[None]:
    """The load balancer's connections to backends end after a second.

    What was connected before a change stays as it was until it is closed, and requests that never pause keep it open. Here it is the
    change that is measured.
    """
    set_connections_age(cluster, "1s")
    yield
    set_connections_age(cluster, None)


@pytest.fixture(scope="session")
def echo_image(cluster: Cluster) -> str:
    """The lab's application."""
    return cluster.image_of("apps", "echo")


@pytest.fixture(scope="module")
def clean(cluster: Cluster) -> Iterator[None]:
    """A load balancer without a sidecar and without our routing, and no mesh-wide policy, before and after."""

    def take_back() -> None:
        module(cluster, "service_routing", state="absent")
        module(cluster, "lb_sidecar", load_balancer=dict(zip(("namespace", "name"), LOAD_BALANCER, strict=True)), state="absent")
        cluster.delete("peerauthentication", "default", "--namespace", "istio-system")

    take_back()
    yield
    take_back()


def set_mode(cluster: Cluster, mode: str) -> None:
    """The mesh-wide policy."""
    cluster.apply(apps.peer_authentication(mode))
