# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the stock objects of Emissary are fitted to the lab."""

import json
from typing import Any

import pytest
from meshlab.addons import emissary
from meshlab.cluster import stock


def test_a_kind_keeps_its_newest_version_and_needs_no_conversion() -> None:
    """Others are neither stored nor served."""
    versions = [{"name": name, "served": True, "storage": name == "v2"} for name in ("v1", "v2", "v3alpha1")]
    spec: dict[str, Any] = {"versions": versions, "conversion": {"strategy": "Webhook", "webhook": {}}}
    made = emissary.definition({"kind": "CustomResourceDefinition", "spec": spec})
    assert made["spec"]["versions"] == [{"name": "v3alpha1", "served": True, "storage": True}]
    assert made["spec"]["conversion"] == {"strategy": "None"}


def test_the_deployment_waits_for_nobody_and_keeps_its_annotation() -> None:
    """The annotation that refuses a sidecar is stock, and part of what is tested."""
    template = {
        "metadata": {"annotations": {"sidecar.istio.io/inject": "false"}},
        "spec": {"initContainers": [{"name": "wait"}], "containers": [{"name": "ambassador"}]},
    }
    made = emissary.adapted({"kind": "Deployment", "metadata": {"name": "e"}, "spec": {"replicas": 3, "template": template}})
    assert made
    assert made["spec"]["replicas"] == 1
    assert "initContainers" not in made["spec"]["template"]["spec"]
    assert made["spec"]["template"]["metadata"]["annotations"] == {"sidecar.istio.io/inject": "false"}


def test_what_converts_is_left_out_and_services_stay_inside() -> None:
    """A Role of apiext, and a Service of type LoadBalancer."""
    assert emissary.adapted({"kind": "Role", "metadata": {"name": "emissary-ingress-apiext"}}) is None
    ports = [{"port": 80, "nodePort": 30080}]
    made = emissary.adapted({"kind": "Service", "metadata": {"name": "e"}, "spec": {"type": "LoadBalancer", "ports": ports}})
    assert made
    assert made["spec"] == {"type": "ClusterIP", "ports": [{"port": 80}]}
    entry = emissary.adapted({"kind": "Service", "metadata": {"name": "emissary-ingress"}, "spec": {"ports": [{"port": 80}]}})
    assert entry
    assert [port["port"] for port in entry["spec"]["ports"]] == [80, emissary.STREAM]


ONE, TWO = {"kind": "A", "metadata": {"name": "one"}}, {"kind": "B", "metadata": {"name": "two"}}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ONE) + "\n" + json.dumps(TWO) + "\n",
        json.dumps({"kind": "List", "items": [ONE, TWO]}, indent=4),
    ],
)
def test_objects_as_kubectl_prints_them(text: str) -> None:
    """One after the other, or as a list."""
    assert stock.documents(text) == [ONE, TWO]


def test_python_libraries_are_pinned_by_checksum() -> None:
    """Every line of the requirements."""
    lines = [line for line in emissary.LIBRARIES.requirements.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) > 20
    assert all("==" in line and "--hash=sha256:" in line for line in lines)
