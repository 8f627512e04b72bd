# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""From Istio's answer about a call to a verdict. Nothing of the collection is imported: this is the other side of the comparison.

Istio says what the client's proxy does with the call, and how the sidecars of the backends take each kind of connection. What Istio's
control plane does not decide is decided here, from the pods: whether a sidecar is there and gets the connection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .cluster import Obj, address, annotations_of, behind, has_sidecar, is_ambient, mesh_settings, name, namespace, of_kind, parsed

TRAFFIC = "traffic.sidecar.istio.io/"
HEALTHY = ("HEALTHY", "UNKNOWN")
BLACK_HOLE = "BlackHoleCluster"
NO_CLUSTER = "the cluster does not exist"
LOCAL = ".svc.cluster.local"

MUTUAL, PLAIN, REFUSED, MIXED, UNKNOWN = "mutual_tls", "plaintext", "refused", "mixed", "unknown"


@dataclass(frozen=True)
class Step:
    """What becomes of one possible connection: ``to`` is its end as IP:PORT, empty where it never leaves."""

    verdict: str
    why: str
    cluster: str = ""
    to: str = ""
    pod: str = ""
    filters: tuple[str, ...] = ()
    guards: tuple[dict[str, Any], ...] = ()
    """Filters there that may turn requests away, with their settings."""
    identity: str = ""
    """Who the client is for the sidecar there, empty in plaintext."""
    reads_http: bool = False
    """Whether the sidecar there reads requests."""


@dataclass(frozen=True)
class Judgement:
    """The verdict over all connections that a call can become; ``elsewhere`` names what it reaches besides its backend."""

    verdict: str
    steps: tuple[Step, ...]
    elsewhere: tuple[str, ...] = ()


class Judge:
    """Judges the calls of one client in one cluster."""

    def __init__(self, objects: Sequence[Obj], client: Obj, answer: dict[str, Any]) -> None:
        self.objects = objects
        self.client = client
        self.answer = answer
        self.pods = {address(pod): pod for pod in of_kind(objects, "Pod") if address(pod)}
        self.trust_domain = trust_domain(mesh_settings(objects))

    def judge(self, call: dict[str, Any], backend: Iterable[str], own_name: str = "") -> Judgement:
        """The verdict of a call that is meant for the pods with these addresses, and for the Service ``own_name``."""
        wanted = set(backend)
        if not has_sidecar(self.client):
            steps = self._direct(call, "the client has no sidecar")
        elif past := past_sidecar(self.client, str(call["address"]), int(call["port"])):
            steps = self._direct(call, past)
        else:
            steps = self._through(call)
        return Judgement(overall(step.verdict for step in steps), tuple(steps), tuple(sorted(set(_elsewhere(steps, wanted, own_name)))))

    def _direct(self, call: dict[str, Any], why: str) -> list[Step]:
        ends = behind(self.objects, str(call["address"]), int(call["port"]))
        return [self._arrive(ip, port, None, call, why, "") for ip, port in ends] or [Step(REFUSED, "nobody listens at that address")]

    def _through(self, call: dict[str, Any]) -> list[Step]:
        found = next(item for item in self.answer["calls"] if item["name"] == call["name"])
        if found.get("error"):
            return [Step(REFUSED, f"the client's proxy: {found['error']}")]
        reads_http = bool((found.get("chain") or {}).get("http"))
        clusters = [item for item in found.get("clusters") or [] if item["weight"]]
        if not clusters:
            action = (found.get("route") or {}).get("action", "no cluster")
            return [Step(REFUSED, f"the client's proxy answers itself ({action})")]
        return [step for item in clusters for step in self._of_cluster(item, call, reads_http)]

    def _of_cluster(self, cluster: dict[str, Any], call: dict[str, Any], reads_http: bool) -> list[Step]:
        called, tunnels = str(cluster["name"]), list[Step]()
        if not cluster["found"] or called == BLACK_HOLE:
            return [Step(REFUSED, "the client's proxy lets nothing out" if called == BLACK_HOLE else NO_CLUSTER, called)]
        if cluster["type"] == "ORIGINAL_DST":
            ends = behind(self.objects, str(call["address"]), int(call["port"]))
            pairs = [(ip, port, cluster["socket"]) for ip, port in ends]
        else:
            listed = [item for item in cluster.get("endpoints") or [] if item["health"] in HEALTHY]
            tunnels = [self._tunnel(str(item["address"]), called) for item in listed if item.get("tunnel")]
            pairs = [(item["address"], item["port"], socket_for(cluster, item)) for item in listed if not item.get("tunnel")]
        if not pairs and not tunnels:
            return [Step(REFUSED, "the cluster has no endpoint", called)]
        ways = _way(cluster, reads_http, call)
        return [*tunnels, *(self._arrive(ip, port, socket, call, "", called, ways) for ip, port, socket in pairs)]

    def _tunnel(self, end: str, cluster: str) -> Step:
        """A tunnel of ambient mode is mutual TLS to ztunnel, which enforces policies by itself."""
        pod = self.pods.get(end.rpartition(":")[0].strip("[]"))
        return Step(MUTUAL, "through a tunnel of ambient mode", cluster, end, _label(pod), guards=({"name": "ztunnel", "settings": {}},))

    def _arrive(
        self, ip: str, port: int, socket: dict[str, Any] | None, call: dict[str, Any], why: str, cluster: str, way: str = ""
    ) -> Step:
        """What becomes of a connection at its end."""
        pod = self.pods.get(ip)
        end = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
        label = _label(pod)
        encrypts = bool(socket and socket["tls"])
        if socket and encrypts and not socket.get("mesh"):
            return Step(UNKNOWN, "TLS that is not the mesh's", cluster, end, label)
        if pod is not None and is_ambient(pod):
            return Step(UNKNOWN, "what ztunnel does there is not decided by the control plane", cluster, end, label)
        past = "no sidecar" if pod is None or not has_sidecar(pod) else not_captured(pod, port)
        prefix = f"{why}; " if why else ""
        if past:
            said = (REFUSED, f"mutual TLS, but {past} to take it") if encrypts else (PLAIN, f"{prefix}{past} there")
            return Step(said[0], said[1], cluster, end, label)
        if socket and encrypts and (wrong := self._stranger(pod, socket)):
            return Step(REFUSED, f"the client's proxy does not accept the identity {wrong}", cluster, end, label)
        taken = self.answer["inbound"][end]["ways"][way if encrypts else _plain_way(call)]
        chain = taken.get("chain") or {}
        filters = (*chain.get("filters", []), *(chain.get("http_filters") or []))
        reads_http = bool(chain.get("http"))
        reads = "reads it as HTTP" if reads_http else "passes it on as TCP"
        if taken.get("error") or (encrypts and not chain.get("tls")):
            return Step(REFUSED, f"{prefix}the sidecar there: {taken.get('error') or 'does not end TLS'}", cluster, end, label, filters)
        verdict, sender = (MUTUAL, self._identity(self.client)) if encrypts else (PLAIN, "")
        guards = tuple(chain.get("guards") or ())
        return Step(verdict, f"{prefix}the sidecar there {reads}", cluster, end, label, filters, guards, sender, reads_http)

    def _stranger(self, pod: Obj | None, socket: dict[str, Any]) -> str:
        """The pod's identity, where the client's proxy accepts others alone."""
        identity = self._identity(pod or {})
        accepted = socket.get("sans") or []
        return identity if accepted and identity not in accepted else ""

    def _identity(self, pod: Obj) -> str:
        spec = pod.get("spec", {})
        account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        return f"spiffe://{self.trust_domain}/ns/{namespace(pod)}/sa/{account}"


