# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cluster would add to manifests, and what its settings say."""

from __future__ import annotations

import pytest

from tests.oracle.cluster import completed, discovered, mesh_settings
from tests.oracle.meshes import parts
from tests.oracle.scene import seen

SELECTED = parts.mesh_settings(
    "discoverySelectors: [{matchLabels: {mesh: 'on'}}, {matchExpressions: [{key: team, operator: In, values: [a]}]}]"
)


def test_settings_are_those_of_the_revision_that_namespaces_ask_for() -> None:
    both = [parts.mesh_settings("a: 1"), parts.mesh_settings("b: 2", "istio-canary")]
    assert mesh_settings(both) == "a: 1"
    assert mesh_settings([*both, parts.namespace("apps", labels={"istio.io/rev": "canary"})]) == "b: 2"
    assert mesh_settings([]) == ""


@pytest.mark.parametrize(("labels", "there"), [({"mesh": "on"}, True), ({"team": "a"}, True), ({"team": "b"}, False), ({}, False)])
def test_namespaces_that_istiod_sees(labels: dict[str, str], there: bool) -> None:
    home = parts.namespace("ingress", labels=labels)
    assert discovered([SELECTED, home], "ingress") == there
    assert discovered([home], "ingress")


def test_what_istiod_reads_of_a_namespace_that_it_does_not_see() -> None:
    """Nothing of Istio's own kinds. Pods and Services are left to its informers."""
    hidden = parts.namespace("other", labels={})
    kinds = [("networking.istio.io/v1", "VirtualService"), ("security.istio.io/v1", "PeerAuthentication"), ("v1", "Service")]
    found = [{"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "other"}} for version, kind in kinds]
    assert [item["kind"] for item in seen([SELECTED, hidden, *found])][1:] == ["Namespace", "Service"]
    assert len(list(seen([hidden, *found]))) == 4


def test_ports_are_of_tcp_where_nothing_is_said() -> None:
    """Istio compares the protocols of a Service's port and of a container's, and finds a named port only where they are the same."""
    pod = parts.pod("apps", "echo-0", "10.0.1.1", {"app": "echo"}, ports=((8080, "web"),))
    ports = [{"port": 80, "targetPort": "web"}]
    service = parts.service("apps", "echo", ports, {"app": "echo"}, ip="10.96.0.10", created="2024-01-01T00:00:00Z")
    found = {item["kind"]: item for item in completed([pod, service])}
    assert found["Pod"]["spec"]["containers"][0]["ports"][0]["protocol"] == "TCP"
    assert found["Service"]["spec"]["ports"][0]["protocol"] == "TCP"
    assert found["EndpointSlice"]["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]


def test_istios_own_kinds_are_read_where_istiod_looks() -> None:
    """Of Kubernetes' kinds, the control plane that is asked leaves them out itself."""
    made = [parts.namespace(home, labels={"mesh": wish}) for home, wish in (("apps", "on"), ("other", "off"))]
    rules = [parts.istio("Sidecar", home, "own", {}, "2024-01-01T00:00:00Z") for home in ("apps", "other")]
    pod = parts.pod("other", "echo-0", "10.0.1.1", {"app": "echo"})
    assert list(seen([SELECTED, *made, *rules, pod])) == [SELECTED, *made, rules[0], pod]
