# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""One random mesh through everything that is compared: before, after ``auto`` and another strategy, others, the proof, and taking back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from . import cluster, harm, proof
from .client import Oracle
from .cluster import TLS_MODE, Obj
from .compare import DISAGREED, LEFT_OUT, UNKNOWN, Asking, Compared, asking, compared, together
from .judge import past_sidecar
from .meshes import Mesh
from .meshes.balancers import INBOUND
from .meshes.parts import PROXY
from .product import Said, applied, said


@dataclass(frozen=True)
class Fault:
    """A disagreement: at which stage, of which kind, and what it is."""

    stage: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.stage}, {self.kind}: {self.text}"


@dataclass
class Round:
    """What came out for a mesh: ``unknown`` and ``left_out`` count by reason, ``compared`` counts what is not left out.

    ``judges`` counts who decided what filters let in.
    """

    compared: int = 0
    faults: list[Fault] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    judges: Counter[str] = field(default_factory=Counter)

    def add(self, stage: str, rows: Iterable[Compared]) -> None:
        for row in rows:
            if row.result == LEFT_OUT:
                self.left_out[row.why.partition("(")[0][:80]] += 1
                continue
            self.compared += 1
            if row.result == UNKNOWN:
                self.unknown[row.said["why"]] += 1
            elif row.result == DISAGREED:
                self.faults.append(Fault(stage, "verdict", str(row)))
            else:
                self._add_access(stage, row)

    def _add_access(self, stage: str, row: Compared) -> None:
        told, found = row.said["access"], row.access
        self.judges.update(found.judges)
        self.faults += [Fault(stage, "judge", f"{row.item.title}: {doubt}") for doubt in found.doubts]
        if not found.decision:
            return
        self.compared += 1
        if told["decision"] == "unknown":
            self.unknown[f"access: {told['why']}"] += 1
        elif told["decision"] == "conditional" != found.decision:
            # There may be requests that get another answer, and are not among those that are asked about here.
            self.left_out["access: conditional, and the same for all requests that were asked about"] += 1
        elif told["decision"] != found.decision:
            text = f"{row.item.title}: said {told['decision']} ({told['why']}), Istio does {found.decision} ({row.verdict})"
            self.faults.append(Fault(stage, "access", text))

    def merge(self, other: Round) -> None:
        self.compared += other.compared
        self.faults += other.faults
        self.unknown.update(other.unknown)
        self.left_out.update(other.left_out)
        self.judges.update(other.judges)

    def check(self, stage: str, kind: str, wrong: Iterable[str]) -> None:
        """One comparison, and a fault for each sentence."""
        self.compared += 1
        self.faults += [Fault(stage, kind, text) for text in wrong]


def play(oracle: Oracle, mesh: Mesh) -> Round:
    """Everything that is compared for a mesh. What disagrees is compared once more, and counts where it does so again."""
    found = _once(oracle, mesh)
    if found.faults:
        again = {str(fault) for fault in _once(oracle, mesh).faults}
        lasting = [fault for fault in found.faults if str(fault) in again]
        if len(lasting) < len(found.faults):
            found.left_out["Istio answers now so and now otherwise"] += len(found.faults) - len(lasting)
        found.faults = lasting
    return found


def _once(oracle: Oracle, mesh: Mesh) -> Round:
    found = Round()
    auto = said(mesh.objects)
    if auto.crash or auto.error:
        found.check("plan", "crash" if auto.crash else "refused", [auto.crash or auto.error])
        return found
    before = asking(oracle, mesh.objects, mesh.clients, dump=mesh.proven == "before")
    found.add("before", compared(before, "before", auto))
    if before.scene.error:
        return found
    if mesh.proven == "before":
        _prove(found, "proof before", before)
    _after(oracle, found, mesh, before, "auto", auto)
    _after(oracle, found, mesh, before, mesh.strategy, said(mesh.objects, strategy=mesh.strategy))
    return found


