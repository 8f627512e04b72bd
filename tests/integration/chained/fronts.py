# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The load balancers, as data: where they run, how a route of theirs is made, and how they are told to speak TLS to the gateway.

One that reads Ingresses besides its own kind stands here twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.integration.support import apps
from tests.integration.support.cluster import Obj
from tests.integration.support.gateways import GROUP
from tests.integration.vendors import envoy_gateway

from .scene import HOME, PORT, SHOP, Rule

CA_SECRET = "gateway-ca"


def ingress(class_name: str) -> Callable[[str, str, str, tuple[Rule, ...]], list[Obj]]:
    """Routes as Ingresses of a class: one object per host."""

    def make(where: str, name: str, host: str, rules: tuple[Rule, ...]) -> list[Obj]:
        made = apps.ingress(where, name, host, rules[0].backend, path=rules[0].path, ingress_class=class_name)
        paths = made["spec"]["rules"][0]["http"]["paths"]
        for rule in rules[1:]:
            more = apps.ingress(where, name, host, rule.backend, path=rule.path)
            paths += more["spec"]["rules"][0]["http"]["paths"]
        return [made]

    return make


def mapping(where: str, name: str, host: str, rules: tuple[Rule, ...]) -> list[Obj]:
    """Routes as Emissary's Mappings: one object per path."""
    return [
        {
            "apiVersion": "getambassador.io/v3alpha1", "kind": "Mapping", "metadata": {"name": f"{name}-{number}", "namespace": where},
            "spec": {"hostname": host, "prefix": rule.path, "rewrite": "", "service": f"{rule.backend[0]}:80"},
        }
        for number, rule in enumerate(rules)
    ]  # fmt: skip


def http_proxy(where: str, name: str, host: str, rules: tuple[Rule, ...]) -> list[Obj]:
    """Routes as Contour's HTTPProxy: one object per host. It knows ports by number alone."""
    routes = [{"conditions": [{"prefix": rule.path}], "services": [{"name": rule.backend[0], "port": PORT}]} for rule in rules]
    return [
        {
            "apiVersion": "projectcontour.io/v1", "kind": "HTTPProxy", "metadata": {"name": name, "namespace": where},
            "spec": {"virtualhost": {"fqdn": host}, "routes": routes},
        }
    ]  # fmt: skip


def http_route(where: str, name: str, host: str, rules: tuple[Rule, ...]) -> list[Obj]:
    """Routes of the Gateway API on Envoy Gateway's Gateway: one object per host. They know ports by number alone."""
    namespace, gateway = envoy_gateway.GATEWAY
    listed = [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": rule.path}}],
            "backendRefs": [{"name": rule.backend[0], "port": PORT}],
        }
        for rule in rules
    ]  # fmt: skip
    return [
        {
            "apiVersion": f"{GROUP}/v1", "kind": "HTTPRoute", "metadata": {"name": name, "namespace": where},
            "spec": {"parentRefs": [{"namespace": namespace, "name": gateway}], "hostnames": [host], "rules": listed},
        }
    ]  # fmt: skip


def route_group(where: str, name: str, host: str, rules: tuple[Rule, ...]) -> list[Obj]:
    """Routes as Skipper's RouteGroup: one object per host."""
    backends = {rule.backend[0] for rule in rules}
    listed = [{"name": item, "type": "service", "serviceName": item, "servicePort": PORT} for item in sorted(backends)]
    routes = [{"pathSubtree": rule.path, "backends": [{"backendName": rule.backend[0]}]} for rule in rules]
    return [
        {
            "apiVersion": "zalando.org/v1", "kind": "RouteGroup", "metadata": {"name": name, "namespace": where},
            "spec": {"hosts": [host], "backends": listed, "routes": routes},
        }
    ]  # fmt: skip


def servers_transport(host: str, **more: Any) -> list[Obj]:
    """Traefik's: the server name that it sends, and that it takes the test's certificate."""
    spec = more or {"serverName": host, "rootCAs": [{"secret": CA_SECRET}]}
    api = "traefik.io/v1alpha1"
    return [{"apiVersion": api, "kind": "ServersTransport", "metadata": {"name": "gateway", "namespace": HOME}, "spec": spec}]


