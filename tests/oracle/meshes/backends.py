# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Applications: pods, and the Services over them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.oracle.cluster import TLS_MODE, Obj

from .dice import Dice
from .parts import namespace, pod, port, service

PORT_NAMES = (
    ("http", ""), ("", ""), ("tcp-x", ""), ("web", ""), ("http2-x", ""), ("grpc", ""), ("https", ""), ("x", "http"), ("http", "tcp"),
    ("x", "kubernetes.io/h2c"), ("x", "kubernetes.io/ws"), ("mysql", ""), ("redis-x", ""), ("grpc-web", ""), ("x", "HTTP"),
    ("x", "unknown"), ("tls", ""), ("http-x", ""), ("httpx", ""),
)
EXPORTS = (".", "*", "~", "ingress", "other", "ingress,other")
WEB, ALT = 8080, 8443


@dataclass(frozen=True)
class App:
    """Pods with a label of their own."""

    home: str
    name: str
    pods: tuple[Obj, ...]

    @property
    def labels(self) -> dict[str, str]:
        return {"app": self.name}


@dataclass
class Backends:
    """What routes may lead to. ``services`` are those with pods of an app of ours behind them."""

    apps: list[App] = field(default_factory=list)
    services: list[Obj] = field(default_factory=list)
    objects: list[Obj] = field(default_factory=list)


def draw(dice: Dice) -> Backends:
    """One to three apps in two namespaces, each with a Service or two."""
    made = Backends()
    made.objects += [namespace("apps", mesh=True), namespace("shop", mesh=True), namespace("other")]
    for number in range(dice.number(1, 3)):
        app = _app(dice, dice.one(["apps", "apps", "shop"]), f"echo{number}", number)
        made.apps.append(app)
        made.objects += app.pods
        made.services.append(_service(dice, app, f"echo{number}", 10 + number))
    if dice.on("twin Service", 0.25):
        made.services.append(_second(dice, dice.one(made.apps)))
    if dice.on("neighbour", 0.4):
        made.objects += _neighbour(dice)
    if dice.on("ExternalName", 0.08):
        made.services.append(_alias(dice, made))
    if dice.on("Service without selector", 0.08):
        made.objects += _without_selector(dice, made)
    made.objects += made.services
    return made


def _app(dice: Dice, home: str, name: str, number: int) -> App:
    pods = []
    for index in range(dice.number(1, 3)):
        sidecar = not dice.on("no sidecar", 0.12)
        notes, labels = {}, {"app": name}
        if sidecar and dice.on("excluded port", 0.06):
            notes["traffic.sidecar.istio.io/excludeInboundPorts"] = str(WEB)
        if sidecar and dice.on("tlsMode", 0.05):
            labels[TLS_MODE] = "disabled"
        if dice.on("version labels", 0.4):
            labels["version"] = dice.one(["v1", "v2"])
        account = dice.one(["default", name])
        ready = not (index and dice.on("pod not ready", 0.1))
        ports = ((WEB, "web"), (ALT, "alt"))
        ip = f"10.0.{number + 1}.{index + 1}"
        pods.append(pod(home, f"{name}-{index}", ip, labels, sidecar=sidecar, account=account, ports=ports, notes=notes, ready=ready))
    return App(home, name, tuple(pods))


def _service(dice: Dice, app: App, name: str, last: int) -> Obj:
    headless = dice.on("headless", 0.15)
    called, protocol = dice.one(PORT_NAMES) if dice.maybe(0.6) else dice.one((("http", ""), ("", ""), ("tcp", "")))
    if protocol:
        dice.mark("appProtocol")
    elif called.startswith("tcp"):
        dice.mark("TCP port")
    elif not called:
        dice.mark("undeclared port")
    inside = dice.one([WEB, WEB, ALT])
    number = dice.one([80, WEB, inside if headless else 9000, 3306])
    target: int | str = inside
    if dice.on("named port", 0.2):
        target = "web" if inside == WEB else "alt"
    notes = {}
    if dice.on("Service exportTo", 0.08):
        notes["networking.istio.io/exportTo"] = dice.one(EXPORTS)
    ports = [port(number, target, called, protocol)]
    if called and dice.on("two ports", 0.1):
        ports.append(port(number + 1, ALT, dice.one(["http-alt", "tcp-alt", "alt"])))
    return service(app.home, name, ports, app.labels, ip="None" if headless else f"10.96.0.{last}", created=dice.age(), notes=notes)


def _second(dice: Dice, app: App) -> Obj:
    """Another Service over the same pods, as people have it for StatefulSets and canaries."""
    notes = {"networking.istio.io/exportTo": dice.one(["*", "ingress", "other"])} if dice.maybe(0.3) else {}
    target = dice.one([WEB, ALT])
    ports = [port(target, target, dice.one(["", "tcp-a", "http", "web"]))]
    ip = dice.one(["None", "None", "10.96.0.30"])
    return service(app.home, f"{app.name}-more", ports, app.labels, ip=ip, created=dice.age(), notes=notes)


def _neighbour(dice: Dice) -> list[Obj]:
    labels = {"app": "nb"}
    behind = pod("other", "nb-0", "10.0.7.1", labels, sidecar=dice.maybe(0.5), ports=((WEB, "web"),))
    ports = [port(dice.one([80, WEB, 9000]), WEB, dice.one(["http", "", "tcp"]))]
    return [behind, service("other", "nb", ports, labels, ip="10.96.0.40", created=dice.age())]


def _alias(dice: Dice, made: Backends) -> Obj:
    """A Service that only names another one; routes may lead to it."""
    other = dice.one(made.services)
    to = f"{other['metadata']['name']}.{other['metadata']['namespace']}.svc.cluster.local"
    entry = other["spec"]["ports"][0]
    alias = service("apps", "alias", [port(entry["port"], entry["port"], entry.get("name", ""))], None, ip="", created=dice.age())
    alias["spec"].update({"type": "ExternalName", "externalName": to})
    return alias


def _without_selector(dice: Dice, made: Backends) -> list[Obj]:
    """A Service whose endpoints somebody wrote by hand, over pods of another namespace or of its own."""
    app = dice.one(made.apps)
    home = dice.one(["apps", "shop"])
    found = service(home, "manual", [port(80, WEB, dice.one(["http", "", "tcp"]))], None, ip="10.96.0.50", created=dice.age())
    made.services.append(found)
    endpoints: list[Obj] = []
    for one in app.pods:
        endpoint: Obj = {"addresses": [one["status"]["podIP"]], "conditions": {"ready": True}}
        # A pod of the same namespace is found by its address, too, if istiod heard of it first: nobody can foretell that.
        if dice.maybe(0.5) or home == app.home:
            endpoint["targetRef"] = {"kind": "Pod", "name": one["metadata"]["name"], "namespace": app.home}
        endpoints.append(endpoint)
    metadata = {"name": "manual-0", "namespace": home, "labels": {"kubernetes.io/service-name": "manual"}}
    name = found["spec"]["ports"][0].get("name", "")
    return [{
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "metadata": metadata,
        "ports": [{"name": name, "port": WEB, "protocol": "TCP"}], "endpoints": endpoints,
    }]
