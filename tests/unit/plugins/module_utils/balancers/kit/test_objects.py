# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of an object of any kind, the classes of Ingresses, and parameters of a Gateway: what every vendor's reading shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.classes import takes_class
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.declared import backend_of
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.policies import parameters_of
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.objects import (
    BackendHandling,
    ServedObject,
    is_watched,
    object_reader,
)
from ansible_collections.meshlb.istio.plugins.module_utils.core.findings import finding
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Finding, LoadBalancer, Route
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import dig, ref_of

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class
from tests.unit.plugins.module_utils.balancers.support import noted
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, Obj, backend, ingress, live, obj, path, service

KIND = "Thing.example.com"
BALANCER = LoadBalancer("lb", EDGE, "any", "Any", classes=("web",))


def thing(name: str, to: str = "shop", **annotations: str) -> Obj:
    return noted(obj("example.com/v1", "Thing", APPS, name, spec={"to": to}), **annotations)


def read(item: ServedObject) -> Iterator[Route | Finding]:
    to = str(dig(item.obj, "spec", "to"))
    if to:
        yield item.route((APPS, to, "http"), BackendHandling(scheme="tls", features=("weights", "canary")), host="a.example.com")
    else:
        yield finding("MLB208", "it names nothing", ref_of(item.obj))


def test_routes_of_a_kind_of_its_own() -> None:
    home = obj("v1", "Namespace", "", APPS, annotations={"meshlb.istio/strategy": "host_entry"})
    things = [thing("a", **{"meshlb.istio/ignore": "true"}), thing("b", "")]
    reading = object_reader(KIND, read).read(live(home, service("shop"), *things), BALANCER, None)
    (route,) = reading.routes
    assert route.ignored and route.pinned_strategy == "host_entry"
    assert (route.load_balancer, route.host, route.path, route.backend.port, route.upstream.scheme) == (
        (EDGE, "lb"), "a.example.com", "/", 80, "tls")  # fmt: skip
    assert route.upstream_group == "Thing-apps-a-apps-shop-http" and route.features == ("canary", "weights")
    assert [item.code for item in reading.findings] == ["MLB208"]


def test_only_the_objects_that_are_asked_for_and_carried() -> None:
    snapshot, reader = live(service("shop"), thing("a"), thing("b")), object_reader(KIND, read)
    other = obj("example.org/v1", "Thing", APPS, "b")
    asked = frozenset({ref_of(thing("a")), ref_of(other), ref_of(thing("gone"))})
    assert [item.object.name for item in reader.read(snapshot, BALANCER, asked).routes] == ["a"]
    carried = object_reader(KIND, read, lambda load_balancer, item: item["metadata"]["name"] == "b")
    assert [item.object.name for item in carried.read(snapshot, BALANCER, None).routes] == ["b"]


@pytest.mark.parametrize(("reference", "port", "name"), [(80, 80, "http"), ("http", 80, "http"), (81, 81, "81"), ("x", 0, "x")])
def test_the_port_that_a_reference_names(reference: int | str, port: int, name: str) -> None:
    found = backend_of(service("shop"), APPS, "shop", reference)
    assert (found.port, found.port_name) == (port, name)
    assert backend_of({}, APPS, "shop", reference).protocol == "unknown"


@pytest.mark.parametrize(
    ("class_name", "annotation", "served"),
    [("web", None, True), (None, "web", True), ("x", "web", False), (None, None, True), (None, "", False)],
)  # fmt: skip
def test_ingresses_without_a_class(class_name: str | None, annotation: str | None, served: bool) -> None:
    made = ingress("a", path(backend("shop")), class_name=class_name)
    item = noted(made, **({} if annotation is None else {"kubernetes.io/ingress.class": annotation}))
    assert takes_class(BALANCER, item, without_class=True) is served
    assert takes_class(BALANCER, item) is (served and "web" in (class_name, annotation))


def test_watched_namespaces() -> None:
    assert is_watched((), thing("a")) and is_watched((APPS,), thing("a")) and not is_watched(("x",), thing("a"))


def test_parameters_of_a_gateway_and_of_its_class() -> None:
    wide, narrow = (obj("example.com/v1", "Thing", where, name) for where, name in (("x", "wide"), (EDGE, "narrow")))
    of_class = gateway_class("c")
    of_class["spec"]["parametersRef"] = {"kind": "Thing", "namespace": "x", "name": "wide"}
    made = gateway(infrastructure={"parametersRef": {"kind": "Thing", "name": "narrow"}})
    assert parameters_of(live(wide, narrow, of_class).get, KIND, made) == (narrow, wide)
    assert parameters_of(live(wide, narrow).get, KIND, made) == (narrow, None)
    assert parameters_of(live(wide, narrow, of_class).get, "Other.example.com", made) == (None, None)
