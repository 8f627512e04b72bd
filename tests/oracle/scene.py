# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""One state of a cluster, and Istio's answer about all calls in it, asked for at once. Nothing of the collection is imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from . import cluster
from .client import Answer, Case, Oracle
from .cluster import Obj
from .judge import Judge, Judgement, past_sidecar

Call = dict[str, Any]


class Scene:
    """``calls`` are pods with what they call; the names of calls are made unique. Istio is asked when something is wanted of it."""

    def __init__(
        self, oracle: Oracle, objects: Sequence[Obj], calls: Mapping[str, tuple[Obj, Sequence[Call]]], *, dump: bool = False
    ) -> None:
        self.objects = objects
        self._oracle = oracle
        self._dump = dump
        self._calls = {
            key: (pod, [{**call, "name": f"{key} {number}"} for number, call in enumerate(made)]) for key, (pod, made) in calls.items()
        }

    @property
    def error(self) -> str:
        """Why Istio does not take the case; empty where it does."""
        return str(self.answer.get("error") or "")

    @cached_property
    def answer(self) -> Answer:
        return self._oracle.ask(self.case)

    @cached_property
    def case(self) -> Case:
        """The question to Istio. What does not pass a sidecar is not asked for: only its ends matter."""
        sent = [{**call, "from": client(pod)} for pod, made in self._calls.values() for call in made if passes_sidecar(pod, call)]
        ends = {end for _pod, made in self._calls.values() for call in made for end in self._behind(call)}
        first = next((client(pod) for pod, _made in self._calls.values()), {})
        return {
            "id": "", "objects": list(seen(self.objects)), "mesh": cluster.mesh_settings(self.objects), "client": first, "calls": sent,
            "inbound": [{"ip": ip, "port": port} for ip, port in sorted(ends | self._ports)], "dump": self._dump,
            "ambient": any(map(cluster.is_ambient, cluster.of_kind(self.objects, "Pod"))),
        }

    @cached_property
    def _ports(self) -> set[tuple[str, int]]:
        """Every port of a pod that a Service leads to."""
        return {
            (ip, int(port["port"])) for item in cluster.of_kind(self.objects, "EndpointSlice") for port in item.get("ports") or []
            for one in item.get("endpoints") or [] for ip in one.get("addresses") or []
        }  # fmt: skip

    def _behind(self, call: Call) -> list[tuple[str, int]]:
        return cluster.behind(self.objects, str(call["address"]), int(call["port"]))

    def judged(self, key: str, wanted: Iterable[str] = (), own_name: str = "") -> tuple[Judgement, ...]:
        """Istio's judgements of the calls under a key; none where Istio does not take the case."""
        pod, made = self._calls[key]
        if self.error:
            return ()
        judge = Judge(self.objects, pod, self.answer)
        return tuple(judge.judge(call, wanted, own_name) for call in made)

    def outcomes(self, key: str) -> list[tuple[Call, dict[str, Any] | None]]:
        """Each call under a key, with what the client's proxy does with it; nothing where it does not get to see it."""
        found = {item["name"]: item for item in self.answer.get("calls") or []}
        return [(call, found.get(call["name"])) for call in self._calls[key][1]]


def passes_sidecar(pod: Obj, call: Call) -> bool:
    return cluster.has_sidecar(pod) and not past_sidecar(pod, str(call["address"]), int(call["port"]))


def client(pod: Obj) -> dict[str, Any]:
    """A pod as a client, in the form of a case."""
    return {
        "namespace": cluster.namespace(pod), "name": cluster.name(pod), "ip": cluster.address(pod), "kind": "sidecar",
        "labels": cluster.labels(pod), "service_account": pod.get("spec", {}).get("serviceAccountName") or "default",
    }


def seen(objects: Sequence[Obj]) -> Iterator[Obj]:
    """What Istio's control plane reads: of the rest, some kinds are of versions that its client no longer knows.

    Its informers leave out what is in namespaces that discoverySelectors do not select (pilot/pkg/config/kube/crdclient/client.go). Here
    Istio's own kinds do not come from an informer, so they are left out before.
    """
    groups = ("", "istio.io", "gateway.networking.k8s.io", "discovery.k8s.io")
    for item in objects:
        group = str(item.get("apiVersion", "")).rpartition("/")[0]
        if not any(group == known or (known and group.endswith("." + known)) for known in groups):
            continue
        if not group.endswith(".istio.io") or cluster.discovered(objects, cluster.namespace(item)):
            yield item
