# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kong: proxy and controller, the classes' parameters, its annotations on Services and Ingresses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers import support as kit
from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.support import (
    HTTP,
    data_plane,
    meshed,
    outcomes,
    patches,
    reading,
    served_by,
    shown,
    switches,
    the,
    undeclared,
    validated,
)
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    Obj,
    backend,
    container,
    ingress,
    ingress_class,
    live,
    obj,
    path,
    pod,
    service,
)
from tests.unit.plugins.module_utils.support.known import detect

KONG = "kong"
HOST = "shop.example.com"
UPSTREAM, PRESERVE = "ingress.kubernetes.io/service-upstream", "konghq.com/preserve-host"
CLASS = ingress_class("kong", "ingress-controllers.konghq.com/kong")
PARAMETERS = obj(
    "configuration.konghq.com/v1alpha1", "IngressClassParameters", "edge", "all",
    spec={"serviceUpstream": True, "enableLegacyRegexDetection": False},
)
WITH_PARAMETERS: Obj = {**CLASS, "spec": {**CLASS["spec"], "parameters": {
    "apiGroup": "configuration.konghq.com", "kind": "IngressClassParameters", "name": "all", "namespace": "edge", "scope": "Namespace",
}}}  # fmt: skip


def proxy(**more: Any) -> Obj:
    return data_plane("kong-gateway", image="kong:3.9", env=("KONG_PROXY_LISTEN",), **more)


def controller(name: str = "kong-controller", *env: str, version: str = "3.5", **more: Any) -> Obj:
    return data_plane(name, image=f"kong/kubernetes-ingress-controller:{version}", env=env, **more)


def cluster(*objects: Obj, classes: tuple[Obj, ...] = (CLASS,), version: str = "3.5") -> Any:
    return meshed(proxy(), controller(version=version), *classes, *objects)


def noted(item: Obj, **annotations: str) -> Obj:
    keys = {"upstream": UPSTREAM, "preserve": PRESERVE, "host": "konghq.com/host-header", "protocol": "konghq.com/protocol",
            "policy": "konghq.com/upstream-policy", "strip": "konghq.com/strip-path", "class_": "kubernetes.io/ingress.class"}  # fmt: skip
    return kit.noted(item, **{keys[key]: value for key, value in annotations.items()})


def plain(**annotations: str) -> Obj:
    return noted(ingress("a", path(backend("shop")), host=HOST, class_name="kong"), **annotations)


FOUND: dict[str, tuple[list[Obj], list[str]]] = {
    "the proxy, not its controller": ([proxy(), controller()], ["edge/kong-gateway"]),
    "both in one pod": (
        [data_plane("kong", image="x/y", env=("KONG_PROXY_LISTEN",),
                    containers=[container("c", image="kong/kubernetes-ingress-controller:3")])],
        ["edge/kong"]),
    "a mirrored image": ([data_plane("any", image="mirror.example.com/platform/kong-gateway:3.9")], ["edge/any"]),
    "its variables alone": ([data_plane("any", image="x/y", env=("KONG_PROXY_LISTEN",))], ["edge/any"]),
    "the controller alone": ([controller()], []),
    "something with kong in its name": ([data_plane("kong-db", image="postgres:16"), data_plane("kong-ui", image="kong/insomnia:1")], []),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_where_its_data_plane_is(objects: list[Obj], expected: list[str]) -> None:
    assert [item.label for item in detect(live(*objects))[0] if item.vendor == KONG] == expected


def test_its_class_is_the_controllers() -> None:
    named = controller("c", "CONTROLLER_INGRESS_CLASS=inner")
    assert the(meshed(proxy(), named), KONG).classes == ("inner",)
    assert the(cluster(), KONG).classes == ("kong",) and the(meshed(proxy()), KONG).classes == ()
    far = controller("a", "CONTROLLER_INGRESS_CLASS=far", where="far")
    assert the(meshed(proxy(), far, named), KONG).classes == ("inner",)


PODS, VIP = ("pod_ips", "", "http"), ("cluster_ip", "", "http")
SHOP = "apps/shop:80"
ON, CLASSLESS = noted(service("shop"), upstream="true"), ingress("a", path(backend("shop")), host=HOST, class_name=None)
DEFAULT: Obj = {**CLASS, "metadata": {"name": "kong", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}}
READ: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "as it comes": ([service("shop"), plain()], [(HOST, "/", SHOP, *PODS)]),
    "Service routing": ([ON, plain()], [(HOST, "/", SHOP, *VIP)]),
    "another word is not the word": ([noted(service("shop"), upstream="True"), plain()], [(HOST, "/", SHOP, *PODS)]),
    "Service routing and Host": ([ON, plain(preserve="False")], [(HOST, "/", SHOP, "cluster_ip", "shop.apps.svc", "http")]),
    "another Host": (
        [noted(service("shop"), upstream="true", host="x.example.com"), plain(preserve="false")],
        [(HOST, "/", SHOP, "cluster_ip", "x.example.com", "http")]),
    "a Host that is not sent": ([noted(service("shop"), host="x.example.com"), plain()], [(HOST, "/", SHOP, *PODS)]),
    "a pod's address as Host": ([service("shop"), plain(preserve="false")], [(HOST, "/", SHOP, "pod_ips", "$pod_address", "http")]),
    "TLS": ([noted(service("shop"), protocol="https"), plain()], [(HOST, "/", SHOP, "pod_ips", "", "tls")]),
    "by annotation": ([service("shop"), noted(CLASSLESS, class_="kong")], [(HOST, "/", SHOP, *PODS)]),
    "without a class": ([service("shop"), CLASSLESS], []),
    "another class": ([service("shop"), noted(CLASSLESS, class_="x")], []),
    "TCP": (
        [service("shop"), noted(obj("configuration.konghq.com/v1beta1", "TCPIngress", APPS, "t", spec={
            "rules": [{"port": 9000, "backend": {"serviceName": "shop", "servicePort": 80}}]}), class_="kong")],
        [("", "tcp:9000", SHOP, "pod_ips", "", "tcp")]),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), READ.values(), ids=READ)
