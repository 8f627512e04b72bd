# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Ingresses an instance serves, what it was started with, and how its switches are set."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.switches import PatchSet
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.ingress_nginx.profile import PROFILE
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.ingress_nginx.settings import Settings
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.annotations import AnnotationKeys
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.recognition import claims_class

from tests.unit.plugins.module_utils.support.cluster import (
    EDGE,
    NGINX,
    PUBLIC,
    Obj,
    backend,
    cluster,
    config_map,
    ingress,
    ingress_class,
    load_balancer,
    namespace,
    nginx,
    path,
    pod,
    routes,
    service,
)
from tests.unit.plugins.module_utils.support.known import detect

SHOP = [service("shop"), pod("shop")]
TO_SHOP = path(backend("shop"))
CLASS = "kubernetes.io/ingress.class"


def classed(name: str | None, annotation: str | None, where: str = "apps", **more: Any) -> Obj:
    """An Ingress with (or without) a class by name and one by annotation."""
    made = ingress("a", *(more.pop("paths", (TO_SHOP,))), class_name=name, where=where, **more)
    if annotation is not None:
        made["metadata"].setdefault("annotations", {})[CLASS] = annotation
    return made


SERVED: dict[str, tuple[tuple[str, ...], Obj, bool]] = {
    "by its class": ((), classed("nginx", None), True),
    "by another class of the controller": ((), classed("second", None), True),
    "by the class of another controller": ((), classed("alien", None), False),
    "by a class that does not exist": ((), classed("missing", None), False),
    "by annotation": ((), classed(None, "nginx"), True),
    "by another annotation": ((), classed(None, "other"), False),
    "by the annotation that it was told": (("--ingress-class=other",), classed(None, "other"), True),
    "by the annotation that it was not told": (("--ingress-class=other",), classed(None, "nginx"), False),
    "the name before the annotation": ((), classed("alien", "nginx"), False),
    "without a class": ((), classed(None, None), False),
    "without a class, as it was told": (("--watch-ingress-without-class",), classed(None, None), True),
    "without a class, told with a value": (("--watch-ingress-without-class=true",), classed(None, None), True),
    "without a class, told not to": (("--watch-ingress-without-class=false",), classed(None, None), False),
    "another annotation is not without a class": (("--watch-ingress-without-class",), classed(None, "other"), False),
    "an empty annotation is not without a class": (("--watch-ingress-without-class",), classed(None, ""), False),
    "by name alone": (("--ingress-class-by-name", "--ingress-class=alien"), classed("alien", None), True),
    "by name, not this one": (("--ingress-class-by-name", "--ingress-class=other"), classed("alien", None), False),
    "the last of two flags holds": (("--ingress-class=x", "--ingress-class=other"), classed(None, "other"), True),
    "in the namespace that it watches": (("--watch-namespace=apps",), classed("nginx", None), True),
    "in its own namespace alone": (("--watch-namespace=$(POD_NAMESPACE)",), classed("nginx", None), False),
    "in its own namespace": (("--watch-namespace=$(POD_NAMESPACE)",), classed("nginx", None, EDGE), True),
    "in a namespace with the label": (("--watch-namespace-selector=team=shop",), classed("nginx", None, "labelled"), True),
    "in a namespace without the label": (("--watch-namespace-selector=team=shop",), classed("nginx", None), False),
    "a default backend": ((), classed("nginx", None, default=backend("shop"), paths=()), True),
    "a default backend, not wanted": (("--disable-catch-all",), classed("nginx", None, default=backend("shop"), paths=()), False),
    "rules without a host are wanted": (("--disable-catch-all",), classed("nginx", None, host=""), True),
}


@pytest.mark.parametrize(("args", "item", "served"), SERVED.values(), ids=SERVED)
def test_which_ingresses_are_served(args: tuple[str, ...], item: Obj, served: bool) -> None:
    others = [ingress_class("second"), ingress_class("alien", "example.com/alien"), namespace("labelled", team="shop")]
    assert bool(routes(cluster(*SHOP, *others, item, args=args))) is served


def test_settings_are_read_from_the_command_line() -> None:
    args = (
        "--controller-class=k8s.io/second", "--ingress-class", "second", "--default-backend-service=$(POD_NAMESPACE)/errors",
        "--tcp-services-configmap", "$(POD_NAMESPACE)/tcp", "--annotations-prefix=lb.example.com", "--enable-ssl-passthrough",
    )  # fmt: skip
    found = load_balancer(cluster(config_map("lb", service_upstream="true"), args=args)).settings
    assert found == Settings(
        "k8s.io/second", "second", ssl_passthrough=True, service_upstream=True, default_backend="edge/errors", tcp_services="edge/tcp",
        keys=AnnotationKeys(("lb.example.com",)),
    )


def test_where_its_configmaps_are() -> None:
    args = ("--udp-services-configmap=far/udp", "--tcp-services-configmap=tcp")
    item = nginx("lb", *args)
    (made,) = item["spec"]["template"]["spec"]["containers"]
    assert sorted(PROFILE.instance.config_maps(item, made)) == [EDGE, "far"]


