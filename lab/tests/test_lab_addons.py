# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What addons need, and what they take from their modules."""

import hashlib
from pathlib import Path

import pytest
from meshlab import addons
from meshlab.addons import contour, envoy, envoy_gateway, gateway_api
from meshlab.addons.base import Addon


def test_what_an_addon_needs_is_installed_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named or not."""
    table = {name: Addon(name, install=lambda cluster: None, needs=needs) for name, needs in (("kinds", ()), ("lb", ("kinds",)))}
    monkeypatch.setattr(addons, "ADDONS", table)
    assert [addon.name for addon in addons.select(["lb"])] == ["kinds", "lb"]
    assert [addon.name for addon in addons.select(["kinds"])] == ["kinds"]


def test_needs_are_in_the_table_before_those_who_need_them() -> None:
    """The table's order is the order of installation."""
    names = list(addons.ADDONS)
    for addon in addons.ADDONS.values():
        assert all(names.index(need) < names.index(addon.name) for need in addon.needs), addon.name


def test_only_kinds_of_the_gateway_api_are_applied(tmp_path: Path) -> None:
    """Neither the guard against other sets, nor what is meant for Kustomize."""
    kind = "gateway.networking.k8s.io_httproutes.yaml"
    for name in (kind, "gateway.networking.k8s.io_vap_safeupgrades.yaml", "kustomization.yaml"):
        (tmp_path / name).touch()
    assert gateway_api.files(tmp_path) == [tmp_path / kind]


def test_contour_runs_from_the_lab_s_images_and_takes_nothing_of_the_node() -> None:
    """Its own image, Envoy's beside it, and no port of the node."""
    containers = [
        {"image": "ghcr.io/projectcontour/contour:v1.33.8"},
        {"image": "docker.io/envoyproxy/envoy:distroless-v1.38.9", "ports": [{"containerPort": 8080, "hostPort": 80}]},
    ]
    pod = {"containers": containers, "terminationGracePeriodSeconds": 300}
    made = contour.adapted({"kind": "DaemonSet", "metadata": {"name": "envoy"}, "spec": {"template": {"spec": pod}}})
    found = contour.containers(made)
    assert [item["image"] for item in found] == [contour.IMAGE.ref, envoy.IMAGE.ref]
    assert found[1]["ports"] == [{"containerPort": 8080}]


def test_contour_is_told_of_its_gateway() -> None:
    """Otherwise it does not look for one."""
    made = contour.adapted({"kind": "ConfigMap", "metadata": {"name": "contour"}, "data": {"contour.yaml": "tls:\n"}})
    text = made["data"]["contour.yaml"]
    assert text.startswith("tls:\n")
    assert "\ngateway:\n" in text
    assert "\n---" not in text


def test_services_stay_inside_the_cluster() -> None:
    """No address of a cloud, no port of the node, and nothing that only those may say."""
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80, "nodePort": 30080}]}
    made = contour.adapted({"kind": "Service", "metadata": {"name": "envoy"}, "spec": spec})
    assert made["spec"] == {"type": "ClusterIP", "ports": [{"port": 80}]}


def test_the_name_of_envoy_gateway_s_proxy_is_made_from_its_gateway() -> None:
    """The operator hashes namespace and name."""
    place = "envoy-gateway-system/lab"
    assert place.replace("/", "-") in envoy_gateway.PROXY
    assert envoy_gateway.PROXY.endswith(hashlib.sha256(place.encode()).hexdigest()[:8])


def test_who_waits_for_the_gateway_api_needs_it() -> None:
    """Contour and Envoy Gateway look for its kinds when they start."""
    assert all("gateway-api" in addon.needs for addon in (contour.ADDON, envoy_gateway.ADDON))
