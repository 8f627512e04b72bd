# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Emissary is recognised, what an instance was started with, and which objects it takes notice of."""

from __future__ import annotations

import pytest

from tests.unit.plugins.module_utils.balancers.emissary.support import CLASS, V3, cluster, emissary, mapping, tcp_mapping
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    Obj,
    backend,
    container,
    edge,
    ingress,
    ingress_class,
    live,
    namespace,
    nginx,
    path,
    routes,
    service,
    workload,
)
from tests.unit.plugins.module_utils.support.known import detect, read_routes

LABELS = {"product": "aes", "profile": "main"}
SEEN: dict[str, tuple[Obj, str]] = {
    "the chart's image": (emissary(), "certain"),
    "an older image": (emissary(image="docker.io/emissaryingress/emissary:3.10.0"), "certain"),
    "Edge Stack": (emissary(image="docker.io/datawire/aes:3.11.0"), "certain"),
    "a mirrored image": (emissary(image="registry.example.com/mirror/emissary-ingress/emissary@sha256:0"), "certain"),
    "another release's name": (emissary("gate", pod_labels={"app.kubernetes.io/name": "gate"}), "certain"),
    "as a DaemonSet": (emissary(kind="DaemonSet"), "certain"),
    "an image of another name, by its environment": (emissary(image="registry.example.com/ours/gate:1"), "likely"),
    "its labels alone": (workload("gate", containers=[container("main", image="x/y:1")], pod_labels=LABELS), "possible"),
}


@pytest.mark.parametrize(("item", "confidence"), SEEN.values(), ids=SEEN)
def test_it_is_recognised(item: Obj, confidence: str) -> None:
    (found,), dummy = detect(live(item, CLASS))
    assert (found.vendor, found.confidence, found.classes) == ("emissary", confidence, ("ambassador",))


NOT_SEEN: dict[str, Obj] = {
    "apiext, of the same image": workload(
        "emissary-apiext",
        containers=[container("apiext", image="docker.io/emissaryingress/emissary:3.10.0", command=("apiext", "emissary-apiext"))],
    ),
    "apiext, of its own image": workload("apiext", containers=[container("apiext", image="ghcr.io/emissary-ingress/apiext:4.1.0")]),
    "a class of its name": ingress_class("ambassador", "example.com/other"),
    "a workload of its name": workload("emissary-ingress", containers=[container("main", image="docker.io/library/httpd:2")]),
}


@pytest.mark.parametrize("item", NOT_SEEN.values(), ids=NOT_SEEN)
def test_it_is_not_mistaken(item: Obj) -> None:
    assert "emissary" not in {found.vendor for found in detect(live(item))[0]}


def test_beside_another_load_balancer_each_is_found_once() -> None:
    found, findings = detect(live(*edge(), emissary("gate"), CLASS))
    assert [(item.name, item.vendor) for item in found] == [("gate", "emissary"), ("lb", "ingress_nginx")]
    assert not [item for item in findings if item.code in ("MLB102", "MLB104")]


def test_another_load_balancers_workload_stays_its_own() -> None:
    (found,), dummy = detect(live(nginx("lb", pod_labels=LABELS)))
    assert found.vendor == "ingress_nginx"


def test_the_version_is_the_images() -> None:
    (found,), dummy = detect(live(emissary()))
    assert found.version == "4.1.0"


SINGLE = {"AMBASSADOR_SINGLE_NAMESPACE": "YES"}
OTHER = {"AMBASSADOR_ID": "two"}
SERVED: dict[str, tuple[Obj, Obj, bool]] = {
    "by default": ({}, mapping("a"), True),
    "another's id": ({}, mapping("a", ambassador_id=["two"]), False),
    "its id": (OTHER, mapping("a", ambassador_id=["one", "two"]), True),
    "its id as one word": (OTHER, mapping("a", ambassador_id="two"), True),
    "its id, spelled another way": (OTHER, mapping("a", ambassadorId=["two"]), True),
    "no id is the default one": (OTHER, mapping("a"), False),
    "any id": (OTHER, mapping("a", ambassador_id=["_automatic_"]), True),
    "an empty list is nobody's": ({}, mapping("a", ambassador_id=[]), False),
    "its one namespace": (SINGLE, mapping("a", "shop.apps", where=EDGE), True),
    "outside its one namespace": (SINGLE, mapping("a"), False),
    "with the label that it was told": ({"AMBASSADOR_LABEL_SELECTOR": "team=x"}, mapping("a", labels={"team": "x"}), True),
    "without that label": ({"AMBASSADOR_LABEL_SELECTOR": "team=x"}, mapping("a"), False),
    "a TCPMapping": ({}, tcp_mapping("a"), True),
    "a TCPMapping of another": ({}, tcp_mapping("a", ambassador_id=["two"]), False),
    "an Ingress of its class": ({}, ingress("a", path(backend("shop")), class_name="ambassador"), True),
    "an Ingress of another class": ({}, ingress("a", path(backend("shop")), class_name="nginx"), False),
    "a redirect": ({}, mapping("a", host_redirect=True), False),
}


@pytest.mark.parametrize(("env", "item", "served"), SERVED.values(), ids=SERVED)
def test_what_an_instance_serves(env: Obj, item: Obj, served: bool) -> None:
    assert bool(routes(cluster(item, env=env))) is served


ANNOTATION = f"""
---
apiVersion: {V3}
kind: Mapping
name: shop-mapping
hostname: shop.example.com
prefix: /
service: shop
---
apiVersion: {V3}
kind: Mapping
metadata: {{name: foreign}}
spec: {{hostname: foreign.example.com, prefix: /, service: shop, ambassador_id: [two]}}
---
apiVersion: {V3}
kind: TCPMapping
name: raw
port: 9000
service: shop:81
"""


def annotated(text: str, kind: str = "Service") -> Obj:
    note = {"getambassador.io/config": text}
    if kind == "Service":
        return service("noted", where=APPS, annotations=note)
    made = ingress("noted", class_name="nginx")
    made["metadata"]["annotations"] = note
    return made


@pytest.mark.parametrize("kind", ["Service", "Ingress"])
def test_what_annotations_hold(kind: str) -> None:
    found = routes(cluster(annotated(ANNOTATION, kind)))
    assert [(item.host, item.path, item.backend.service, item.object.name) for item in found] == [
        ("", "tcp:9000", "shop", "noted"), ("shop.example.com", "/", "shop", "noted"),
    ]
    assert not any(item.settable for item in found)
    assert "getambassador.io/config" in found[0].why_not_settable


def test_an_annotation_that_is_no_yaml_is_ignored() -> None:
    assert routes(cluster(annotated("{"))) == []


def test_an_ingress_with_the_class_annotation() -> None:
    item = ingress("a", path(backend("shop")), class_name=None)
    item["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "Ambassador"}
    assert len(routes(cluster(item))) == 1
    item["metadata"]["annotations"]["getambassador.io/ambassador-id"] = "two"
    assert routes(cluster(item)) == []


def test_two_instances_by_id() -> None:
    two = emissary("second", env=OTHER)
    mappings = [mapping("a"), mapping("b", ambassador_id=["two"])]
    snapshot = live(namespace(EDGE), namespace(APPS), emissary("first"), two, CLASS, service("shop"), *mappings)
    found = read_routes(snapshot, detect(snapshot)[0])[0]
    assert [(item.load_balancer[1], item.object.name) for item in found] == [("first", "a"), ("second", "b")]