def nameless_transport(host: str) -> list[Obj]:
    """Traefik's that says no server name; it dials an address, so it sends none, and can verify none."""
    return servers_transport(host, insecureSkipVerify=True)


def tls_context(host: str) -> list[Obj]:
    """Emissary's: the server name that it sends. Without a certificate Emissary takes no notice of it."""
    spec = {"sni": host, "secret": CA_SECRET}
    return [
        {"apiVersion": "getambassador.io/v3alpha1", "kind": "TLSContext", "metadata": {"name": "gateway", "namespace": HOME}, "spec": spec}
    ]


def nothing(host: str) -> list[Obj]:
    """No objects of its own."""
    return []


@dataclass(frozen=True)
class Tls:
    """One way of TLS to the gateway: ``named`` whether a certain server name is asked for; ``unasked``: it is sent whatever is set."""

    named: bool
    options: dict[str, Any] = field(default_factory=dict)
    around: Callable[[str], list[Obj]] = nothing
    unasked: bool = False


@dataclass(frozen=True)
class Front:
    """A load balancer. ``pod_port`` is where its pod takes HTTP, ``kind`` that of its routes, ``workload`` that of its pods.

    ``tls`` are the ways that it can speak to the gateway.
    """

    id: str
    namespace: str
    name: str
    service: str
    pod_port: int
    routes: Callable[[str, str, str, tuple[Rule, ...]], list[Obj]]
    tls: tuple[Tls, ...] = ()
    kind: str = "ingress"
    workload: str = "deployment"


TRANSPORT = {"servers_transport": f"{HOME}-gateway@kubernetescrd"}
TRUSTED = {"ca_secret": CA_SECRET}
VERIFIED = {"proxy_ssl_secret": f"{HOME}/{CA_SECRET}", "verify": "true"}
FRONTS = {
    item.id: item
    for item in (
        Front(
            "ingress_nginx", "ingress-nginx", "ingress-nginx-controller", "ingress-nginx-controller", 80, ingress("nginx"),
            (Tls(False), Tls(True, VERIFIED)),
        ),
        Front(
            "haproxy_ingress", "haproxy-ingress", "haproxy-ingress", "haproxy-ingress", 80, ingress("haproxy"), (Tls(False), Tls(True)),
        ),
        Front(
            "traefik", "traefik", "traefik", "traefik", 8000, ingress("traefik"),
            (Tls(False, TRANSPORT, nameless_transport), Tls(True, TRANSPORT, servers_transport)),
        ),
        Front(
            "emissary", "emissary", "emissary-ingress", "emissary-ingress", 8080, mapping,
            (Tls(False), Tls(True, {"tls_context": "gateway"}, tls_context)), "mapping.getambassador.io",
        ),
        # Without an option for a server name: Contour has none of its own.
        Front(
            "contour", "projectcontour", "envoy", "envoy", 8080, http_proxy, (Tls(False),), "httpproxy.projectcontour.io", "daemonset",
        ),
        # It verifies the gateway's certificate by a name, which is always sent, also to a gateway that answers to any.
        Front(
            "envoy_gateway", envoy_gateway.HOME, envoy_gateway.PROXY, envoy_gateway.PROXY, 10080, http_route,
            (Tls(False, {**TRUSTED, "server_name": SHOP.host}), Tls(True, TRUSTED, unasked=True)), f"httproute.{GROUP}",
        ),
        Front("skipper", "skipper", "skipper-ingress", "skipper-ingress", 9999, ingress("skipper"), (Tls(False),)),
        Front(
            "skipper_groups", "skipper", "skipper-ingress", "skipper-ingress", 9999, route_group, (Tls(False),), "routegroup.zalando.org",
        ),
        Front("contour_ingress", "projectcontour", "envoy", "envoy", 8080, ingress("contour"), (Tls(False),), workload="daemonset"),
    )
}  # fmt: skip
WANTED = [name.strip().replace("-", "_") for name in os.environ.get("MESHLB_CHAINED", "ingress_nginx").split(",") if name.strip()]
ALL = [FRONTS[name] for name in WANTED]