def trust_domain(settings: str) -> str:
    """The mesh's trust domain, from its settings as YAML."""
    return str(parsed(settings).get("trustDomain") or "cluster.local")


def overall(verdicts: Iterable[str]) -> str:
    """One verdict for all: ``mixed`` where they differ, ``unknown`` where one is."""
    found = set(verdicts)
    if UNKNOWN in found or not found:
        return UNKNOWN
    return found.pop() if len(found) == 1 else MIXED


def socket_for(cluster: dict[str, Any], endpoint: dict[str, Any]) -> dict[str, Any]:
    """How a cluster speaks to an endpoint: the first match whose keys it has, as Envoy does it."""
    has = endpoint.get("labels") or {}
    for match in cluster.get("matches") or []:
        if match["keys"].items() <= has.items():
            found: dict[str, Any] = match["socket"]
            return found
    general: dict[str, Any] = cluster["socket"]
    return general


def _way(cluster: dict[str, Any], reads_http: bool, call: dict[str, Any]) -> str:
    """Which kind of connection the mesh's mutual TLS becomes: only a proxy that reads HTTP says so in ALPN."""
    if not reads_http:
        return "mesh_tcp" if _plain_way(call) == "plain_http" else "mesh_bytes"
    return "mesh_h2" if cluster.get("http") == "http2" else "mesh_http"


def _plain_way(call: dict[str, Any]) -> str:
    if call.get("tls") in ("tls", "mtls"):
        return "tls"
    return "plain_tcp" if call.get("protocol") == "tcp" else "plain_http"


def _label(pod: Obj | None) -> str:
    return f"{namespace(pod)}/{name(pod)}" if pod else ""


def _elsewhere(steps: Iterable[Step], wanted: set[str], own_name: str) -> Iterable[str]:
    for step in steps:
        if step.to and step.to.rpartition(":")[0].strip("[]") not in wanted:
            yield step.pod or step.to
        elif not step.to and step.cluster.startswith("outbound|") and step.why != NO_CLUSTER:
            host = step.cluster.rpartition("|")[2]
            if own_name and host.endswith(LOCAL) and host != own_name:
                yield host


# ---- which connections a sidecar gets


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def not_captured(pod: Obj, port: int) -> str:
    """Why the pod's sidecar does not get connections to a port; empty where it does."""
    notes = annotations_of(pod)
    if str(port) in _items(str(notes.get(TRAFFIC + "excludeInboundPorts", ""))):
        return "a sidecar without that port"
    included = notes.get(TRAFFIC + "includeInboundPorts")
    if included is not None and "*" not in _items(str(included)) and str(port) not in _items(str(included)):
        return "a sidecar without that port"
    return ""


def past_sidecar(pod: Obj, ip: str, port: int) -> str:
    """Why the pod's own connections to an address go past its sidecar; empty where they do not."""
    notes = {key.removeprefix(TRAFFIC): str(value) for key, value in annotations_of(pod).items() if key.startswith(TRAFFIC)}
    if str(port) in _items(notes.get("excludeOutboundPorts", "")):
        return "the client's sidecar does not get that port"
    if str(port) in _items(notes.get("includeOutboundPorts", "")):
        return ""
    if _inside(ip, _items(notes.get("excludeOutboundIPRanges", ""))):
        return "the client's sidecar does not get that address"
    included = notes.get("includeOutboundIPRanges")
    if included is None or "*" in _items(included) or _inside(ip, _items(included)):
        return ""
    return "the client's sidecar does not get that address"


def _inside(ip: str, ranges: Iterable[str]) -> bool:
    return any(ipaddress.ip_address(ip) in ipaddress.ip_network(item, strict=False) for item in ranges)
