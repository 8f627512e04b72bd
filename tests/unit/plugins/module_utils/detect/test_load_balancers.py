# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding load balancers: evidence before names."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import LoadBalancer
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source

from tests.unit.plugins.module_utils.support.cluster import (
    EDGE,
    INJECTOR,
    NGINX_ARGS,
    NGINX_IMAGE,
    Obj,
    container,
    ingress_class,
    live,
    namespace,
    nginx,
    pod,
    workload,
)
from tests.unit.plugins.module_utils.support.known import config_map_namespaces, detect

ARGS = NGINX_ARGS[1:]
CHART = {"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": "controller", "app.kubernetes.io/instance": "x"}
BACKEND = {**CHART, "app.kubernetes.io/component": "default-backend"}


def found(*objects: Obj) -> list[LoadBalancer]:
    return detect(live(*objects))[0]


def codes(*objects: Obj) -> list[tuple[str, str]]:
    return [(item.code, item.object.name if item.object else "") for item in detect(live(*objects))[1]]


SIGNS: dict[str, tuple[Obj, tuple[str, str, str] | None]] = {
    # name: workload, (vendor, confidence, version)
    "all at once": (nginx(labels=CHART, pod_labels=CHART), ("ingress_nginx", "certain", "1.11.0")),
    "its program alone": (nginx(args=["/nginx-ingress-controller"], image="x/y:1"), ("ingress_nginx", "certain", "")),
    "its program behind an init": (
        nginx(args=["/usr/bin/dumb-init", "--", "/nginx-ingress-controller"], image="x"), ("ingress_nginx", "certain", "")),
    "its image alone": (nginx(args=[]), ("ingress_nginx", "certain", "1.11.0")),
    "its mirrored image": (
        nginx(args=[], image="mirror.example.com:5000/k8s/ingress-nginx/controller:v1.9.6@sha256:abc"),
        ("ingress_nginx", "certain", "1.9.6")),
    "its image by digest": (nginx(args=[], image="registry.k8s.io/ingress-nginx/controller@sha256:abc"), ("ingress_nginx", "certain", "")),
    "a build of another house": (nginx(args=[], image="bitnami/nginx-ingress-controller:1.11.1"), ("ingress_nginx", "certain", "1.11.1")),
    "its options alone": (nginx(args=ARGS, image="x/y"), ("ingress_nginx", "likely", "")),
    "half of its options": (nginx(args=["--election-id=x"], image="x/y"), None),
    "its labels alone": (nginx(args=[], image="x/y", pod_labels=CHART), ("ingress_nginx", "possible", "")),
    "a chart under another name": (
        nginx("rke2", args=[], image="x", pod_labels={**CHART, "app.kubernetes.io/name": "rke2-ingress-nginx"}),
        ("ingress_nginx", "possible", "")),
    "labels of its default backend": (nginx(args=[], image="defaultbackend:1.5", pod_labels=BACKEND), None),
    "its image as a word in an argument": (nginx(args=["--for=/nginx-ingress-controller"], image="x"), None),
    "its name as an option's value": (nginx(args=["--service", "edge/nginx-ingress-controller"], image="x"), None),
    "something else": (workload("shop"), None),
    "F5's by image": (nginx(args=[], image="nginx/nginx-ingress:5.6.0"), ("f5_nginx", "certain", "5.6.0")),
    "F5's paid image": (
        nginx(args=[], image="private-registry.nginx.com/nginx-ic/nginx-plus-ingress:5.5.4"), ("f5_nginx", "certain", "5.5.4")),
    "F5's by program": (nginx(args=["/nginx-ingress"], image="x"), ("f5_nginx", "certain", "")),
    "F5's by option": (nginx(args=["-nginx-configmaps=a/b"], image="x"), ("f5_nginx", "likely", "")),
    "nginx itself": (nginx(args=[], image="nginx:1.27"), None),
}  # fmt: skip


@pytest.mark.parametrize(("item", "expected"), SIGNS.values(), ids=SIGNS)
def test_signs_of_a_workload(item: Obj, expected: tuple[str, str, str] | None) -> None:
    assert [(one.vendor, one.confidence, one.version) for one in found(item)] == ([expected] if expected else [])


