# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a tenant with all rights in one namespace may put there, to reach further than that namespace. Each attack is a list of objects."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.support import apps
from tests.integration.support.cluster import Obj

VICTIM, TENANT = "chaos-victim", "chaos-tenant"
VICTIM_HOST = "twin.victim.example.test"
LOAD_BALANCERS = "ingress-nginx/ingress-nginx-controller"
OURS = {"app.kubernetes.io/managed-by": "meshlb.istio"}


def route(name: str, host: str, **annotations: str) -> Obj:
    """A tenant's Ingress."""
    marks = {f"meshlb.istio/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return apps.ingress(TENANT, name, host, ("echo", 80), annotations=marks)


def forged(book: Any, kind: str = "Ingress") -> list[Obj]:
    """An object with bookkeeping that no run wrote."""
    text = book if isinstance(book, str) else json.dumps(book)
    if kind == "Ingress":
        return [route("forged", "forged.tenant.example.test", replaced=text, load_balancers=LOAD_BALANCERS)]
    made = apps.service(TENANT, "forged", {"app": "echo"}, [apps.port(80, 8080, "http")])
    made["metadata"]["annotations"] = {"meshlb.istio/replaced": text, "meshlb.istio/load-balancers": LOAD_BALANCERS}
    return [made]


def entry(was: Any, part: str = "service_routing", **more: Any) -> Obj:
    """One entry of such bookkeeping."""
    return {"part": part, "was": was, **more}


def victim(**annotations: str) -> Obj:
    """The victim's Ingress, as a tenant would like it to be."""
    made = apps.ingress(VICTIM, "twin", VICTIM_HOST, ("echo", 80), annotations=annotations)
    made["metadata"]["resourceVersion"] = "1"
    return made


def marked(obj: Obj, part: str = "service_routing") -> Obj:
    """An object that claims to be one of the collection's."""
    metadata = obj["metadata"]
    metadata["labels"] = {**metadata.get("labels", {}), **OURS}
    metadata["annotations"] = {"meshlb.istio/part": part, "meshlb.istio/load-balancers": LOAD_BALANCERS, "meshlb.istio/applied": "{}"}
    return obj


def rule(host: str) -> Obj:
    """A DestinationRule in the tenant's namespace that claims to be the collection's."""
    spec = {"host": host, "trafficPolicy": {"tls": {"mode": "DISABLE"}}}
    made = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "web-meshlb", "namespace": TENANT}}
    return marked({**made, "spec": spec})


def controller() -> Obj:
    """A Deployment that looks like the load balancer; its image is nowhere."""
    container = {
        "name": "controller", "image": "registry.k8s.io/ingress-nginx/controller:v1.12.1", "imagePullPolicy": "Never",
        "args": ["/nginx-ingress-controller", "--ingress-class=nginx", "--controller-class=k8s.io/ingress-nginx"],
        "ports": [{"containerPort": 80, "name": "http"}],
    }  # fmt: skip
    template = {"metadata": {"labels": {"app": "fake"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "fake"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fake", "namespace": TENANT}, "spec": spec}


def quota() -> Obj:
    """A quota that lets no further Service be made."""
    made = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": TENANT}}
    return {**made, "spec": {"hard": {"count/services": "1"}}}


ATTACKS: dict[str, list[Obj]] = {
    "book-of-another-object": forged({"": entry(victim(**{"meshlb.istio/ignore": "true"}), set={})}),
    "book-of-another-name": forged({"/metadata/namespace": entry(VICTIM, set=TENANT), "/metadata/name": entry("twin", set="forged")}),
    "book-of-another-kind": forged({"/kind": entry("PeerAuthentication", set="Ingress"), "/spec": entry({}, set={})}),
    "book-on-a-service": forged({"": entry(victim(), part="chained_gateway", set={})}, "Service"),
    "book-without-end": forged("[" * 100_000),
    "book-through-a-text": forged({"/metadata/name/x": entry(1, set=2)}),
    "book-of-foreign-fields": forged(
        {
            "/metadata/annotations/nginx.ingress.kubernetes.io~1configuration-snippet": entry("return 200 evil;"),
            "/metadata/finalizers": entry(["example.com/stay"]),
        }
    ),
    "marked-rule": [rule(f"echo.{VICTIM}.svc.cluster.local")],
    "host-of-a-service": [route("host", f"echo.{VICTIM}.svc.cluster.local")],
    "host-of-a-service-pinned": [route("host", f"echo.{VICTIM}.svc.cluster.local", strategy="host_alias")],
    "host-short": [route("host", f"echo.{VICTIM}", strategy="host_entry")],
    "host-of-all-services": [route("host", "*.svc.cluster.local", strategy="host_alias")],
    "host-pinned": [route("host", "own.tenant.example.test", strategy="host_entry")],
    "host-of-the-victim": [apps.ingress(TENANT, "squat", VICTIM_HOST, ("outside", 80), path="/zz")],
    "another-load-balancer": [controller()],
    "quota": [quota(), route("more", "more.tenant.example.test", strategy="headless_twin")],
}