def test_udp_and_the_end_of_the_project_are_said() -> None:
    snapshot = cluster(config_map("udp", **{"53": "apps/dns:53"}), args=("--udp-services-configmap=edge/udp",))
    found = {item.code: item.message for item in detect(snapshot)[1]}
    assert "March 2026" in found["MLB103"] and "UDP port 53 goes to apps/dns:53" in found["MLB205"]


SWITCHES = [f"{NGINX}/service-upstream", f"{NGINX}/upstream-vhost"]
TO_SERVICE, HOST = PROFILE.switches.to_service, PROFILE.switches.host
assert TO_SERVICE and HOST


def switches(*items: Obj, args: tuple[str, ...] = ()) -> tuple[PatchSet, PatchSet]:
    """Answers to "Service routing" and "Host" for all routes of these Ingresses."""
    snapshot = cluster(*SHOP, *items, args=args)
    found, balancer = routes(snapshot), load_balancer(snapshot)
    return TO_SERVICE(snapshot, balancer, found), HOST(snapshot, balancer, found)


def patches(switch: PatchSet) -> dict[str, str]:
    """Value per Ingress and annotation."""
    return {f"{item.object['metadata']['name']} {str(item.path[-1]).rpartition('/')[2]}": item.value for item in switch.patches}


def test_both_switches_are_annotations() -> None:
    routing, host = switches(ingress("a", TO_SHOP), ingress("b", TO_SHOP))
    assert patches(routing) == {"a service-upstream": "true", "b service-upstream": "true"}
    assert patches(host) == {f"{name} upstream-vhost": "shop.apps.svc.cluster.local" for name in "ab"}
    assert {item.path for item in (*routing.patches, *host.patches)} == {("metadata", "annotations", key) for key in SWITCHES}


def test_another_prefix_is_written_as_it_is_read() -> None:
    routing, dummy = switches(ingress("a", TO_SHOP), args=("--annotations-prefix=lb.example.com",))
    assert routing.patches[0].path[-1] == "lb.example.com/service-upstream"


def test_several_services_of_one_ingress_are_named_by_variables() -> None:
    item = ingress("a", TO_SHOP, path(backend("cart"), "/cart"))
    assert patches(switches(item)[1]) == {"a upstream-vhost": "$service_name.$namespace.svc.cluster.local"}


def test_two_ports_of_one_service_need_no_variables() -> None:
    item = ingress("a", TO_SHOP, path(backend("shop", 81), "/x"))
    assert patches(switches(item)[1]) == {"a upstream-vhost": "shop.apps.svc.cluster.local"}


def test_a_canary_has_no_host_of_its_own() -> None:
    items = [ingress("a", TO_SHOP), ingress("b", path(backend("next")), canary="true")]
    routing, host = switches(*items)
    assert sorted(patches(routing)) == ["a service-upstream", "b service-upstream"] and sorted(patches(host)) == ["a upstream-vhost"]


@pytest.mark.parametrize("present", ["true", "1", "T"])
def test_what_is_set_already_is_not_set_again(present: str) -> None:
    routing, dummy = switches(ingress("a", TO_SHOP, service_upstream=present))
    assert routing == PatchSet()


@pytest.mark.parametrize(
    ("noted", "which", "said"),
    [
        ({"service_upstream": "false"}, 0, "service-upstream is 'false', the plan needs 'true'"),
        ({"service_upstream": ""}, 0, "service-upstream is '', the plan needs 'true'"),
        ({"upstream_vhost": PUBLIC}, 1, f"upstream-vhost is '{PUBLIC}', the plan needs 'shop.apps.svc.cluster.local'"),
        ({"upstream_vhost": ""}, 1, "upstream-vhost is '', the plan needs"),
        ({"upstream_vhost": "$host"}, 1, "upstream-vhost is '$host'"),
    ],
)  # fmt: skip
def test_a_users_own_value_is_never_overwritten(noted: dict[str, str], which: int, said: str) -> None:
    answer = switches(ingress("a", TO_SHOP, **noted), ingress("b", path(backend("shop", 81), "/x")))[which]
    assert answer.patches == () and said in answer.refusal and "Ingress apps/a" in answer.refusal
    assert [(item.code, item.object and item.object.name) for item in answer.findings] == [("MLB203", "a")]


def test_routes_of_configmaps_have_no_annotation() -> None:
    snapshot = cluster(*SHOP, config_map("tcp", **{"9000": "apps/shop:80"}), args=("--tcp-services-configmap=edge/tcp",))
    assert TO_SERVICE(snapshot, load_balancer(snapshot), routes(snapshot)) == PatchSet()


@pytest.mark.parametrize(
    ("controller", "claimed"),
    [
        ("k8s.io/ingress-nginx", True), ("webapprouting.kubernetes.azure.com/nginx", True), ("k8s.io/ingress-nginx-2", False),
        ("webapprouting.kubernetes.azure.com/nginx/second", True), ("nginx.org/ingress-controller", False), ("", False),
    ],
)  # fmt: skip
def test_controllers_that_are_its_own(controller: str, claimed: bool) -> None:
    assert claims_class(PROFILE.recogniser.classes, controller) is claimed
