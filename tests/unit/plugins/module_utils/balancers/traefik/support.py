# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of traefik routes share."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Upstream

from tests.unit.plugins.module_utils.balancers.traefik.cluster import ALL, NGINX_TOO, SHOP, cluster, entry, ingress_route, routes
from tests.unit.plugins.module_utils.support.cluster import PUBLIC, Obj, backend, ingress, ingress_class, path, service

TO_SHOP = path(backend("shop"))

POD, VIP = "pod_ips", "cluster_ip"

PREFIX = "traefik.ingress.kubernetes.io"

HOST = f"Host(`{PUBLIC}`)"


def classed(name: str | None = "traefik", *paths: Obj, annotation: str | None = None, **more: Any) -> Obj:
    made = ingress("a", *(paths or (TO_SHOP,)), class_name=name, **more)
    if annotation is not None:
        made["metadata"].setdefault("annotations", {})["kubernetes.io/ingress.class"] = annotation
    return made


OWN_CLASS = (*ALL, "--providers.kubernetesingress.ingressclass=second")

SERVED: dict[str, tuple[tuple[str, ...], Obj, bool]] = {
    "by its class": (ALL, classed(), True),
    "by another class of its controller": (ALL, classed("second"), True),
    "by the class of another": (ALL, classed("alien"), False),
    "without a class": (ALL, classed(None), True),
    "by annotation": (ALL, classed(None, annotation="traefik"), True),
    "by another annotation": (ALL, classed(None, annotation="alien"), False),
    "told one class": (OWN_CLASS, classed("second"), True),
    "told another class": (OWN_CLASS, classed(), False),
    "told a class, and none is there": (OWN_CLASS, classed(None), False),
    "told a class, by annotation": (OWN_CLASS, classed(None, annotation="second"), True),
    "told a class, by another annotation": (OWN_CLASS, classed(None, annotation="traefik"), False),
    "not told of Ingresses": (("--providers.kubernetescrd",), classed(), False),
    "in its namespaces": ((*ALL, "--providers.kubernetesingress.namespaces=x,apps"), classed(), True),
    "in other namespaces": ((*ALL, "--providers.kubernetesingress.namespaces=x"), classed(), False),
    "by label": ((*ALL, "--providers.kubernetesingress.labelselector=a=b"), classed(), False),
}  # fmt: skip

BY_DEFAULT = (*ALL, "--providers.kubernetesingress.nativelbbydefault=true")

UPSTREAMS: dict[str, tuple[tuple[str, ...], dict[str, str], Upstream]] = {
    "nothing": (ALL, {}, Upstream(POD, "")),
    "native": (ALL, {"nativelb": "true"}, Upstream(VIP, "")),
    "in other letters": (ALL, {"nativeLB": "True"}, Upstream(VIP, "")),
    "not native": (ALL, {"nativelb": "false"}, Upstream(POD, "")),
    "by default": (BY_DEFAULT, {}, Upstream(VIP, "")),
    "against the default": (BY_DEFAULT, {"nativelb": "false"}, Upstream(POD, "")),
    "another provider's default": ((*ALL, "--providers.kubernetescrd.nativelbbydefault"), {}, Upstream(POD, "")),
    "its address as Host": (ALL, {"nativelb": "true", "passhostheader": "false"}, Upstream(VIP, "10.96.9.9")),
    "a pod's address as Host": (ALL, {"passhostheader": "false"}, Upstream(POD, "<pod address>")),
    "the client's Host, said": (ALL, {"passhostheader": "true"}, Upstream(POD, "")),
    "TLS": (ALL, {"serversscheme": "https"}, Upstream(POD, "", "tls")),
    "HTTP/2": (ALL, {"serversscheme": "h2c"}, Upstream(POD, "")),
    "to nodes": (ALL, {"nodeportlb": "true"}, Upstream("external", "")),
}  # fmt: skip

NEW = "traefik:v3.7.9"


def nginx_routes(*objects: Obj, image: str = NEW, args: tuple[str, ...] = NGINX_TOO) -> Any:
    return routes(cluster(*SHOP, ingress_class("nginx"), *objects, image=image, args=args))


CRD_DEFAULT = (*ALL, "--providers.kubernetescrd.nativelbbydefault=true")

ENTRIES: dict[str, tuple[tuple[str, ...], Obj, Upstream]] = {
    "nothing": (ALL, entry("shop"), Upstream(POD, "")),
    "native": (ALL, entry("shop", nativeLB=True), Upstream(VIP, "")),
    "by default": (CRD_DEFAULT, entry("shop"), Upstream(VIP, "")),
    "against the default": (CRD_DEFAULT, entry("shop", nativeLB=False), Upstream(POD, "")),
    "the other provider's default": (BY_DEFAULT, entry("shop"), Upstream(POD, "")),
    "its address as Host": (ALL, entry("shop", nativeLB=True, passHostHeader=False), Upstream(VIP, "10.96.9.1")),
    "TLS": (ALL, entry("shop", scheme="https"), Upstream(POD, "", "tls")),
    "a port by name": (ALL, entry("shop", "http"), Upstream(POD, "")),
    "a number as text": (ALL, entry("shop", "80"), Upstream(POD, "")),
    "to nodes": (ALL, entry("shop", nodePortLB=True), Upstream("external", "")),
}  # fmt: skip

DROPPED: dict[str, tuple[list[Obj], str]] = {
    "a service of services that is not there": ([ingress_route("a", (HOST, [entry("x", kind="TraefikService")]))], "MLB220"),
    "another provider's service": ([ingress_route("a", (HOST, [entry("x@file", kind="TraefikService")]))], "MLB208"),
    "another namespace": ([ingress_route("a", (HOST, [entry("far", namespace="far")])), service("far", where="far")], "MLB220"),
    "a rule that cannot be read": ([ingress_route("a", ("Host(", [entry("shop")]))], "MLB220"),
    "no address": ([service("none", ip="None"), ingress_route("a", (HOST, [entry("none", nativeLB=True)]))], "MLB220"),
}

GATEWAY_NOTE = "traefik.io/service.nativelb"

GATEWAY_DEFAULT = (*ALL, "--providers.kubernetesgateway.nativelbbydefault=true")
