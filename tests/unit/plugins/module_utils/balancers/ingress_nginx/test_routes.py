# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes as the controller makes them: shared upstreams, TLS and hosts."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Route

from tests.unit.plugins.module_utils.support.cluster import (
    Obj,
    backend,
    cluster,
    config_map,
    ingress,
    outcome,
    path,
    pod,
    port,
    routes,
    service,
)

SHOP = [service("shop"), pod("shop")]
TO_SHOP = path(backend("shop"))
OLD, NEW = "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"


def addresses(*objects: Obj, args: tuple[str, ...] = ()) -> dict[str, str]:
    """Address per Ingress."""
    return {item.object.name: item.upstream.address for item in routes(cluster(*SHOP, *objects, args=args))}


def one(*objects: Obj, args: tuple[str, ...] = ()) -> Route:
    (found,) = routes(cluster(*objects, args=args))
    return found


POD, VIP = "pod_ips", "cluster_ip"
ON, OFF = {"service_upstream": "true"}, {"service_upstream": "false"}

SHARED: dict[str, tuple[list[Obj], dict[str, str]]] = {
    "the oldest decides": (
        [ingress("a", TO_SHOP, created=NEW, **ON), ingress("b", TO_SHOP, created=OLD)], {"a": POD, "b": POD}),
    "the oldest decides, the other way": (
        [ingress("a", TO_SHOP, created=OLD, **ON), ingress("b", TO_SHOP, created=NEW)], {"a": VIP, "b": VIP}),
    "of one second the name that sorts last": (
        [ingress("a", TO_SHOP, created=OLD, **ON), ingress("b", TO_SHOP, created=OLD)], {"a": POD, "b": POD}),
    "of one second the name that sorts last, the other way": (
        [ingress("a", TO_SHOP, created=OLD), ingress("b", TO_SHOP, created=OLD, **ON)], {"a": VIP, "b": VIP}),
    "manifests are the newest": (
        [ingress("a", TO_SHOP, created=OLD, **ON), ingress("b", TO_SHOP)], {"a": VIP, "b": VIP}),
    "number and name are two upstreams": (
        [ingress("a", TO_SHOP, created=OLD, **ON), ingress("b", path(backend("shop", "http")), created=NEW)], {"a": VIP, "b": POD}),
    "two namespaces are two upstreams": (
        [ingress("a", TO_SHOP, created=OLD, **ON), ingress("b", TO_SHOP, created=NEW, where="other")], {"a": VIP, "b": POD}),
    "a younger default backend starts anew": (
        [ingress("a", TO_SHOP, created=OLD, **ON), ingress("b", default=backend("shop"), created=NEW)], {"a": POD, "b": POD}),
    "a younger default backend starts anew, the other way": (
        [ingress("a", TO_SHOP, created=OLD), ingress("b", default=backend("shop"), created=NEW, **ON)], {"a": VIP, "b": VIP}),
    "an older default backend is first": (
        [ingress("a", TO_SHOP, created=NEW), ingress("b", default=backend("shop"), created=OLD, **ON)], {"a": VIP, "b": VIP}),
    "the last of several default backends": (
        [ingress("a", default=backend("shop"), created=OLD, **ON), ingress("b", default=backend("shop"), created=NEW)],
        {"a": POD, "b": POD}),
    "an Ingress of another class does not decide": (
        [ingress("a", TO_SHOP, created=NEW, **ON), ingress("b", TO_SHOP, created=OLD, class_name="other")], {"a": VIP}),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), SHARED.values(), ids=SHARED)
def test_who_decides_about_a_shared_upstream(objects: list[Obj], expected: dict[str, str]) -> None:
    assert addresses(*objects) == expected


