# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix of any load balancer: its kinds of route, each before every kind of Service port.

A vendor is data: how its routes are made and where it runs (tests/integration/balancers/NAME.py). That the lab's load balancers keep
no connection to a backend open for long is set where the lab installs them: one that is open when something changes stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from . import apps
from .cluster import Cluster, Obj
from .traffic import Target

NAMESPACE = "vendors"
STREAMS = 9000  # the first of the ports on which a load balancer listens for routes of TCP
FIRST_POD_PORT = 8100
# Kinds of Service port: number (0 for the pod's own), name, and the application behind it.
PORTS: dict[str, tuple[int, str, str]] = {
    "http-80": (80, "http", "echo"), "http-8000": (8000, "http", "echo"), "auto": (80, "", "echo"), "tcp": (80, "tcp-web", "echo"),
    "equal-ports": (0, "http", "echo"), "headless-http": (0, "http", "headless"), "headless-auto": (0, "", "headless"),
    "no-sidecar": (80, "http", "plain"),
}  # fmt: skip
WITH_ADDRESS = tuple(kind for kind in PORTS if not kind.startswith("headless"))
# A route of TCP says nothing of Host, so what HTTP's listeners make of it depends on the bytes: no prediction.
OF_STREAMS = ("auto", "tcp")


@dataclass(frozen=True)
class Place:
    """Where one route leads: ``stream`` is the load balancer's own port where the route is one of TCP."""

    name: str
    service: str
    number: int
    stream: int = 0
    path: str = "/"

    @property
    def host(self) -> str:
        return f"{self.name}.vendors.example.test"

    @property
    def target(self) -> Target:
        return Target(self.host, self.path)


@dataclass(frozen=True)
class Way:
    """One kind of route. ``service``: the Service that it shares with others; ``notes``: annotations of its Service."""

    name: str
    make: Callable[[Place], Obj | None]
    ports: tuple[str, ...] = tuple(PORTS)
    stream: bool = False
    service: str = ""
    path: str = "/"
    notes: Callable[[Place], dict[str, str]] | None = None


@dataclass(frozen=True)
class Case:
    """A route of the matrix."""

    way: Way
    port: str
    pod_port: int
    place: Place

    @property
    def app(self) -> str:
        return PORTS[self.port][2]

    @property
    def name(self) -> str:
        return self.place.name


@dataclass(frozen=True)
class Vendor:
    """``around``: objects that the routes need; ``kinds``: its own kinds, which a way back has to restore.

    ``variants``: global settings under which everything is measured, by name.
    """

    id: str
    namespace: str
    name: str
    service: str
    ways: tuple[Way, ...]
    around: Callable[[list[Place]], list[Obj]] = lambda places: []
    kinds: tuple[str, ...] = ()
    variants: dict[str, list[Obj]] = field(default_factory=lambda: {"": []})

    @property
    def load_balancer(self) -> dict[str, str]:
        return {"namespace": self.namespace, "name": self.name}


def cases(vendor: Vendor) -> list[Case]:
    """Every way before every kind of port that it is for. Each Service has a pod port of its own.

    A sidecar's inbound side serves one pod port with one protocol, and strategies may hold for all Services of a pod port.
    """
    found: list[Case] = []
    streams = STREAMS
    pod_ports: dict[str, int] = {}
    for way in vendor.ways:
        for port in way.ports:
            name = f"{way.name}-{port}"
            service = way.service or name
            pod_port = pod_ports.setdefault(service, FIRST_POD_PORT + len(pod_ports))
            place = Place(name, service, PORTS[port][0] or pod_port, streams if way.stream else 0, way.path)
            streams += way.stream
            found.append(Case(way, port, pod_port, place))
    return found


def applications(found: Iterable[Case], image: str) -> list[Obj]:
    """Applications, and Services that have their pods' ports read as HTTP, so that the application is told who calls.

    The oldest Service of a pod port decides how the sidecar before the application reads it. Nothing is routed to these.
    """
    made = [apps.namespace(NAMESPACE)]
    for app in dict.fromkeys(case.app for case in found):
        numbers = sorted({case.pod_port for case in found if case.app == app})
        made += apps.echo(NAMESPACE, app, image, numbers, sidecar=app != "plain")
        readers = [apps.port(10000 + number, number, f"http-{number}") for number in numbers]
        made.append(apps.service(NAMESPACE, f"{app}-read-as-http", {"app": app}, readers))
    return made


def services(found: Iterable[Case]) -> Iterator[Obj]:
    """One Service for each."""
    for case in {case.place.service: case for case in found}.values():
        ports = [apps.port(case.place.number, case.pod_port, PORTS[case.port][1])]
        made = apps.service(NAMESPACE, case.place.service, {"app": case.app}, ports, headless=case.port.startswith("headless"))
        if case.way.notes is not None:
            made["metadata"]["annotations"] = case.way.notes(case.place)
        yield made


def routes(found: Iterable[Case]) -> list[Obj]:
    """One route for each."""
    made = (case.way.make(case.place) for case in found)
    return [item for item in made if item is not None]


def streams_of(vendor: Vendor, cluster: Cluster, places: list[Place]) -> list[Obj]:
    """A Service with the ports on which the load balancer listens for streams."""
    if not places:
        return []
    selector = cluster.get("service", vendor.service, "--namespace", vendor.namespace)["spec"]["selector"]
    ports = [apps.port(place.stream, place.stream, f"tcp-{place.stream}") for place in places]
    return [apps.service(vendor.namespace, "streams", selector, ports)]
