# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy Ingress (jcmoraisjr): its other routes, and plans."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Upstream

from tests.unit.plugins.module_utils.balancers.gateways import gateway, rewrite, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.haproxy_ingress.support import (
    HEADERS,
    ON,
    OTHER_HOST,
    POD,
    REFUSED,
    VIP,
    annotations,
    cluster,
    ingress,
    lb,
    meshed,
    noted,
    one,
    reading,
    routes,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, PUBLIC, Obj, annotated, backend, config_map, obj, path, service
from tests.unit.plugins.module_utils.support.planning import contents, run, taken_back

ATTACHES = "quay.io/jcmoraisjr/haproxy-ingress:v0.15.3"


def test_other_routes() -> None:
    tcp = config_map("tcp", **{"9000": "apps/shop:80:PROXY"})
    found = routes(service("shop"), tcp, args=["--default-backend-service=apps/shop"])
    assert [(item.path, item.settable, item.upstream) for item in found] == [
        ("default-backend", True, Upstream(POD)), ("tcp:9000", False, Upstream(POD, "", "tcp")),
    ]  # fmt: skip
    listened = one(service("shop"), ingress(tcp_service_port="5432"))
    assert (listened.path, listened.upstream.scheme, listened.path_type) == ("tcp:5432", "tcp", "Stream")
    default = one(noted(**ON), args=["--default-backend-service=apps/shop"])
    assert default.upstream.address == VIP
    assert routes(service("shop"), ingress(redirect_to="https://x.example.com")) == []


@pytest.mark.parametrize(
    ("options", "kind", "expected"),
    [
        ({}, "Prefix", ("Prefix", False)), ({"path_type": "exact"}, "ImplementationSpecific", ("Exact", False)),
        ({"path_type": "regex"}, "ImplementationSpecific", ("ImplementationSpecific", True)),
        ({"path_type": "regex"}, "Exact", ("Exact", False)),
        ({"rewrite_target": "/"}, "Prefix", ("Prefix", True)),
    ],
)  # fmt: skip
def test_paths(options: dict[str, str], kind: str, expected: tuple[str, bool]) -> None:
    found = one(service("shop"), ingress("a", path(backend("shop"), "/x", kind), **options))
    assert (found.path_type, found.rewrites_path) == expected


def test_gateway_routes_go_to_pods_whatever_is_set() -> None:
    made = noted(headers="host: x.example.com", **ON)
    found = one(made, gateway(), route("a", rule(to_service("shop"), filters=[rewrite("y.example.com")])), lb(**ON), image=ATTACHES)
    assert (found.upstream, found.settable) == (Upstream(POD, "x.example.com"), False)
    assert routes(made, gateway(), route("a", rule(to_service("shop")), kind="GRPCRoute"), image=ATTACHES) == []
    assert routes(made, gateway(), route("a", rule(to_service("shop"))), args=["--watch-gateway=false"], image=ATTACHES) == []
    header = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "Host", "value": "z.example.com"}]}}
    found = one(service("shop"), gateway(), route("a", rule(to_service("shop"), filters=[header])), image=ATTACHES)
    assert found.upstream.host == "z.example.com"


def test_gateway_routes_are_not_read_by_releases_that_know_their_first_versions_alone() -> None:
    """Seen in the lab: 0.14.7 asks for v1alpha2, does not find it, and serves none of them."""
    found = reading(cluster(service("shop"), gateway(), route("a", rule(to_service("shop")))))
    assert (found.routes, [item.code for item in found.findings]) == ((), ["MLB220"])


def test_reading_only_some_objects_gives_the_same_routes() -> None:
    tcp = config_map("tcp", **{"9000": "apps/shop:80"})
    snapshot = cluster(
        service("shop"), tcp, ingress("a"), ingress("b", path(backend("shop", 81)), **OTHER_HOST), gateway(),
        route("c", rule(to_service("shop"))),
        args=["--default-backend-service=apps/shop"], image=ATTACHES,
    )  # fmt: skip
    everything = reading(snapshot).routes
    assert len(everything) == 5
    for item in everything:
        assert reading(snapshot, frozenset([item.object])).routes == (item,)


