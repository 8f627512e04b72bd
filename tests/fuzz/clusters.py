# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Honest clusters to begin with: one per load balancer, each with routes of every kind that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.tables import TABLES
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.shapes import Anything, Fields, Items, Scalar, Shape, Values

from tests.security.kit import clusters as c
from tests.unit.plugins.module_utils.detect.everything import CATALOG

Obj = dict[str, Any]
_TEXTS = {
    "host": "shop.example.com", "hostname": "shop.example.com", "hostnames": "shop.example.com", "hosts": "shop.example.com",
    "fqdn": "shop.example.com", "domain": "shop.example.com", "domains": "shop.example.com", "path": "/", "prefix": "/", "value": "/",
    "match": "Host(`shop.example.com`) && PathPrefix(`/`)", "service": "web", "serviceName": "web", "backendName": "web", "name": "web",
    "namespace": "victim", "pass": "web", "upstream": "web", "url": "http://web.victim:80", "target_url": "http://web.victim:80",
    "protocol": "TCP", "from": "All", "listen_path": "/", "resolution": "NONE", "location": "MESH_INTERNAL", "mode": "ISTIO_MUTUAL",
    "group": "", "termination": "edge", "clusterIP": "10.96.0.7",
}
_KINDS = {"parentRefs": "Gateway", "backendRefs": "Service", "services": "Service", "to": "Service", "alternateBackends": "Service"}


@dataclass(frozen=True)
class Base:
    """A cluster, and the load balancer that sidecars are asked for, as (namespace, name)."""

    name: str
    objects: tuple[Obj, ...]
    load_balancer: tuple[str, str]


def sample(shape: Shape, name: str, above: str = "", class_name: str = "") -> Any:
    """A value of a type that makes sense for a field of that name."""
    if isinstance(shape, Fields):
        return {key: sample(item, key, name, class_name) for key, item in shape.fields.items()}
    if isinstance(shape, Items):
        return [sample(shape.item, name, above, class_name)]
    if isinstance(shape, Values):
        return {"app": sample(shape.item, "app", name, class_name)}
    if isinstance(shape, Anything):
        return {}
    if not isinstance(shape, Scalar) or shape.numbers is not None:
        return 80
    if shape.flag:
        return False
    if name in ("ingressClassName", "gatewayClassName"):
        return class_name
    return _KINDS.get(above, "") if name == "kind" else _TEXTS.get(name, "web")


def made(kind: str, class_name: str) -> Obj:
    """An object of a kind with every field of its table."""
    word, dot, group = kind.partition(".")
    obj = sample(TABLES[kind], "", "", class_name)
    obj.update(apiVersion=f"{group}/v1" if dot else "v1", kind=word)
    namespaced = word not in ("GatewayClass",)
    obj["metadata"] = {"name": "web", **({"namespace": "victim"} if namespaced else {}), "annotations": {
        "kubernetes.io/ingress.class": class_name, "projectcontour.io/ingress.class": class_name,
    }}  # fmt: skip
    if word == "GatewayClass":
        obj["spec"] = {"controllerName": class_name}
    return obj


def bases() -> Iterator[Base]:
    """Clusters of the security checks, then one for each load balancer."""
    yield Base("nginx", tuple([*c.plain(), *c.gateway()]), ("ingress-nginx", "ingress-nginx-controller"))
    route = c.ingress_route("shop", "victim", "Host(`a.b`)", "web")
    yield Base("traefik", tuple([*c.before_mesh(c.traefik(), route), *c.gateway()]), ("edge", "traefik"))
    route = c.mapping("shop", "victim", "a.b", "web")
    yield Base("emissary", tuple([*c.before_mesh(c.emissary(), route), *c.gateway()]), ("edge", "emissary"))
    for item in CATALOG:
        profile = REGISTRY.get(item.vendor)
        class_name = str(item.classes[0]["metadata"]["name"]) if item.classes else item.vendor
        names = sorted({kind for reader in profile.routes for kind in reader.kinds} & TABLES.keys() - set(kinds.BASE))
        own = [made(kind, class_name) for kind in names]
        front = [*item.classes, item.carrier, *item.others, *own]
        metadata = item.carrier["metadata"]
        objects = [*c.mesh(), *c.gateway(), c.namespace("victim"), *c.app("web", "victim"), *front]
        objects += [c.ingress("shop", "victim", "shop.example.com", "web", cls=class_name), c.namespace(metadata["namespace"])]
        yield Base(item.vendor, tuple(unique(deepcopy(objects))), (metadata["namespace"], metadata["name"]))


def unique(objects: list[Obj]) -> list[Obj]:
    """Each object once."""
    found = {(item["kind"], item["apiVersion"], item["metadata"].get("namespace", ""), item["metadata"]["name"]): item for item in objects}
    return list(found.values())
