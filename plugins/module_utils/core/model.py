# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What exists: the values that the layers hand to each other.

Everything here is a frozen dataclass without behaviour that could touch a network, a clock or Ansible.
``to_result`` methods give exactly what modules return, so that a result's shape is written in one place.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .interception import Interception
from .values import ABSENT, Change, FieldChange, Finding, ObjectRef, Proof, Severity, change_sides

__all__ = [
    "ABSENT",
    "Address",
    "Backend",
    "Access",
    "Change",
    "Decision",
    "EITHER_ADDRESS",
    "FieldChange",
    "Finding",
    "Leg",
    "LoadBalancer",
    "Mode",
    "ObjectRef",
    "Outcome",
    "Proof",
    "Route",
    "RoutePlan",
    "Scheme",
    "Severity",
    "SidecarState",
    "UNKNOWN",
    "Upstream",
    "Verdict",
    "change_sides",
    "replace",
]

UNKNOWN = "unknown"
"""What a pod has or does where pods may not be read."""
Verdict = Literal["mutual_tls", "plaintext", "refused", "mixed", "unknown"]
Decision = Literal["allowed", "denied", "conditional", "unknown"]
EITHER_ADDRESS = "either_address"
"""Feature of a route of which nobody knows whether pods or the Service are dialled: a strategy for one of them is a guess."""

Address = Literal["cluster_ip", "pod_ips", "host_name", "external"]
Scheme = Literal["http", "http/1.0", "tls", "tcp", "mutual_tls"]


@dataclass(frozen=True)
class Backend:
    """The Service port that a route names.

    ``port`` is the Service's port number, 0 where the reference could not be resolved;
    ``protocol`` is what Istio reads from the port (:func:`istio.protocols.port_protocol`).
    """

    namespace: str
    service: str
    port: int = 0
    port_name: str = ""
    protocol: str = "unknown"

    def to_result(self) -> dict[str, Any]:
        return {
            "namespace": self.namespace,
            "service": self.service,
            "port": self.port,
            "protocol": self.protocol,
        }


@dataclass(frozen=True)
class Upstream:
    """How a load balancer reaches a backend: the facts on which its sidecar decides.

    ``address``: ``cluster_ip`` (the Service's address), ``pod_ips``, ``host_name`` (a name that it resolves
    itself) or ``external``. ``host``: the Host header it sends, empty for the client's own. ``scheme``: ``http`` in
    clear, ``http/1.0`` where sidecars do not read this version, ``tls`` when the load balancer (or the client, passed through) speaks
    TLS to the backend, ``mutual_tls`` when it does so with the mesh's own certificate and verifies the backend's against the mesh's
    root, ``tcp`` otherwise.
    """

    address: Address = "pod_ips"
    host: str = ""
    scheme: Scheme = "http"


@dataclass(frozen=True)
class Route:
    """One (host, path) of a load balancer and the Service port it leads to.

    ``upstream_group`` is equal for routes that share one upstream inside the load balancer; ``features`` names what
    is in use on the route and would be lost by some strategies (``affinity``, ``canary``, ``weights``,
    ``balancing``); ``settable`` is false where the load balancer has no switch for this route. ``own_mutual_tls``: why the load
    balancer may speak the mesh's mutual TLS on this route without a sidecar, so that nothing is certain; empty where it does not.
    ``unread``: what could not be read of all that decides about this route, so that nothing is known of it; empty where all was.
    ``beside``: narrower paths of the same host, with their types, that the load balancer serves by other routes.
    """

    load_balancer: tuple[str, str]
    object: ObjectRef
    host: str
    path: str
    backend: Backend
    upstream: Upstream = field(default_factory=Upstream)
    path_type: str = "Prefix"
    upstream_group: str = ""
    features: tuple[str, ...] = ()
    canary: bool = False
    rewrites_path: bool = False
    settable: bool = True
    why_not_settable: str = ""
    ignored: bool = False
    pinned_strategy: str = ""
    own_mutual_tls: str = ""
    unread: str = ""
    beside: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)

    @property
    def sort_key(self) -> tuple[Any, ...]:
        return (self.load_balancer, self.host, self.path, self.path_type, self.object, self.backend.service, self.backend.port)

    @property
    def load_balancer_name(self) -> str:
        return f"{self.load_balancer[0]}/{self.load_balancer[1]}"

    def to_result(self) -> dict[str, Any]:
        return {
            "load_balancer": self.load_balancer_name,
            "object": self.object.to_result(),
            "host": self.host,
            "path": self.path,
            "backend": self.backend.to_result(),
        }


@dataclass(frozen=True)
class Access:
    """Whether the backend's policies admit a route's requests. ``policies`` are those that decide, as ``namespace/name``.

    ``conditional``: two requests of the route get different answers, and ``why`` names what tells them apart. ``reason`` says in a word
    why (:mod:`istio.authorization.answers` has them), ``identity`` is the one that the backend sees, empty where it sees none, and
    ``as_tcp`` are the policies whose rules about HTTP meet a port that is handled as TCP.
    """

    decision: Decision = "unknown"
    why: str = ""
    policies: tuple[str, ...] = ()
    reason: str = ""
    identity: str = ""
    as_tcp: tuple[str, ...] = ()

    def to_result(self) -> dict[str, Any]:
        return {"decision": self.decision, "why": self.why, "policies": list(self.policies)}