@pytest.mark.parametrize(("strategy", "written"), [
    ("host_rewrite", ["patch Service apps/shop"]),
    ("host_alias", ["create VirtualService edge/meshlb-alias-shop.example.com", "patch Service apps/shop"]),
    ("host_entry", ["create DestinationRule edge/meshlb-entry-shop.example.com", "create ServiceEntry edge/meshlb-entry-shop.example.com"]),
    ("headless_twin", ["create DestinationRule apps/shop0meshlb", "create Service apps/shop0meshlb"]),
])  # fmt: skip
def test_strategies(strategy: str, written: list[str]) -> None:
    snapshot = meshed(ingress())
    found = run(snapshot, strategy)
    assert (found.verdicts, found.written) == ({"mutual_tls"}, written)
    again = run(found.after, strategy)
    assert (again.written, again.strategies) == ([], found.strategies)
    assert contents(taken_back(found.after)) == contents(snapshot)


def test_service_routing_alone_is_for_undeclared_ports() -> None:
    found = run(meshed(ingress(), declared="web"), "service_vip")
    assert (found.verdicts, annotations(found.after)) == ({"mutual_tls"}, {"service-upstream": "true"})
    assert run(meshed(ingress()), "service_vip").written == []


@pytest.mark.parametrize(("objects", "options", "image", "expected"), HEADERS.values(), ids=HEADERS)
def test_headers_are_kept(objects: list[Obj], options: dict[str, str], image: str, expected: dict[str, str]) -> None:
    snapshot = meshed(*objects, image=image, **options)
    found = run(snapshot, "host_rewrite")
    assert (found.verdicts, annotations(found.after)) == ({"mutual_tls"}, {"service-upstream": "true", **expected})
    assert contents(taken_back(found.after)) == contents(snapshot)


@pytest.mark.parametrize(("objects", "options", "image", "said"), REFUSED.values(), ids=REFUSED)
def test_refusals(objects: list[Obj], options: dict[str, str], image: str, said: str) -> None:
    found = run(meshed(*objects, image=image, **options), "host_rewrite")
    assert (found.written, said in found.route("a").after.why) == ([], True)


def test_ingresses_of_one_service_are_switched_together() -> None:
    found = run(meshed(ingress(), ingress("b", **OTHER_HOST), declared="web"), "service_vip")
    assert (found.written, found.verdicts) == (["patch Service apps/shop"], {"mutual_tls"})


def test_gateway_routes_are_served_without_the_vendor() -> None:
    snapshot = meshed(gateway(), route("a", rule(to_service("shop"))), image=ATTACHES)
    for strategy in ("host_entry", "headless_twin", "auto"):
        assert run(snapshot, strategy).verdicts == {"mutual_tls"}
    for strategy in ("host_rewrite", "host_alias", "service_vip"):
        refused = run(snapshot, strategy)
        assert (refused.written, "pod addresses" in refused.route("a").after.why) == ([], True)


def test_both_kinds_of_routes_of_one_service_do_not_disturb_one_another() -> None:
    snapshot = meshed(ingress(), gateway(), route("b", rule(to_service("shop")), hosts=("b.example.com",)), image=ATTACHES)
    found = run(snapshot)
    assert found.verdicts == {"mutual_tls"}
    assert contents(taken_back(found.after)) == contents(snapshot)


def test_the_global_config_map_is_read_and_left_alone() -> None:
    found = run(meshed(ingress(), lb(service_upstream="true", headers="host: %[service].%[namespace]")))
    assert (found.written, found.verdicts) == ([], {"mutual_tls"})


def test_ignored_ingresses() -> None:
    found = run(meshed(annotated(ingress(), ignore="true")), "host_rewrite")
    assert (found.written, PUBLIC) == ([], found.route("a").route.host)


def test_names_of_objects() -> None:
    assert obj("v1", "Service", APPS, "x")["metadata"] == {"name": "x", "namespace": APPS}
