# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a load balancer in chained mode (load balancer, Istio gateway, backend), and what it answers.

A load balancer in the cluster and one outside of it get the same questions. Values only: nothing
here touches a network, a clock or Ansible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...core.model import Finding, LoadBalancer, Route
from ...core.writes import Field
from ...kube.objects import Obj
from ...kube.services import CLUSTER_DOMAIN, full_name
from ...kube.snapshot import Snapshot
from .facts import ChainFacts, ServerName
from .switches import PatchSet

STATUS_PORT = 15021
STATUS_PORT_NAME = "status-port"
STATUS_PATH = "/healthz/ready"

Api = Literal["istio", "gateway_api"]
ClientMode = Literal["x_forwarded_for", "proxy_protocol", "source_address", "none"]
CheckKind = Literal["http", "tcp", "node", "none"]
ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer"]


@dataclass(frozen=True)
class GatewayTarget:
    """The gateway that a load balancer sends to, by names alone: what is behind them may still have to be made.

    ``service`` and ``port`` are where the load balancer sends to; ``tls`` says whether the gateway ends TLS on that port, and
    ``server_name`` is the name that a client has to send there in its TLS handshake, empty where any or none will do.
    ``status_port`` is the number or name by which its Service (or its pods) answers health checks. ``address`` is its Service's,
    empty where that is not known yet. ``annotations`` are its Service's, as somebody set them. ``domain`` is that of the
    cluster's Services.
    """

    name: str
    namespace: str
    api: Api = "istio"
    service: str = "istio-ingressgateway"
    port: int = 80
    port_name: str = "http2"
    target_port: int = 80
    tls: bool = False
    server_name: str = ""
    status_port: int | str = STATUS_PORT_NAME
    address: str = ""
    annotations: tuple[tuple[str, str], ...] = ()
    domain: str = CLUSTER_DOMAIN

    @property
    def full_name(self) -> str:
        """Its Service's name in the mesh's registry."""
        return full_name(self.namespace, self.service, self.domain)

    def annotation(self, key: str) -> str:
        """One of its Service's annotations, empty where there is no such."""
        return dict(self.annotations).get(key, "")


@dataclass(frozen=True)
class HealthCheck:
    """How a load balancer finds out whether an address takes traffic.

    ``http``: a request in clear to ``port`` (number or name) and ``path``; ``tcp``: a connection to ``port``; ``node``: the
    node's own check, which knows pods only as "at least one is here"; ``none``: it does not check. ``proxy_header``: the
    check begins with a PROXY header too, so what answers has to understand one.
    """

    kind: CheckKind = "http"
    port: int | str = STATUS_PORT
    path: str = STATUS_PATH
    proxy_header: bool = False


@dataclass(frozen=True)
class CheckTarget:
    """The Service whose pods a load balancer is to check: the gateway's in chained mode, the application's in standalone mode.

    In standalone mode the check goes to the sidecar's status port, which answers in clear whatever the mesh demands of the
    application's own ports; no Service names that port, so it is given by number.
    """

    namespace: str
    service: str
    check: HealthCheck = field(default_factory=HealthCheck)


@dataclass(frozen=True)
class ChainRequest:
    """One chain to be made.

    ``name`` is for new objects (they go to the gateway's namespace). ``hosts`` are those that clients ask for, none for
    any. ``classes`` are those of the load balancer that was found, empty where it was only named. ``client`` is the mode that the
    user wants, ``auto`` for the load balancer's best; ``trusted_hops`` likewise, ``None`` for what the load balancer adds itself.
    ``alias`` says how routes that are led to the gateway name it: by its ``address``, by its ``name``, or whatever suits best;
    ``addressed``: its address is known, or will be once the gateway is there.
    ``carried``: the load balancer's own routes for these hosts are led to the gateway, so none is made beside them.
    ``options`` are ``platform_options``, checked against the ``chain_options`` of its profile.
    """

    name: str
    gateway: GatewayTarget
    hosts: tuple[str, ...] = ()
    https_redirect: bool = False
    classes: tuple[str, ...] = ()
    client: str = "auto"
    trusted_hops: int | None = None
    alias: Literal["auto", "address", "name"] = "auto"
    addressed: bool = False
    carried: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def option(self, name: str, default: Any = None) -> Any:
        """One of ``platform_options``; what is absent or null is the default."""
        value = self.options.get(name)
        return default if value is None else value


