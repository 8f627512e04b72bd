# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""One load balancer's matrix on the cluster: made, predicted, measured, and taken away."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import ways
from .cluster import Cluster, Obj
from .modules import module
from .traffic import REQUESTS, Answer, Entry, ask_all, entry_of, measured, settle
from .ways import Case, Vendor

# The server's own, which a stored object must not bring along when it is put back.
SERVERS_OWN = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields")


@dataclass(frozen=True)
class Cell:
    """One comparison."""

    stage: tuple[str, ...]
    case: Case
    predicted: str
    measured: str

    @property
    def agrees(self) -> bool:
        return self.predicted in (self.measured, "unknown")


class World:
    """The applications and routes of one load balancer."""

    def __init__(self, cluster: Cluster, vendor: Vendor) -> None:
        self.cluster = cluster
        self.vendor = vendor
        self.cases = ways.cases(vendor)
        self.cells: list[Cell] = []
        self.entry = entry_of(cluster, vendor.namespace, vendor.name, vendor.service)
        self.streams: dict[str, Entry] = {}
        self.stock: list[tuple[Obj, Obj | None]] = []

    def build(self) -> None:
        """Make all of it, what has the pods read as HTTP first."""
        made = ways.applications(self.cases, self.cluster.image_of("apps", "echo"))
        self.cluster.apply(*made)
        workloads = [f"deployment/{item['metadata']['name']}" for item in made if item["kind"] == "Deployment"]
        self.cluster.rolled_out(ways.NAMESPACE, *workloads)
        self.cluster.apply(*ways.services(self.cases))
        places = [case.place for case in self.cases]
        streams = [place for place in places if place.stream]
        self.lay(self.vendor.around(places))
        self.lay(ways.streams_of(self.vendor, self.cluster, streams))
        self.cluster.apply(*ways.routes(self.cases))
        if streams:
            address = self.cluster.get("service", "streams", "--namespace", self.vendor.namespace)["spec"]["clusterIP"]
            self.streams = {place.name: replace(self.entry, address=address, port=place.stream) for place in streams}

    def lay(self, objects: Iterable[Obj]) -> None:
        """Apply objects that may have been there before, and remember what was."""
        for item in objects:
            meta = item["metadata"]
            if meta.get("namespace") == ways.NAMESPACE:  # goes with it
                self.cluster.apply(item)
                continue
            words = (self.kind_of(item), meta["name"], f"--namespace={meta.get('namespace', '')}", "--ignore-not-found", "--output=json")
            found = self.cluster.run("get", *words).stdout.strip()
            self.stock.append((item, json.loads(found) if found else None))
            self.cluster.apply(item)

    def remove(self) -> None:
        """Take everything back."""
        self.route(state="absent")
        self.sidecar("absent")
        self.cluster.delete("namespace", ways.NAMESPACE)
        while self.stock:
            item, before = self.stock.pop()
            if before is None:
                self.cluster.delete(self.kind_of(item), item["metadata"]["name"], f"--namespace={item['metadata'].get('namespace', '')}")
            else:
                before["metadata"] = {key: value for key, value in before["metadata"].items() if key not in SERVERS_OWN}
                self.cluster.run("replace", "--filename=-", stdin=json.dumps(before))
        self.cluster.delete("peerauthentication", "default", "--namespace", "istio-system")

    @staticmethod
    def kind_of(obj: Obj) -> str:
        """The kind as kubectl takes it."""
        group, slash, version = str(obj["apiVersion"]).partition("/")
        return f"{obj['kind']}.{version}.{group}" if slash else str(obj["kind"])

    def route(self, check: bool = False, **options: Any) -> dict[str, Any]:
        own, where = f"{self.vendor.namespace}/{self.vendor.name}", [ways.NAMESPACE, self.vendor.namespace]
        return module(self.cluster, "service_routing", check, namespaces=where, load_balancers=[own], **options)

    def sidecar(self, state: str) -> dict[str, Any]:
        return module(self.cluster, "lb_sidecar", load_balancer=self.vendor.load_balancer, state=state)

    def answers(self) -> dict[str, list[Answer]]:
        """Answers by case."""
        over_http = [case for case in self.cases if case.name not in self.streams]
        found = ask_all(self.entry, [case.place.target for case in over_http], REQUESTS)
        seen = {case.name: found[case.place.target] for case in over_http}
        for case in self.cases:
            if case.name in self.streams:
                seen[case.name] = ask_all(self.streams[case.name], [case.place.target], REQUESTS)[case.place.target]
        return seen

    def look(self) -> dict[str, str]:
        """Verdicts by case; an answer from another application is none."""
        seen, answers = {}, self.answers()
        for case in self.cases:
            strangers = sorted({answer.app for answer in answers[case.name] if answer.app} - {case.app})
            verdict = f"answers of {', '.join(strangers)}" if strangers else measured(answers[case.name], self.entry.identity)
            # A stream has no status to answer with: it is closed.
            seen[case.name] = "refused" if verdict == "status 0" and case.name in self.streams else verdict
        return seen

    def compare(self, stage: tuple[str, ...], predicted: Mapping[str, str]) -> list[str]:
        """Measure until it is what was predicted; the differences that stay."""
        seen = settle(self.look, {name: verdict for name, verdict in predicted.items() if verdict != "unknown"})
        cells = [Cell(stage, case, predicted[case.name], seen[case.name]) for case in self.cases]
        self.cells += cells
        return [f"{cell.case.name}: predicted {cell.predicted}, measured {cell.measured}" for cell in cells if not cell.agrees]

    def verdicts(self, result: Mapping[str, Any], when: str) -> dict[str, str]:
        """Predictions by case. A route without a host is known by its Service."""
        found = {name_of(route): str(route[when]["verdict"]) for route in result["routes"]}
        assert sorted(found) == sorted(case.name for case in self.cases), "the plan's routes are not those that were made"
        return found

    def table(self) -> list[str]:
        """In Markdown: a row for every stage and way, a column for every kind of port."""
        lines = [f"| {self.vendor.id} | route | {' | '.join(ways.PORTS)} |", f"|---|---|{'---|' * len(ways.PORTS)}"]
        found = {(cell.stage, cell.case.way.name, cell.case.port): cell for cell in self.cells}
        for stage, way in dict.fromkeys((stage, way) for stage, way, _port in found):
            row = [_text(found.get((stage, way, port))) for port in ways.PORTS]
            lines.append(f"| {' '.join(filter(None, stage))} | {way} | {' | '.join(row)} |")
        agreed = sum(cell.agrees and cell.predicted != "unknown" for cell in self.cells)
        unknown = sum(cell.predicted == "unknown" for cell in self.cells)
        return [*lines, f"| {agreed} of {len(self.cells)} predictions were what was measured, {unknown} said unknown |"]


def name_of(route: Mapping[str, Any]) -> str:
    """The case that a route of the plan is."""
    return str(route["host"]).partition(".")[0] or str(route["backend"]["service"])


def _text(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    return cell.predicted if cell.agrees else f"**predicted {cell.predicted}, measured {cell.measured}**"
