# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What came later, drawn after everything else, so that seeds keep their meaning: routes of Services, several control planes, Rollouts,
ambient mode, and policies that ask another server or look at the client behind the load balancer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.oracle.cluster import PROXY, REDIRECTION, REVISION, TLS_MODE, Obj, has_sidecar, labels, name, namespace

from .backends import Backends
from .dice import Dice
from .parts import istio, mesh_settings
from .policies import full_name

CANARY = "canary"
DECOY = "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\nenableAutoMtls: false\n"


def draw(dice: Dice, backends: Backends, objects: Sequence[Obj]) -> list[Obj]:
    """The objects with what else there is."""
    found = list(objects)
    if dice.on("HTTPRoute of a Service", 0.08):
        found.append(_route(dice, backends))
    by_revision = dice.on("revision", 0.06)
    if dice.on("CUSTOM policy", 0.06):
        found = _with_custom(dice, backends, found)
    if dice.on("policy about the client's address", 0.06):
        found.append(_by_client(dice, backends))
    if dice.on("Rollout", 0.06):
        found.append(_rollout(dice, backends))
    if dice.on("ambient", 0.03):
        _enrol(found, dice.one(backends.apps).home)
    return _by_revision(found) if by_revision else found


def _enrol(objects: Sequence[Obj], home: str) -> None:
    """Put a namespace into ambient mode, and its pods as Istio's CNI notes it."""
    for item in objects:
        if item["kind"] == "Namespace" and name(item) == home:
            labels(item).pop("istio-injection", None)
            labels(item)["istio.io/dataplane-mode"] = "ambient"
        elif item["kind"] == "Pod" and namespace(item) == home:
            labels(item).pop(TLS_MODE, None)
            item["spec"]["containers"] = [one for one in item["spec"]["containers"] if one["name"] != PROXY]
            item["metadata"]["annotations"] = {REDIRECTION: "enabled"}


def _policy(dice: Dice, backends: Backends, name: str, spec: Obj) -> Obj:
    app = dice.one(backends.apps)
    selected = {"selector": {"matchLabels": app.labels}} if dice.maybe(0.5) else {}
    return istio("AuthorizationPolicy", app.home, name, {**selected, **spec}, dice.age(), "security")


def _with_custom(dice: Dice, backends: Backends, objects: Sequence[Obj]) -> list[Obj]:
    """A policy that asks a server which the mesh's settings name, or another one."""
    service = dice.one(backends.services)
    server = {"service": full_name(service), "port": service["spec"]["ports"][0]["port"], "includeRequestHeadersInCheck": ["x-ext-authz"]}
    provider = json.dumps([{"name": "server", "envoyExtAuthzHttp": server}])
    rule = dice.one([{}, {}, {"to": [{"operation": {"paths": ["/a", "/x*"]}}]}, {"to": [{"operation": {"methods": ["POST"]}}]}])
    asked = {"action": "CUSTOM", "provider": {"name": dice.one(["server", "server", "server", "absent"])}, "rules": [rule]}
    own = next((item["data"]["mesh"] for item in objects if item["kind"] == "ConfigMap"), "")
    others = [item for item in objects if item["kind"] != "ConfigMap"]
    return [*others, mesh_settings(f"{own}extensionProviders: {provider}\n"), _policy(dice, backends, "custom", asked)]


def _by_client(dice: Dice, backends: Backends) -> Obj:
    """A policy about the address of which the load balancer tells in a header."""
    source = {dice.one(["remoteIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"]): ["198.51.100.0/24"]}
    return _policy(dice, backends, "clients", {"action": dice.one(["ALLOW", "DENY"]), "rules": [{"from": [{"source": source}]}]})


def _rollout(dice: Dice, backends: Backends) -> Obj:
    """The workload of an app's pods, as Argo Rollouts has it."""
    app = dice.one(backends.apps)
    service = next(item for item in backends.services if item["spec"].get("selector") == app.labels)
    way: Obj = dice.one([{"canary": {}}, {"blueGreen": {"activeService": name(service)}}])
    first = app.pods[0]["spec"]
    containers = [item for item in first["containers"] if item["name"] != PROXY]
    template = {"metadata": {"labels": app.labels}, "spec": {**first, "containers": containers}}
    spec = {"replicas": len(app.pods), "selector": {"matchLabels": app.labels}, "strategy": way, "template": template}
    about = {"name": app.name, "namespace": app.home}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": about, "spec": spec}


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
        if item["kind"] in ("Deployment", "Rollout"):
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