def _after(oracle: Oracle, found: Round, mesh: Mesh, before: Asking, strategy: str, told: Said) -> None:
    """A strategy's plan carried out, a second run over it, and all of it taken back."""
    if told.error:
        found.check(strategy, "crash" if told.crash else "refused", [told.crash or told.error])
        return
    given = _with_sidecars(mesh.objects, before)
    written = applied(given, told.changes)
    objects = cluster.completed(written)
    if not told.changes and given == list(mesh.objects):
        found.add(strategy, compared(before, "after", told))
        return
    after = asking(oracle, objects, mesh.clients, dump=strategy == "auto" and mesh.proven == "after")
    found.add(strategy, compared(after, "after", told))
    if after.scene.error:
        return
    if strategy == "auto" and mesh.proven == "after":
        _prove(found, "proof after", after)
    others = [f"client {number}" for number in range(len(mesh.clients))]
    found.check(strategy, "another client", harm.to_clients(before.scene, after.scene, others))
    found.check(strategy, "servers", harm.to_servers(before.scene, after.scene))
    again = said(objects, strategy=strategy)
    found.check(strategy, "second run", _unsettled(again))
    back = said(objects, strategy=strategy, state="absent")
    found.check(strategy, "taking back", _left(back, given, written))


def _with_sidecars(objects: Sequence[Obj], before: Asking) -> list[Obj]:
    """The objects once every load balancer that can have a sidecar has it, as plans assume it."""
    found = [pod for item in before.items.values() if (pod := item.client) and not cluster.has_sidecar(pod)]
    bare = {(cluster.namespace(pod), cluster.name(pod)) for pod in found if cluster.discovered(objects, cluster.namespace(pod))}
    return [
        _with_sidecar(item) if item["kind"] == "Pod" and (cluster.namespace(item), cluster.name(item)) in bare else item for item in objects
    ]


def _with_sidecar(pod: Obj) -> Obj:
    metadata, spec = pod["metadata"], pod["spec"]
    labels = {**metadata["labels"], TLS_MODE: "disabled", "sidecar.istio.io/inject": "true"}
    notes = {**metadata["annotations"], INBOUND: ""}
    containers = [*spec["containers"], dict(PROXY)]
    return {**pod, "metadata": {**metadata, "labels": labels, "annotations": notes}, "spec": {**spec, "containers": containers}}


def _prove(found: Round, stage: str, given: Asking) -> None:
    proxies = proof.readings(given.scene.answer)
    for key, item in given.items.items():
        pod = item.client
        if pod is None or not item.calls or not cluster.has_sidecar(pod):
            continue
        if any(past_sidecar(pod, str(call["address"]), int(call["port"])) for call in item.calls):
            continue
        judged = given.judged(key)
        truth = together(judged)
        # The proof looks at every rule for the path, whichever headers it asks for.
        parts = [one for call, one in zip(item.below, given.judged(key, " below"), strict=True) if "headers" in call]
        truths = {truth.verdict, together([*judged, *parts]).verdict}
        verdict, evidence = proof.proven(given.scene.objects, pod, item.calls, proxies)
        found.compared += 1
        if verdict == "unknown":
            found.unknown[f"proof: {evidence[0].how}"] += 1
        elif not truths & {verdict, "unknown"}:
            reasons = "; ".join(sorted({step.why for step in truth.steps}))
            text = f"{item.title}: said {verdict} ({evidence[0].how}), Istio does {truth.verdict} ({reasons})"
            found.faults.append(Fault(stage, "proof", text))


def _unsettled(again: Said) -> list[str]:
    if again.error:
        return [again.crash or again.error]
    found = [f"it would write {change.action} {change.object}: {change.why}" for change in again.changes]
    for key, rows in again.routes.items():
        found += [
            f"{key}: {row['before']['verdict']} now, {row['after']['verdict']} after"
            for row in rows if row["before"]["verdict"] != row["after"]["verdict"]
        ]
    return found


def _left(back: Said, given: Sequence[Obj], written: Sequence[Obj]) -> list[str]:
    if back.error:
        return [back.crash or back.error]
    was, now = _by_name(given), _by_name(applied(written, back.changes))
    return [f"{' '.join(key)} is not as it was" for key in sorted(was.keys() | now.keys()) if was.get(key) != now.get(key)]


def _by_name(objects: Iterable[Obj]) -> dict[tuple[str, ...], Obj]:
    """Objects without empty maps of annotations and labels, which the API does not keep."""
    found: dict[tuple[str, ...], Obj] = {}
    for item in objects:
        metadata = {key: value for key, value in item["metadata"].items() if value or key not in ("annotations", "labels")}
        found[(item["kind"], cluster.namespace(item), cluster.name(item))] = {**item, "metadata": metadata}
    return found