@dataclass(frozen=True)
class Leg:
    """How requests reach one endpoint (an :class:`istio.endpoints.Endpoint`), and by which cluster."""

    endpoint: Any
    verdict: Verdict
    cluster: str = ""


@dataclass(frozen=True)
class Unsure:
    """Something that acts on a route's requests and is not followed: the finding's code, a clause, and the object.

    ``freezes``: no strategy is known to help, so that nothing is planned for the route, and what is in place stays.
    """

    code: str
    why: str
    cause: ObjectRef
    freezes: bool = False


@dataclass(frozen=True)
class Outcome:
    """A verdict and the sentence that explains it; ``cluster`` is the Envoy cluster that is (or would be) used.

    ``misrouted_to`` is the Service that gets all of the requests in place of the route's own, ``also_to`` are those that get some of them.
    ``legs`` are the endpoints one by one, where they are known. ``access`` is what the policies in front of them say. ``unsure`` is
    why the verdict is unknown, where that is something that is not followed.
    """

    verdict: Verdict
    why: str
    cluster: str = ""
    misrouted_to: str = ""
    also_to: tuple[str, ...] = ()
    access: Access = field(default_factory=Access)
    legs: tuple[Leg, ...] = field(default=(), compare=False, repr=False)
    unsure: Unsure | None = None

    def to_result(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "why": self.why, "access": self.access.to_result()}


@dataclass(frozen=True)
class RoutePlan:
    """What the plan says about one route: as it is, and as it will be with ``strategy``."""

    route: Route
    before: Outcome
    after: Outcome
    strategy: str = "none"

    def to_result(self) -> dict[str, Any]:
        return {
            **self.route.to_result(),
            "before": self.before.to_result(),
            "after": {**self.after.to_result(), "strategy": self.strategy},
        }


@dataclass(frozen=True)
class SidecarState:
    """``injected``: ``True``/``False`` as seen in running pods, ``"predicted"`` when read from manifests, else :data:`UNKNOWN`."""

    injected: bool | str = False
    inbound_capture: str = "all"

    @property
    def present(self) -> bool:
        return bool(self.injected) and self.injected != UNKNOWN

    def to_result(self) -> dict[str, Any]:
        shown = self.present or self.injected == UNKNOWN
        return {"injected": self.injected, "inbound_capture": self.inbound_capture if shown else "none"}


@dataclass(frozen=True)
class Mode:
    """Whether a load balancer can be run in one of the page's modes, and if not, what stands in the way."""

    supported: bool
    why: str
    blockers: tuple[str, ...] = ()

    def to_result(self) -> dict[str, Any]:
        return {"supported": self.supported, "why": self.why, "blockers": list(self.blockers)}


@dataclass(frozen=True)
class LoadBalancer:
    """One load balancer: a workload that carries traffic, or a class where none is in the cluster.

    ``settings`` is what it was started with, as a value of its own profile's: nobody else reads it. ``needed_annotations`` are those
    that its sidecar needs besides the usual ones. ``revision`` is Istio's that configures its sidecars, empty where it is not known.
    ``cluster_domain`` is that of its cluster's Services. ``gateways`` are namespace and name of the Gateways (Gateway API) that it stands
    for where it has no workload.
    """

    name: str
    namespace: str
    vendor: str
    title: str
    placement: Literal["in_cluster", "node", "cloud", "external"] = "in_cluster"
    version: str = ""
    workload: ObjectRef | None = None
    classes: tuple[str, ...] = ()
    confidence: Literal["certain", "likely", "possible"] = "certain"
    evidence: tuple[str, ...] = ()
    sidecar: SidecarState = field(default_factory=SidecarState)
    modes: tuple[tuple[str, Mode], ...] = ()
    pod_labels: tuple[tuple[str, str], ...] = ()
    revision: str = ""
    interception: Interception = field(default_factory=Interception)
    needed_annotations: tuple[tuple[str, str], ...] = ()
    cluster_domain: str = "cluster.local"
    gateways: tuple[tuple[str, str], ...] = ()
    settings: Any = field(default=None, compare=False)

    @property
    def key(self) -> tuple[str, str]:
        return (self.namespace, self.name)

    @property
    def label(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def mode(self, name: str) -> Mode:
        return dict(self.modes)[name]

    def setting(self, name: str, default: Any = None) -> Any:
        return (self.settings or {}).get(name, default)

    def to_result(self, routes: tuple[Route, ...] = ()) -> dict[str, Any]:
        workload = self.workload
        return {
            "name": self.name,
            "namespace": self.namespace,
            "vendor": self.vendor,
            "title": self.title,
            "placement": self.placement,
            "version": self.version,
            "workload": (
                {"kind": workload.kind, "name": workload.name, "namespace": workload.namespace} if workload else {}
            ),
            "classes": list(self.classes),
            "confidence": self.confidence,
            "evidence": list(self.evidence),
            "sidecar": self.sidecar.to_result(),
            "modes": {name: mode.to_result() for name, mode in self.modes},
            "routes": [_route_summary(route) for route in sorted(routes, key=lambda item: item.sort_key)],
        }


def _route_summary(route: Route) -> dict[str, Any]:
    whole = route.to_result()
    return {key: whole[key] for key in ("object", "host", "path", "backend")}
