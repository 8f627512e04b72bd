# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Comparing what a run of the role said with what the cluster shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .cluster import Cluster, Obj
from .objects import Record, holds, lasting, merged, touched, unlike
from .traffic import Answer, Entry, Target, ask_all, entry_of, measured, settle

Result = Mapping[str, Any]
# A canary gets its share of the requests: enough of them for both sides to be met.
REQUESTS = 12
BOOK = "meshlb.istio/replaced"
STRANGER = "stranger.example.test"
WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns as wide as they need to be."""
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [headings, *rows]]


def route_key(route: Result) -> tuple[str, ...]:
    """What tells a route from the others of one load balancer."""
    ref, backend = route["object"], route["backend"]
    parts = (ref["kind"], ref["namespace"], ref["name"], route["host"], route["path"], backend["service"], backend["port"])
    return tuple(map(str, parts))


def compare_changes(before: Record, predicted: Result, made: Result, after: Record) -> list[str]:
    """What check mode predicted, what the run reported, and what the objects show: all the same."""
    problems = []
    forecast, report = changes_by_key(predicted), changes_by_key(made)
    if predicted["changes"] != made["changes"]:
        for key in sorted(forecast.keys() | report.keys()):
            if forecast.get(key) != report.get(key):
                problems.append(f"{key}: predicted {_short(forecast.get(key))}, reported {_short(report.get(key))}")
        if not problems and list(forecast) != list(report):
            problems = ["the changes are the same, but come in another order"]
    real = touched(before, after)
    for key in sorted(real.keys() | forecast.keys()):
        action = forecast[key]["action"] if key in forecast else "nothing"
        if real.get(key, "nothing") != action:
            problems.append(f"{key}: predicted {action}, the objects show {real.get(key, 'nothing')}")
    for key, change in forecast.items():
        problems += [f"{key}: {line}" for line in _unlike_prediction(change, before.get(key), after.get(key))]
    print(f"{len(forecast)} changes predicted, {len(report)} reported, {len(real)} objects differ")
    return problems


def changes_by_key(result: Result) -> dict[str, Obj]:
    """The changes of a result, by object. An object that is changed twice (for its pods and for its routes) has both in one."""
    found: dict[str, Obj] = {}
    for change in result["changes"]:
        ref = change["object"]
        group, slash, _version = ref["api_version"].partition("/")
        kind = f"{ref['kind']}.{group}" if slash else ref["kind"]
        key = f"{kind}/{ref['namespace']}/{ref['name']}"
        found[key] = _joined(found[key], change) if key in found else change
    return found


def _joined(first: Obj, second: Obj) -> Obj:
    """Two patches of one object: before the first, after the second, and what both remember of before."""
    before, after = merged(second["before"], first["before"]), merged(first["after"], second["after"])
    books = [change["after"].get("metadata", {}).get("annotations", {}).get(BOOK, "{}") for change in (first, second)]
    book = {place: note for text in books for place, note in json.loads(text).items()}
    after["metadata"]["annotations"][BOOK] = json.dumps(book, sort_keys=True, separators=(",", ":"))
    return {**first, "before": before, "after": after}


def _unlike_prediction(change: Obj, was: Obj | None, now: Obj | None) -> list[str]:
    if change["action"] == "patch" and was is not None and now is not None:
        wanted = lasting(merged(was, change["after"]))
        return [f"{path}: predicted {one!r}, is {other!r}" for path, one, other in unlike(wanted, lasting(now))]
    if change["action"] == "create" and now is not None and not holds(now, change["after"]):
        return ["was not made as predicted"]
    return []


def _short(change: Obj | None) -> str:
    return f"{change['action']} {json.dumps(change['after'])[:300]}" if change else "nothing"


def compare_answers(
    cluster: Cluster, made: Result, expected: Mapping[str, Any], mode: str, load_balancer: tuple[str, str]
) -> list[str]:
    """Ask for every route, and compare with the plan and with what is known to be right."""
    entry = entry_of(cluster, *load_balancer, load_balancer[1])
    routes = [Asked(cluster, route, expected, mode) for route in made["routes"]]
    asked = [route for route in routes if route.measurable]
    problems: list[str] = []
    latest: dict[tuple[int, Target], list[Answer]] = {}

    def look() -> Mapping[int, str]:
        for port in sorted({route.port(entry) for route in asked}):
            targets = sorted({route.target for route in asked if route.port(entry) == port}, key=str)
            answers = ask_all(replace(entry, port=port), targets, REQUESTS)
            latest.update({(port, target): found for target, found in answers.items()})
        return {id(route): route.seen(latest[route.port(entry), route.target], entry) for route in asked}

    seen = settle(look, {id(route): route.verdict for route in asked})
    rows = []
    for route in routes:
        problems += route.unexpected(made)
        if route.measurable:
            problems += route.wrong(latest[route.port(entry), route.target], seen[id(route)])
        request, found = f"{route.target.host}{route.target.path}", seen.get(id(route), "not measured")
        rows.append((route.name, request, route.verdict, found, route.strategy))
    print("\n".join(table(("ROUTE OF", "REQUEST", "PLANNED", "SEEN", "STRATEGY"), rows)))
    missing = sorted(expected.keys() - {route.name for route in routes})
    return problems + [f"{name} is expected, and the plan has no route of it" for name in missing]


class Asked:
    """One route of the plan, and the request that takes it."""

    def __init__(self, cluster: Cluster, route: Result, expected: Mapping[str, Any], mode: str) -> None:
        self.route = route
        self.mode = mode
        # Routes that the load balancer's own arguments make are called by what they are.
        ref = route["object"]
        self.name = str(route["path"] if ref["kind"] in WORKLOADS else ref["name"])
        self.expected: Mapping[str, Any] = expected.get(self.name) or {}
        self.verdict = str(route["after"]["verdict"])
        self.strategy = str(route["after"]["strategy"])
        host = str(route["host"] or STRANGER)
        path = str(route["path"]) if str(route["path"]).startswith("/") else "/"
        self.target = Target(host.replace("*", "some", 1), path)
        self.measurable = bool(self.expected.get("measured", True))
        self.pods, self.ports, self.speaks_tls = _pods_behind(cluster, route["backend"])

    def port(self, entry: Entry) -> int:
        """Where to ask: a route of TCP has a port of the load balancer's Service to itself."""
        return int(self.expected.get("port", entry.port))

    @property
    def wanted(self) -> str:
        verdict = self.expected.get("verdict", "mutual_tls")
        return str(verdict[self.mode] if isinstance(verdict, Mapping) else verdict)

    def seen(self, answers: list[Answer], entry: Entry) -> str:
        """The verdict that answers of this route's pods show; the other side of a canary is not this route."""
        ours = [answer for answer in answers if self.is_own(answer) or not answer.pod]
        # TLS inside of mutual TLS reaches the application unread: it cannot be told who called. Its sidecar's side is proven apart.
        if self.speaks_tls and all(answer.status == 200 and answer.pod for answer in ours):
            return "mutual_tls" if self.mode == "STRICT" or self.verdict == "mutual_tls" else "plaintext"
        verdict = measured(ours, entry.identity) if ours else "no answer of its own pods"
        # A stream has no status to answer with: it is closed.
        return "refused" if verdict == "status 0" and "port" in self.expected else verdict

    def is_own(self, answer: Answer) -> bool:
        """Whether the backend that the route names has answered: one of its pods, on its port."""
        return answer.pod in self.pods and (answer.port in self.ports or not answer.port)

    def wrong(self, answers: list[Answer], seen: str) -> list[str]:
        """What was seen and should not have been."""
        problems = []
        if seen != self.verdict:
            problems.append(f"{self}: planned {self.verdict}, seen {seen}: {[answer.to_json() for answer in answers[:2]]}")
        host = self.expected.get("host", self.target.host)
        for answer in answers:
            if self.is_own(answer) and answer.host != host:
                problems.append(f"{self}: the application saw Host {answer.host}, not {host}")
                break
        return problems

    def unexpected(self, made: Result) -> list[str]:
        """What the plan says and should not."""
        problems = []
        if self.verdict != self.wanted:
            problems.append(f"{self}: planned {self.verdict}, expected {self.wanted}: {self.route['after']['why']}")
        if self.expected.get("strategy", self.strategy) != self.strategy:
            problems.append(f"{self}: strategy {self.strategy}, expected {self.expected['strategy']}")
        codes = {item["code"] for item in made["findings"] if item["object"] == self.route["object"]}
        if self.verdict != "mutual_tls" and not codes:
            problems.append(f"{self}: is not served, and no finding says why")
        if self.expected.get("finding") and self.expected["finding"] not in codes:
            problems.append(f"{self}: has no finding {self.expected['finding']}, but {sorted(codes)}")
        return problems

    def __str__(self) -> str:
        return f"{self.name} {self.target.host}{self.target.path}"


