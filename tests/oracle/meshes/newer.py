# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What came later, drawn after everything else, so that seeds keep their meaning: routes of Services, and several control planes."""

from __future__ import annotations

from collections.abc import Sequence

from tests.oracle.cluster import REVISION, Obj, has_sidecar, labels, name, namespace

from .backends import Backends
from .dice import Dice
from .parts import mesh_settings

CANARY = "canary"
DECOY = "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\nenableAutoMtls: false\n"


def draw(dice: Dice, backends: Backends, objects: Sequence[Obj]) -> list[Obj]:
    """The objects with what else there is."""
    found = list(objects)
    if dice.on("HTTPRoute of a Service", 0.08):
        found.append(_route(dice, backends))
    if dice.on("revision", 0.06):
        found = _by_revision(found)
    return found


def _route(dice: Dice, backends: Backends) -> Obj:
    """A route whose parent is a Service: it holds for clients that call the Service."""
    service = dice.one(backends.services)
    home = namespace(service)
    others = [item for item in backends.services if namespace(item) == home]
    rules = [_rule(dice, dice.one(others)) for _count in range(dice.number(1, 2))]
    if dice.maybe(0.5):
        rules[0]["matches"] = [{"path": {"type": "PathPrefix", "value": dice.one(["/a", "/x0"])}}]
    parent: Obj = {"group": "", "kind": "Service", "name": name(service)}
    if dice.maybe(0.5):
        parent["port"] = service["spec"]["ports"][0]["port"]
    metadata = {"name": "gamma", "namespace": home, "creationTimestamp": dice.age()}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata,
        "spec": {"parentRefs": [parent], "rules": rules},
    }


def _rule(dice: Dice, to: Obj) -> Obj:
    number = dice.one([to["spec"]["ports"][0]["port"], 80])
    return {"backendRefs": [{"name": name(to), "port": number, "weight": dice.one([1, 1, 0])}]}


def _by_revision(objects: Sequence[Obj]) -> list[Obj]:
    """The mesh as that of a second control plane, whose settings count; those of the first one are others."""
    kept = [item for item in objects if item["kind"] != "ConfigMap"]
    own = next((item["data"]["mesh"] for item in objects if item["kind"] == "ConfigMap"), "{}\n")
    for item in kept:
        in_mesh = item["kind"] == "Namespace" and labels(item).pop("istio-injection", None)
        if in_mesh or (item["kind"] == "Pod" and has_sidecar(item)):
            item["metadata"]["labels"][REVISION] = CANARY
        if item["kind"] == "Deployment":
            item["spec"]["template"]["metadata"]["labels"][REVISION] = CANARY
    return [*kept, mesh_settings(DECOY), mesh_settings(own, f"istio-{CANARY}"), _istiod("default"), _istiod(CANARY)]


def _istiod(revision: str) -> Obj:
    called = "istiod" if revision == "default" else f"istiod-{revision}"
    own = {"app": "istiod", REVISION: revision}
    container = {"name": "discovery", "image": "istio/pilot:1.31.0", "env": [{"name": "REVISION", "value": revision}]}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": called, "namespace": "istio-system", "labels": own},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": own}, "template": {"metadata": {"labels": own}, "spec": {"containers": [container]}},
        },
    }