@dataclass(frozen=True)
class ClientAddress:
    """How the gateway learns who the client is, and why that cannot be forged (or that it can).

    ``x_forwarded_for``: from the header's entry number ``trusted_hops``, counted from the right. ``proxy_protocol``: from the
    PROXY header. ``source_address``: from the connection itself. ``none``: it cannot.
    """

    mode: ClientMode
    trusted_hops: int = 0
    why: str = ""


@dataclass(frozen=True)
class ServiceNeeds:
    """What the gateway's own Service must be like for this load balancer.

    ``fields`` are paths below ``spec`` with their values (``("externalTrafficPolicy",): "Local"``); ``app_protocol`` is for the port
    that the load balancer sends to.
    """

    type: ServiceType = "ClusterIP"
    annotations: tuple[tuple[str, str], ...] = ()
    fields: tuple[tuple[tuple[str, ...], Any], ...] = ()
    app_protocol: str = ""


@dataclass(frozen=True)
class LoadBalancerSide:
    """The load balancer's side of a chain: a pure answer to a :class:`ChainRequest`.

    ``bodies`` are objects to create. ``environment`` is for the gateway's proxy. ``steps`` are sentences: what somebody has
    to do outside of the cluster. ``refusal`` says why there is no such chain; the rest is then empty.
    """

    bodies: tuple[Obj, ...] = ()
    service: ServiceNeeds = field(default_factory=ServiceNeeds)
    check: HealthCheck = field(default_factory=HealthCheck)
    environment: tuple[tuple[str, str], ...] = ()
    steps: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    refusal: str = ""


ChainRedirect = Callable[[Snapshot, LoadBalancer, Iterable[Route], ChainRequest], PatchSet]
"""Fields (and helper objects) that redirect routes of one object to the gateway, so that each can be taken back alone.

Bodies are made with the mesh's side, before any of the fields is set, and go after all of them were given back.
"""


@dataclass(frozen=True)
class ChainSide:
    """A load balancer's side of a chain.

    ``front`` gives what it needs on its own side so that it sends to the gateway: a pure function of the request. ``redirect``
    redirects routes that exist; where it is ``None``, new ones are made beside them. ``preflight`` gives what else the cluster shows to
    fail with it: findings of severity error refuse the run. ``client_address`` says how the gateway gets to know the client; ``ends_tls``
    whether clients' TLS ends at it, so that only a header says that it was there; ``server_name`` what it sends as SNI.
    """

    facts: ChainFacts
    front: Callable[[ChainRequest], LoadBalancerSide]
    redirect: ChainRedirect | None
    preflight: Callable[[Snapshot, ChainRequest], tuple[Finding, ...]]
    client_address: Callable[[ChainRequest], ClientAddress]
    ends_tls: Callable[[ChainRequest], bool]
    server_name: Callable[[ChainRequest], ServerName]


@dataclass(frozen=True)
class HealthChecker:
    """What makes a load balancer check a Service's pods as asked: the gateway's in chained mode, an application's in standalone mode.

    ``check`` gives objects, annotations of the Service, or the reason why it cannot. ``kinds`` are kind keys that it may create, also
    for an application: standalone mode has to find them again. ``annotations`` are those that it may set on a Service.
    """

    check: Callable[[CheckTarget, ChainRequest], LoadBalancerSide]
    kinds: tuple[str, ...] = ()
    annotations: tuple[Field, ...] = ()