def test_evidence_is_said() -> None:
    (one,) = found(nginx(pod_labels=CHART), ingress_class())
    assert one.evidence == (
        "container controller runs nginx-ingress-controller", "image ingress-nginx/controller ends in ingress-nginx/controller",
        "arguments --controller-class, --election-id",
        "labels app.kubernetes.io/component=controller, app.kubernetes.io/name=ingress-nginx",
        "IngressClass nginx has controller k8s.io/ingress-nginx",
    )  # fmt: skip


def test_a_sidecar_container_before_the_controller_does_not_hide_it() -> None:
    item = nginx("lb", "--tcp-services-configmap=edge/tcp")
    containers = item["spec"]["template"]["spec"]["containers"]
    containers.insert(0, container("logs", image="fluent/fluent-bit:3"))
    (one,) = found(item)
    assert one.confidence == "certain" and one.settings.tcp_services == "edge/tcp"


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet", "StatefulSet"])
def test_kinds_of_workloads(kind: str) -> None:
    (one,) = found(nginx(kind=kind))
    assert one.workload is not None and (one.workload.kind, one.key, one.label) == (kind, (EDGE, "lb"), "edge/lb")


def test_jobs_and_bare_pods_are_no_load_balancers() -> None:
    job = {**nginx("admission"), "apiVersion": "batch/v1", "kind": "Job"}
    bare = pod("lb", where=EDGE)
    bare["spec"]["containers"] = [container("controller", image=NGINX_IMAGE, args=NGINX_ARGS)]
    assert found(job, bare) == []


