# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance's own flags lead to: ConfigMaps, TCP services, the default backend, and Gateways of its own controller."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.routes import RouteReader
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.dialect import Dialect
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.objects import BackendHandling
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.readers import always, gateway_reader
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.settings import (
    config_map_data,
    config_maps_of_flags,
    flag_value,
    neighbours_of,
)
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.streams import default_backend_reader, tcp_services_reader
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import LoadBalancer, ObjectRef, Route
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import ref_of
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, listener, route, rule, to_service
from tests.unit.plugins.module_utils.support.cluster import (
    EDGE,
    Obj,
    config_map,
    container,
    ingress_class,
    live,
    namespace,
    service,
    workload,
)

BALANCER = LoadBalancer("lb", EDGE, "x", "X", workload=ObjectRef("apps/v1", "Deployment", EDGE, "lb"))
TCP = config_map("tcp", **{"9000": "apps/shop:80", "9001": "nonsense"})


def started(*args: str) -> tuple[Obj, Obj]:
    made = container("c", args=args)
    return workload("lb", where=EDGE, containers=[made]), made


def test_flags_and_the_config_maps_that_they_name() -> None:
    lb = started("--a=$(POD_NAMESPACE)/x", "--b=far/y", "--c=z")
    assert [flag_value(*lb, name) for name in "abcd"] == [f"{EDGE}/x", "far/y", "z", ""]
    assert set(config_maps_of_flags("b", "c", "d")(*lb)) == {"far"}
    assert set(config_maps_of_flags("b", own_namespace=True)(*lb)) == {EDGE, "far"}


def test_what_is_near_a_workload() -> None:
    lb, made = started()
    other, far = workload("other", where=EDGE, kind="DaemonSet"), workload("far", where="far")
    near = neighbours_of(live(other, lb, far, TCP, config_map("tcp", where="far"), namespace("far"), ingress_class("web", "x/y")))
    assert [item["metadata"]["name"] for item in near.workloads_in(EDGE)] == ["lb", "other"]
    assert near.config_maps_in(EDGE) == [TCP]
    assert [item["metadata"]["name"] for item in (*near.namespaces, *near.ingress_classes)] == ["far", "web"]
    assert config_map_data(near, f"{EDGE}/tcp") == {"9000": "apps/shop:80", "9001": "nonsense"}
    assert config_map_data(near, f"{EDGE}/gone") == config_map_data(near, "tcp") == {}


def read(reader: RouteReader, snapshot: Snapshot, *only: ObjectRef) -> list[Route]:
    return list(reader.read(snapshot, BALANCER, frozenset(only) if only else None).routes)


@pytest.mark.parametrize(("name", "paths"), [(f"{EDGE}/tcp", ["tcp:9000"]), (f"{EDGE}/gone", []), ("tcp", []), ("", [])])
def test_tcp_services(name: str, paths: list[str]) -> None:
    assert [item.path for item in read(tcp_services_reader(lambda balancer: name), live(service("shop"), TCP))] == paths


@pytest.mark.parametrize(("name", "ports"), [("apps/shop", [80]), ("apps/gone", []), ("shop", []), ("", [])])
def test_the_default_backend(name: str, ports: list[int]) -> None:
    assert [item.backend.port for item in read(default_backend_reader(lambda balancer: name), live(service("shop")))] == ports


def test_only_what_is_asked_for() -> None:
    snapshot, other = live(service("shop"), TCP), ObjectRef("v1", "ConfigMap", EDGE, "other")
    streams, default = tcp_services_reader(lambda balancer: f"{EDGE}/tcp"), default_backend_reader(lambda balancer: "apps/shop")
    assert BALANCER.workload
    assert len(read(streams, snapshot, ref_of(TCP))) == len(read(default, snapshot, BALANCER.workload)) == 1
    assert read(streams, snapshot, other) == read(default, snapshot, other) == []


def test_gateways_of_a_controller_that_is_a_setting_without_some_kinds() -> None:
    listeners = [listener(), listener("t", "TCP", 9000)]
    routes = [route("a", rule(to_service("shop")), kind="TCPRoute"), route("b", rule(to_service("shop")))]
    snapshot = live(service("shop"), gateway_class("example.com/lb"), gateway(*listeners), *routes)
    handle = always(BackendHandling())
    mine = gateway_reader(lambda balancer: {f"example.com/{balancer.name}"}, handle, dialect=Dialect().without("HTTPRoute"))
    assert [item.object.name for item in read(mine, snapshot)] == ["a"]
    assert read(gateway_reader(lambda balancer: set(), handle), snapshot) == []
    assert {item.object.name for item in read(gateway_reader({"example.com/lb"}, handle), snapshot)} == {"a", "b"}