def _pods_behind(cluster: Cluster, backend: Result) -> tuple[set[str], set[str], bool]:
    """Names of a Service's pods, the ports on which they serve a Service port, and whether it speaks TLS itself."""
    where, name = backend["namespace"], backend["service"]
    service = cluster.get("service", name, "--namespace", where)
    declared: Obj = next((item for item in service["spec"]["ports"] if item["port"] == backend["port"]), {})
    slices = cluster.items("endpointslices", "--namespace", where, "--selector", f"kubernetes.io/service-name={name}")
    ends = [end for item in slices for end in item.get("endpoints") or []]
    ports = {str(port["port"]) for item in slices for port in item.get("ports") or [] if port.get("name", "") == declared.get("name", "")}
    return {end["targetRef"]["name"] for end in ends if end.get("targetRef")}, ports, backend.get("protocol") in ("https", "tls")


def compare_proofs(made: Result, proof: Result) -> list[str]:
    """Each method's verdict is the plan's, and says what it rests on."""
    problems = []
    rows = []
    planned = {route_key(route): route for route in made["routes"]}
    by_method = {name: {route_key(route): route for route in proof[name]["routes"]} for name in ("configuration", "traffic")}
    for key, route in planned.items():
        verdicts = {name: found[key]["verdict"] if key in found else "missing" for name, found in by_method.items()}
        wanted, where = route["after"]["verdict"], f"{route['host'] or '*'}{route['path']} -> {route['backend']['service']}"
        rows.append((where, wanted, verdicts["configuration"], verdicts["traffic"]))
        for name, verdict in verdicts.items():
            if verdict != wanted and not (name == "traffic" and verdict == "unknown" and _may_be_unknown(route, by_method[name])):
                problems.append(f"{where}: planned {wanted}, proof by {name} says {verdict}: {_evidence(by_method[name].get(key))}")
            if verdict == "mutual_tls" and not by_method[name][key]["evidence"]:
                problems.append(f"{where}: proof by {name} gives no evidence")
    print("\n".join(table(("ROUTE", "PLANNED", "CONFIGURATION", "TRAFFIC"), rows)))
    return problems


def _may_be_unknown(route: Result, proven: Mapping[tuple[str, ...], Result]) -> bool:
    """Whether traffic can tell nothing of a route, and says so.

    Requests for HTTP cannot drive a route of TCP. And a load balancer keeps connections open per upstream: of two routes with one
    backend, the second one's requests travel on the connection that the first one's have proven.
    """
    if str(route["path"]).startswith("tcp:"):
        return True
    others = [item for key, item in proven.items() if item["backend"] == route["backend"] and key != route_key(route)]
    shared = any(item["verdict"] == route["after"]["verdict"] for item in others)
    return shared and "an open TCP connection was reused" in _evidence(proven.get(route_key(route)))


def _evidence(route: Result | None) -> str:
    return "; ".join(str(item["fact"]) for item in (route or {}).get("evidence", []))[:600]
