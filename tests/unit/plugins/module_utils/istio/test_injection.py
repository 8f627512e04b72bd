# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods would get a sidecar, and what is known of the mesh that gives it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.endpoints import pods_selected
from ansible_collections.meshlb.istio.plugins.module_utils.istio.injection import has_proxy, predicts_injection
from ansible_collections.meshlb.istio.plugins.module_utils.istio.mesh import read_mesh
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import labels_of
from ansible_collections.meshlb.istio.plugins.module_utils.kube.pods import container_port
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    INJECTOR,
    LIVE,
    PROXY,
    ROOT,
    Obj,
    container,
    mesh_config,
    namespace,
    obj,
    pod,
    workload,
)

INJECT, REVISION = "sidecar.istio.io/inject", "istio.io/rev"
ENABLED, DISABLED = namespace(APPS, istio_injection="enabled"), namespace(APPS, istio_injection="disabled")
REVISED = obj("v1", "Namespace", "", APPS, labels={REVISION: "canary"})

INJECTED: dict[str, tuple[Obj | None, dict[str, Any], bool, str]] = {
    # name: namespace, what is special about the workload, injected, what is said
    "nobody asks": (namespace(APPS), {}, False, "asks for injection"),
    "no namespace is known": (None, {}, False, "asks for injection"),
    "the namespace": (ENABLED, {}, True, "istio-injection=enabled"),
    "the namespace's revision": (REVISED, {}, True, "istio.io/rev=canary"),
    "the pod": (namespace(APPS), {"pod_labels": {INJECT: "true"}}, True, "labelled sidecar.istio.io/inject=true"),
    "the pod's revision": (namespace(APPS), {"pod_labels": {REVISION: "canary"}}, True, "istio.io/rev=canary"),
    "the pod says no": (ENABLED, {"pod_labels": {INJECT: "false"}}, False, "labelled sidecar.istio.io/inject=false"),
    "the pod says no by annotation": (ENABLED, {"annotations": {INJECT: "false"}}, False, "annotated"),
    "the label beats the annotation": (ENABLED, {"annotations": {INJECT: "false"}, "pod_labels": {INJECT: "true"}}, True, "labelled"),
    "an annotation alone asks nobody": (namespace(APPS), {"annotations": {INJECT: "true"}}, False, "asks for injection"),
    "another word than true or false is none": (ENABLED, {"pod_labels": {INJECT: "yes"}}, True, "istio-injection=enabled"),
    "another word alone is no wish": (namespace(APPS), {"pod_labels": {INJECT: "yes"}}, False, "asks for injection"),
    "the namespace says no": (DISABLED, {"pod_labels": {INJECT: "true"}}, False, "istio-injection=disabled"),
    "the host's network": (ENABLED, {"hostNetwork": True}, False, "host's network"),
}


@pytest.mark.parametrize(("home", "more", "injected", "said"), INJECTED.values(), ids=INJECTED)
def test_who_would_be_injected(home: Obj | None, more: dict[str, Any], injected: bool, said: str) -> None:
    template = workload("shop", **more)["spec"]["template"]
    found, why = predicts_injection(labels_of(home or {}), APPS, template)
    assert found is injected and said in why


def test_namespaces_that_the_injector_leaves_out() -> None:
    template = workload("x", pod_labels={INJECT: "true"})["spec"]["template"]
    assert predicts_injection({}, "kube-system", template)[0] is False


def test_a_proxy_alone_is_a_gateway_and_no_sidecar() -> None:
    assert has_proxy(pod("shop")) and not has_proxy(pod("shop", sidecar=False))
    assert not has_proxy({"spec": {"containers": [PROXY]}})
    native = {"spec": {"containers": [container("main")], "initContainers": [{**PROXY, "restartPolicy": "Always"}]}}
    assert has_proxy(native)


def test_pods_are_made_up_only_where_none_runs() -> None:
    planned = workload("shop", serviceAccountName="own")
    (made,) = pods_selected(Snapshot([ENABLED, planned]), APPS, {"app": "shop"})
    assert (made.name, made.ip, made.sidecar, made.tls_mode) == ("shop-*", "", True, "istio")
    assert made.spiffe("td") == f"spiffe://td/ns/{APPS}/sa/own"
    running, done = pod("shop", name="b"), pod("shop", name="a")
    done["status"]["phase"] = "Succeeded"
    found = pods_selected(Snapshot([ENABLED, planned, running, done, pod("shop", where="other")]), APPS, {"app": "shop"})
    assert [item.name for item in found] == ["b"]
    assert pods_selected(Snapshot([running]), APPS, {}) == () == pods_selected(Snapshot([running]), APPS, {"app": "shop", "x": "y"})


@pytest.mark.parametrize(("target", "number"), [(9000, 9000), ("9000", 9000), ("web", 8080), ("none", 0)])
def test_target_ports(target: int | str, number: int) -> None:
    assert container_port(pod("shop", web=8080), target) == number


def istiod(name: str = "istiod", where: str = ROOT) -> Obj:
    made = container("discovery", image="docker.io/istio/pilot:1.31.1-distroless", args=["discovery"])
    return workload(name, where=where, containers=[made], labels={"app": "istiod"})


OTHER_HOOK = obj("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", "certificates", webhooks=[{"clientConfig": {}}])
AMBIENT = obj("v1", "Namespace", "", "mesh", labels={"istio.io/dataplane-mode": "ambient"})
PLANES: dict[str, tuple[list[Obj], Source, str]] = {
    "nothing": ([], Source(), "none"),
    "a webhook of something else": ([OTHER_HOOK], Source(), "none"),
    "an injector": ([INJECTOR], LIVE, "sidecar"),
    "a control plane": ([istiod()], Source(), "sidecar"),
    "manifests": ([], Source(live=False), "sidecar"),
    "ambient beside it": ([INJECTOR, AMBIENT], LIVE, "both"),
    "ambient alone": ([AMBIENT], LIVE, "ambient"),
    "a ztunnel": ([workload("ztunnel", kind="DaemonSet", where=ROOT)], LIVE, "ambient"),
}


@pytest.mark.parametrize(("objects", "source", "plane"), PLANES.values(), ids=PLANES)
def test_data_planes(objects: list[Obj], source: Source, plane: str) -> None:
    assert read_mesh(Snapshot(objects, source)).data_plane == plane


def test_facts_of_the_mesh() -> None:
    text = "trustDomain: td.example.com\nenableAutoMtls: false\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\n"
    found = read_mesh(Snapshot([istiod(), istiod("second"), mesh_config(text)], LIVE))
    assert found.to_result() == {
        "installed": True, "versions": ["1.31.1"], "revisions": ["default"], "data_plane": "sidecar", "trust_domain": "td.example.com",
        "root_namespace": ROOT, "outbound_traffic_policy": "REGISTRY_ONLY",
    }  # fmt: skip
    assert found.auto_mtls is False


def test_where_istio_is_not() -> None:
    assert not read_mesh(Snapshot([], Source())).installed
    assert read_mesh(Snapshot([], LIVE)).installed and read_mesh(Snapshot([], Source(live=False))).installed


def test_a_revision_has_settings_of_its_own() -> None:
    revised = {**mesh_config("trustDomain: b"), "metadata": {"name": "istio-canary", "namespace": "cp"}}
    one = istiod("istiod-canary", "cp")
    one["metadata"]["labels"] = {"app": "istiod", REVISION: "canary"}
    found = read_mesh(Snapshot([one, revised, mesh_config("trustDomain: a")], LIVE))
    assert (found.revisions, found.trust_domain, found.root_namespace) == (("canary",), "b", "cp")