def test_routes_as_they_are_read(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    assert shown(cluster(*objects), KONG) == expected


def test_without_a_class_where_its_class_is_the_default() -> None:
    assert len(reading(cluster(service("shop"), CLASSLESS, classes=(DEFAULT,)), KONG)[0]) == 1


def test_parameters_of_its_own_class_hold_for_everything() -> None:
    snapshot = cluster(service("shop"), plain(), PARAMETERS, classes=(WITH_PARAMETERS,))
    assert shown(snapshot, KONG) == [(HOST, "/", SHOP, *VIP)]
    assert switches(snapshot, KONG)[0].patches == ()
    assert shown(cluster(service("shop"), plain(), classes=(WITH_PARAMETERS,)), KONG) == [(HOST, "/", SHOP, *PODS)]


def test_paths_and_features() -> None:
    regex = ingress("r", path(backend("shop"), "/~/a.*", "ImplementationSpecific"), class_name="kong")
    objects = [noted(service("shop"), policy="sticky"), plain(strip="true"), regex]
    first, second = sorted(reading(cluster(*objects), KONG)[0], key=lambda item: item.object.name)
    assert (first.rewrites_path, first.features, second.rewrites_path) == (True, ("balancing",), False)
    assert (second.path, second.path_type) == ("/a.*", "RegularExpression")


def test_switches_are_on_the_service_and_on_the_ingress() -> None:
    routing, host = switches(cluster(service("shop"), plain()), KONG)
    assert patches(routing) == {f"Service/shop metadata.annotations.{UPSTREAM}": "true"}
    assert patches(host) == {f"Ingress/a metadata.annotations.{PRESERVE}": "false"}


CONFLICTS: dict[str, tuple[list[Obj], int, str]] = {
    "Service routing turned off": ([noted(service("shop"), upstream="false"), plain()], 0, "service-upstream is 'false'"),
    "the client's Host is wanted": ([service("shop"), plain(preserve="true")], 1, "preserve-host is 'true'"),
    "another Host": ([noted(service("shop"), host="x.example.com"), plain()], 1, "host-header is 'x.example.com'"),
}


@pytest.mark.parametrize(("objects", "which", "said"), CONFLICTS.values(), ids=CONFLICTS)
def test_a_users_own_value_is_never_overwritten(objects: list[Obj], which: int, said: str) -> None:
    answer = switches(cluster(*objects), KONG)[which]
    assert answer.patches == () and said in answer.refusal and [item.code for item in answer.findings] == ["MLB203"]


@pytest.mark.parametrize("name", ["shop.apps.svc.cluster.local", "shop.apps.svc", "shop.apps", "shop.apps.svc:80"])
def test_the_services_own_name_is_no_conflict(name: str) -> None:
    assert switches(cluster(noted(service("shop"), host=name), plain()), KONG)[1].refusal == ""


ALL = {"service_vip": "plaintext", "host_rewrite": "mutual_tls", "host_alias": "mutual_tls", "host_entry": "mutual_tls",
       "headless_twin": "mutual_tls"}  # fmt: skip


def test_strategies() -> None:
    assert outcomes(cluster(*HTTP, plain())) == ALL
    assert set(outcomes(cluster(*undeclared(), plain())).values()) == {"mutual_tls"}


def test_two_objects_are_written_and_taken_back() -> None:
    assert served_by(cluster(*HTTP, plain()), "host_rewrite").written == ["patch Ingress apps/a", "patch Service apps/shop"]


CLASS_OF_GATEWAYS = kit.noted(gateway_class("konghq.com/kic-gateway-controller"), **{"konghq.com/gatewayclass-unmanaged": "true"})


def test_gateway_api() -> None:
    objects = [CLASS_OF_GATEWAYS, gateway(), route("a", rule(to_service("shop")))]
    assert shown(cluster(*HTTP, *objects), KONG) == [(HOST, "/", SHOP, *PODS)]
    assert outcomes(cluster(*HTTP, *objects)) == ALL
    assert served_by(cluster(*HTTP, *objects), "host_rewrite").written == ["patch HTTPRoute apps/a", "patch Service apps/shop"]
    assert "3.2" in switches(cluster(*HTTP, *objects, version="3.1.5"), KONG)[1].refusal


def test_what_it_reads_is_valid_by_the_vendors_schema() -> None:
    validated(PARAMETERS, "kong")
    spec = {"rules": [{"port": 9000, "host": "a.example.com", "backend": {"serviceName": "shop", "servicePort": 80}}]}
    validated(obj("configuration.konghq.com/v1beta1", "TCPIngress", APPS, "t", spec=spec), "kong")


def test_headless_services_are_dialled_by_pod_whatever_is_set() -> None:
    objects = [noted(service("shop", ip="None"), upstream="true"), pod("shop"), plain()]
    assert served_by(cluster(*objects), "service_vip").route("a").before.verdict == "plaintext"
