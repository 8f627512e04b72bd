# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of a load balancer's own kinds: what is read, which Service port is meant, and what the user's annotations ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.routes import RouteReading
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.declared import DeclaredRoute, ServiceReference, host_among
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.objects import ServedObject, object_reader
from ansible_collections.meshlb.istio.plugins.module_utils.core.findings import finding
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Backend, Finding, LoadBalancer, Upstream
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import namespace_of, ref_of
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.cluster import APPS, Obj, live, namespace, obj, port, service

KIND = "Thing.example.com"
BALANCER = LoadBalancer("lb", "edge", "x", "X", "in_cluster")


def thing(name: str, where: str = APPS, annotations: Obj | None = None, **spec: object) -> Obj:
    return obj("example.com/v1", "Thing", where, name, annotations=annotations, spec=spec)


def by_annotation(found: Obj) -> Upstream:
    return Upstream("cluster_ip" if found.get("metadata", {}).get("annotations", {}).get("to") == "service" else "pod_ips")


def declared(served: ServedObject) -> Iterator[DeclaredRoute | Finding]:
    item, spec = served.obj, served.obj["spec"]
    if spec.get("bad"):
        yield finding("MLB208", f"{served.load_balancer.name} does not read it", ref_of(item))
    reference = ServiceReference(namespace_of(item), "shop", spec.get("port", 80))
    why = str(spec.get("why", ""))
    yield DeclaredRoute(reference, "a.example.com", upstream=by_annotation, features=["weights", "canary"], why_not_settable=why)


def read(snapshot: Snapshot, *only: Obj) -> RouteReading:
    reader = object_reader(KIND, declared, lambda load_balancer, item: not item["spec"].get("foreign"))
    assert reader.kinds == (KIND,)
    return reader.read(snapshot, BALANCER, frozenset(map(ref_of, only)) if only else None)


def test_a_route_holds_what_its_object_declares() -> None:
    (found,) = read(live(service("shop", port("http", 80)), thing("a", port="http"), thing("b", foreign=True))).routes
    assert (found.load_balancer, found.object.name, found.host, found.path) == (("edge", "lb"), "a", "a.example.com", "/")
    assert found.backend == Backend(APPS, "shop", 80, "http", "http") and found.features == ("canary", "weights")
    assert found.upstream.address == "pod_ips" and found.settable and not found.ignored and not found.pinned_strategy


def test_an_upstream_may_depend_on_the_service() -> None:
    (found,) = read(live(service("shop", annotations={"to": "service"}), thing("a"))).routes
    assert found.upstream.address == "cluster_ip"


def test_what_the_user_asks_for() -> None:
    space = namespace(APPS)
    space["metadata"]["annotations"] = {"meshlb.istio/strategy": "host_entry"}
    items = [thing("a", annotations={"meshlb.istio/ignore": "true"}), thing("b", annotations={"meshlb.istio/strategy": "service_vip"})]
    first, second = read(live(space, *items)).routes
    assert (first.ignored, first.pinned_strategy) == (True, "host_entry")
    assert (second.ignored, second.pinned_strategy) == (False, "service_vip")


def test_why_a_route_cannot_be_set() -> None:
    (found,) = read(live(thing("a", why="it is old"))).routes
    assert (found.settable, found.why_not_settable) == (False, "it is old")


def test_findings_are_told_beside_the_routes() -> None:
    found = read(live(thing("a", bad=True)))
    assert [item.message for item in found.findings] == ["lb does not read it"] and len(found.routes) == 1


def test_only_the_objects_that_are_asked_for() -> None:
    items = [thing("a"), thing("b"), thing("a", where="other")]
    snapshot = live(*items, obj("example.org/v1", "Thing", APPS, "b", spec={}))
    assert [item.object.name for item in read(snapshot, items[1]).routes] == ["b"]
    assert len(read(snapshot).routes) == 3
    assert read(snapshot, obj("example.org/v1", "Thing", APPS, "b", spec={}), thing("gone")).routes == ()


@pytest.mark.parametrize(
    ("headers", "host"),
    [([], None), ([{"name": "X", "value": "a"}], None), ([{"name": "X"}, {"name": "HOST", "value": "a"}], "a"), ([{"name": "host"}], "")],
)
def test_the_host_among_headers(headers: list[Obj], host: str | None) -> None:
    assert host_among(headers) == host


def test_what_is_declared_twice_counts_once() -> None:
    def twice(served: ServedObject) -> Iterator[DeclaredRoute | Finding]:
        yield from (*declared(served), *declared(served))

    found = object_reader(KIND, twice).read(live(thing("a", bad=True)), BALANCER, None)
    assert (len(found.routes), len(found.findings)) == (1, 1)
