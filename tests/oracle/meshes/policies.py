# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Istio is told about transport: PeerAuthentication, DestinationRule, Sidecar, and the settings of the mesh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.oracle.cluster import Obj, name, namespace

from .backends import ALT, WEB, Backends
from .balancers import HOME
from .dice import Dice
from .parts import istio, mesh_settings

MODES = ("STRICT", "PERMISSIVE", "DISABLE", "UNSET", "")
ROOT = "istio-system"
SUFFIX = ".svc.cluster.local"


def full_name(service: Obj) -> str:
    return f"{name(service)}.{namespace(service)}{SUFFIX}"


def numbers(services: Sequence[Obj]) -> list[int]:
    return sorted({int(entry["port"]) for item in services for entry in item["spec"]["ports"]})


def draw(dice: Dice, backends: Backends) -> list[Obj]:
    """Everything of that kind. Their order is part of what a seed means."""
    found = [*_peer_authentications(dice, backends), *_destination_rules(dice, backends), *_sidecars(dice, backends)]
    return [*found, *_settings(dice)]


def _peer_authentications(dice: Dice, backends: Backends) -> Iterator[Obj]:
    if not dice.on("PeerAuthentication", 0.75):
        return
    for number in range(dice.number(1, 4)):
        where = dice.one([ROOT, ROOT, "apps", "apps", "shop", HOME, "selected", "selected", "root selected"])
        spec: Obj = {}
        if mode := dice.one(MODES):
            spec["mtls"] = {"mode": mode}
        app = dice.one(backends.apps)
        if "selected" in where:
            labels = dice.one([app.labels, app.labels, {"app": "zzz"}, {**app.labels, "version": "v1"}])
            spec["selector"] = {"matchLabels": labels}
            if dice.on("PeerAuthentication port", 0.4):
                port = dice.one([WEB, ALT, 80])
                spec["portLevelMtls"] = {port: {"mode": dice.one(MODES[:4])}}
            where = ROOT if where.startswith("root") else app.home
        yield istio("PeerAuthentication", where, f"pa{number}", spec, dice.age(), "security")


def _destination_rules(dice: Dice, backends: Backends) -> Iterator[Obj]:
    if not dice.on("DestinationRule", 0.45):
        return
    for number in range(dice.number(1, 3)):
        service = dice.one(backends.services)
        own = full_name(service)
        wide = ["*.apps.svc.cluster.local", "*.svc.cluster.local", "*.local", "nb.other.svc.cluster.local"]
        spec: Obj = {"host": dice.one([own, own, own, *wide])}
        if policy := _traffic_policy(dice, backends):
            spec["trafficPolicy"] = policy
        selects = dice.on("DestinationRule workloadSelector", 0.1)
        if selects:
            spec["workloadSelector"] = {"matchLabels": dice.one([{"app": "edge"}, {"app": "q"}])}
        elif dice.on("DestinationRule exportTo", 0.25):
            spec["exportTo"] = dice.one([["."], ["*"], [HOME], ["other"], ["other", HOME]])
        if dice.on("subset", 0.12) and not spec["host"].startswith("*"):
            subset: Obj = {"name": "v1", "labels": {"version": "v1"}}
            if dice.maybe(0.5):
                subset["trafficPolicy"] = {"tls": {"mode": dice.one(["DISABLE", "ISTIO_MUTUAL"])}}
            spec["subsets"] = [subset]
        where = dice.one([namespace(service), HOME, ROOT, "other"])
        yield istio("DestinationRule", where, f"dr{number}", spec, dice.age())


def _traffic_policy(dice: Dice, backends: Backends) -> Obj:
    policy: Obj = {}
    if mode := dice.one(["", "DISABLE", "ISTIO_MUTUAL"]):
        policy["tls"] = {"mode": mode}
        if mode == "ISTIO_MUTUAL" and dice.on("SANs", 0.3):
            known = [f"spiffe://cluster.local/ns/{app.home}/sa/{account}" for app in backends.apps for account in ("default", app.name)]
            policy["tls"]["subjectAltNames"] = dice.one([known[:1], known, ["spiffe://x/y"]])
    if dice.on("DestinationRule port", 0.25):
        entry: Obj = {"port": {"number": dice.one([*numbers(backends.services), 80])}}
        if dice.on("DestinationRule port without TLS", 0.25):
            entry["loadBalancer"] = {"simple": "ROUND_ROBIN"}
        else:
            entry["tls"] = {"mode": dice.one(["DISABLE", "ISTIO_MUTUAL"])}
        policy["portLevelSettings"] = [entry]
    return policy


def _sidecars(dice: Dice, backends: Backends) -> Iterator[Obj]:
    if not dice.on("Sidecar", 0.25):
        return
    own = dice.one(backends.services)
    choices = [
        ["*/*"], ["./*"], [f"{namespace(own)}/*"], [f"{ROOT}/*", "./*"], [f"{namespace(own)}/{full_name(own)}"], [f"*/{full_name(own)}"],
        ["~/*"], ["other/*"], ["*/*.apps.svc.cluster.local"],
    ]
    for number in range(dice.number(1, 2)):
        egress: Obj = {"hosts": dice.one(choices)}
        if dice.on("Sidecar port", 0.12):
            egress["port"] = {"number": dice.one(numbers(backends.services)), "name": "p", "protocol": dice.one(["HTTP", "TCP"])}
        spec: Obj = {"egress": [egress, {"hosts": [f"{ROOT}/*"]}] if "port" in egress else [egress]}
        if dice.maybe(0.4):
            spec["outboundTrafficPolicy"] = dice.one([{"mode": "ALLOW_ANY"}, {"mode": "REGISTRY_ONLY"}, {}])
        where = dice.one([HOME, HOME, ROOT, "apps"])
        if where == HOME and dice.maybe(0.4):
            spec["workloadSelector"] = {"labels": dice.one([{"app": "edge"}, {"app": "q"}])}
        yield istio("Sidecar", where, f"sc{number}", spec, dice.age())


def _settings(dice: Dice) -> Iterator[Obj]:
    lines = []
    if dice.on("REGISTRY_ONLY", 0.18):
        lines.append("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
    if dice.on("no auto mTLS", 0.06):
        lines.append("enableAutoMtls: false")
    if dice.on("default exportTo", 0.08):
        kind = dice.one(["Service", "VirtualService", "DestinationRule"])
        lines.append(f"default{kind}ExportTo: ['{dice.one(['.', '*'])}']")
    if dice.on("discoverySelectors", 0.05):
        chosen = dice.one([["apps", HOME, ROOT, "shop"], ["apps", HOME, ROOT], ["shop", ROOT], ["apps", "shop", ROOT]])
        terms = f"{{key: kubernetes.io/metadata.name, operator: In, values: {chosen}}}"
        lines.append(f"discoverySelectors: [{{matchExpressions: [{terms}]}}]".replace("'", ""))
    if dice.on("trust domain", 0.06):
        lines.append("trustDomain: td.example")
    if dice.on("root namespace", 0.04):
        lines.append("rootNamespace: other")
    if lines:
        yield mesh_settings("\n".join(lines) + "\n")