def test_pods_of_the_charts_admission_job_are_not_counted_as_its_pods() -> None:
    item = nginx(pod_labels=CHART)
    job = pod("lb", where=EDGE, sidecar=False, name="admission", labels=CHART)
    job["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "lb-admission-create", "controller": True}]
    real = pod("lb", where=EDGE, name="lb-abc-x", labels=CHART)
    real["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "lb-abc", "controller": True}]
    done = pod("lb", where=EDGE, sidecar=False, name="done")
    done["status"]["phase"] = "Succeeded"
    (one,) = found(item, job, real, done)
    assert one.sidecar.injected is True


def test_several_instances_and_classes() -> None:
    second = nginx("second", "--controller-class=k8s.io/second", where="inner")
    classes = [ingress_class(), ingress_class("public"), ingress_class("inner", "k8s.io/second"), ingress_class("alien", "example.com/x")]
    assert [(one.label, one.classes, one.vendor) for one in found(nginx(), second, *classes)] == [
        ("alien", ("alien",), "unknown"), ("edge/lb", ("nginx", "public"), "ingress_nginx"), ("inner/second", ("inner",), "ingress_nginx"),
    ]  # fmt: skip


def test_two_controllers_that_both_call_their_class_nginx() -> None:
    f5 = nginx("f5", where="f5", args=["-nginx-configmaps=f5/x"], image="nginx/nginx-ingress:5.6.0")
    everything = [nginx(), f5, ingress_class("nginx", "nginx.org/ingress-controller")]
    assert {one.vendor: one.classes for one in found(*everything)} == {"ingress_nginx": (), "f5_nginx": ("nginx",)}
    assert ("MLB106", "nginx") not in codes(*everything)


def test_a_class_that_is_known_without_its_workload() -> None:
    (one,) = found(ingress_class())
    assert (one.vendor, one.namespace, one.name, one.placement, one.confidence) == ("unknown", "", "nginx", "external", "possible")
    assert codes(ingress_class()) == [("MLB106", "nginx")]
    assert not one.mode("standalone_mtls").supported and one.mode("chained").supported


@pytest.mark.parametrize(
    ("controller", "expected"),
    [
        ("example.com/x", [("MLB102", "a")]), ("", [("MLB102", "a")]), ("nginx.org/ingress-controller", [("MLB106", "a")]),
        ("webapprouting.kubernetes.azure.com/nginx/b", [("MLB106", "a")]), ("istio.io/ingress-controller", []),
    ],
)  # fmt: skip
def test_classes_without_a_workload(controller: str, expected: list[tuple[str, str]]) -> None:
    assert codes(ingress_class("a", controller)) == expected


def test_what_is_retired_says_so() -> None:
    assert codes(nginx()) == [("MLB103", "lb")]


def test_classes_that_are_served_twice() -> None:
    assert ("MLB109", "nginx") in codes(nginx(), nginx("second"), ingress_class())
    f5 = nginx("f5", args=["-ingress-class=shared"], image="nginx/nginx-ingress:5")
    by_name = nginx("b", "--ingress-class-by-name", "--ingress-class=shared")
    assert ("MLB104", "shared") in codes(f5, by_name, ingress_class("shared", "nginx.org/ingress-controller"))
    assert not {"MLB104", "MLB109"} & {code for code, dummy in codes(nginx(), ingress_class())}


BLOCKED: dict[str, tuple[dict[str, Any], str]] = {
    "the host's network": ({"hostNetwork": True}, "hostNetwork: true"),
    "the proxy's user": ({"securityContext": {"runAsUser": 1337}}, "the pod runs as user or group 1337"),
    "the proxy's group": ({"securityContext": {"runAsGroup": 1337}}, "the pod runs as user or group 1337"),
    "a namespace that is left out": ({"where": "kube-system"}, "leaves namespace kube-system out"),
}


@pytest.mark.parametrize(("more", "said"), BLOCKED.values(), ids=BLOCKED)
def test_what_stands_in_the_way_of_a_sidecar(more: dict[str, Any], said: str) -> None:
    (one,) = found(nginx(**more))
    mode = one.mode("standalone_mtls")
    assert not mode.supported and said in mode.why and len(mode.blockers) == 1
    assert one.mode("standalone_plaintext").supported and one.mode("chained").supported


def test_a_containers_user_counts_but_not_the_proxys() -> None:
    item = nginx()
    containers = item["spec"]["template"]["spec"]["containers"]
    containers.append({"name": "istio-proxy", "securityContext": {"runAsUser": 1337}})
    assert found(item)[0].mode("standalone_mtls").supported
    containers[0]["securityContext"] = {"runAsUser": 1337}
    assert "container controller" in found(item)[0].mode("standalone_mtls").why


def test_ambient_namespaces_are_said() -> None:
    (one,) = found(nginx(), namespace(EDGE, **{"istio.io/dataplane_mode": "ambient"}))
    assert one.mode("standalone_mtls").blockers == ("namespace edge is enrolled in ambient mode",)


def test_placement_on_the_node() -> None:
    assert [one.placement for one in (*found(nginx(hostNetwork=True)), *found(nginx()))] == ["node", "in_cluster"]


def test_a_live_cluster_without_istio_or_an_injector() -> None:
    bare = Source(live=True)
    assert detect(Snapshot([nginx()], bare))[0][0].mode("standalone_mtls").blockers == ("Istio is not installed",)
    served = Source(live=True, available=frozenset({"Sidecar.networking.istio.io"}))
    (mode,) = [one.mode("standalone_mtls") for one in detect(Snapshot([nginx()], served))[0]]
    assert "no sidecar injector is registered" in mode.why
    assert detect(Snapshot([nginx(), INJECTOR], served))[0][0].mode("standalone_mtls").supported


@pytest.mark.parametrize(
    ("objects", "state"),
    [
        ([], {"injected": False, "inbound_capture": "none"}),
        ([namespace(EDGE, istio_injection="enabled")], {"injected": "predicted", "inbound_capture": "all"}),
        ([pod("lb", where=EDGE)], {"injected": True, "inbound_capture": "all"}),
        ([pod("lb", where=EDGE), pod("lb", where=EDGE, sidecar=False)], {"injected": False, "inbound_capture": "none"}),
        ([pod("lb", where=EDGE, annotations={"traffic.sidecar.istio.io/includeInboundPorts": ""})],
         {"injected": True, "inbound_capture": "none"}),
        ([namespace(EDGE, istio_injection="enabled"), pod("lb", where=EDGE, sidecar=False)],
         {"injected": False, "inbound_capture": "none"}),
    ],
)  # fmt: skip
def test_its_sidecar(objects: list[Obj], state: dict[str, Any]) -> None:
    (one,) = found(nginx(), *objects)
    assert one.sidecar.to_result() == state


def test_configmaps_to_read() -> None:
    item = nginx("lb", "--tcp-services-configmap=far/tcp")
    assert config_map_namespaces(Snapshot([item])) == {"istio-system", EDGE, "far"}