@pytest.mark.parametrize(
    ("key", "annotation", "address"),
    [
        (None, None, POD), ("true", None, VIP), ("1", None, VIP), ("false", None, POD), ("", None, POD), ("yes", None, POD),
        ("true", "false", POD), ("true", "F", POD), ("false", "true", VIP), ("true", "true", VIP),
        # What the controller cannot read is false, not the global value.
        ("true", "yes", POD), ("true", "", POD), (None, "", POD),
    ],
)  # fmt: skip
def test_the_global_key_and_the_annotation_against_it(key: str | None, annotation: str | None, address: str) -> None:
    noted = {} if annotation is None else {"service_upstream": annotation}
    objects = [ingress("a", TO_SHOP, **noted)] + ([] if key is None else [config_map("lb", service_upstream=key)])
    assert addresses(*objects) == {"a": address}


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_what_is_true(text: str) -> None:
    assert addresses(ingress("a", TO_SHOP, service_upstream=text)) == {"a": VIP}


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False", "tRUE", "yes", "on", " true", ""])
def test_what_is_not_true(text: str) -> None:
    assert addresses(ingress("a", TO_SHOP, service_upstream=text)) == {"a": POD}


def test_a_configmap_of_another_name_is_not_ours() -> None:
    assert addresses(ingress("a", TO_SHOP), config_map("other", service_upstream="true")) == {"a": POD}


def test_another_prefix_of_annotations() -> None:
    item = ingress("a", TO_SHOP, service_upstream="true")
    other = ingress("b", path(backend("shop", "http")))
    other["metadata"]["annotations"] = {"lb.example.com/service-upstream": "true"}
    assert addresses(item, other, args=("--annotations-prefix=lb.example.com",)) == {"a": POD, "b": VIP}


@pytest.mark.parametrize(
    ("vhost", "host"),
    [
        ("", ""), ("$host", ""), ("$http_host", ""), ("$best_http_host", ""), ("internal.example.com", "internal.example.com"),
        ("$service_name.$namespace.svc.cluster.local", "shop.apps.svc.cluster.local"), ("$service_name.$namespace", "shop.apps"),
        ("${service_name}.${namespace}", "shop.apps"), ("$my_var.example.com", "$my_var.example.com"),
    ],
)  # fmt: skip
def test_variables_of_upstream_vhost(vhost: str, host: str) -> None:
    assert one(*SHOP, ingress("a", TO_SHOP, upstream_vhost=vhost)).upstream.host == host


def test_a_host_of_variables_is_unknown_where_the_host_decides() -> None:
    item = ingress("a", TO_SHOP, upstream_vhost="$my_var", **ON)
    assert outcome(cluster(*SHOP, item)).verdict == "unknown"
    assert outcome(cluster(service("shop", port("web")), pod("shop"), item)).verdict == "mutual_tls"


@pytest.mark.parametrize(
    ("protocol", "scheme"),
    [
        ("HTTP", "http"), ("GRPC", "http"), ("grpc", "http"), ("HTTPS", "tls"), ("https", "tls"), ("GRPCS", "tls"), ("FCGI", "tcp"),
        ("?", "http"),
    ],
)  # fmt: skip
def test_what_is_spoken_to_the_backend(protocol: str, scheme: str) -> None:
    assert one(*SHOP, ingress("a", TO_SHOP, backend_protocol=protocol)).upstream.scheme == scheme


PASS = {"ssl_passthrough": "true"}
FLAG = ("--enable-ssl-passthrough",)


@pytest.mark.parametrize(
    ("item", "args", "passed"),
    [
        (ingress("a", TO_SHOP, **PASS), FLAG, True),
        (ingress("a", TO_SHOP, **PASS), ("--enable-ssl-passthrough=true",), True),
        (ingress("a", TO_SHOP, **PASS), (), False),
        (ingress("a", TO_SHOP, **PASS), ("--enable-ssl-passthrough=false",), False),
        (ingress("a", TO_SHOP, ssl_passthrough="false"), FLAG, False),
        (ingress("a", path(backend("shop"), "/x"), **PASS), FLAG, False),
        (ingress("a", TO_SHOP, host="", **PASS), FLAG, False),
    ],
)
def test_passing_tls_through(item: Obj, args: tuple[str, ...], passed: bool) -> None:
    found = one(*SHOP, item, args=args).upstream
    assert (found.scheme == "tls", found.address == VIP) == (passed, passed)


def test_tls_is_passed_through_for_a_host_not_for_an_ingress() -> None:
    items = [ingress("a", path(backend("shop"), "/x"), **PASS), ingress("b", TO_SHOP), ingress("c", TO_SHOP, host="c.example.com")]
    found = {item.object.name: item.upstream.scheme for item in routes(cluster(*SHOP, *items, args=FLAG))}
    assert found == {"a": "http", "b": "tls", "c": "http"}
