# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says of a load balancer, in chained mode too, and how it was proven."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from ...core.writes import Write

Placement = Literal["in_cluster", "node", "cloud", "external"]
ServerName = Literal["never", "client", "host", "settable"]


class ProofLevel(Enum):
    """How a fact was proven; the value is what the documentation says."""

    NONE = ""
    SOURCE = "read in the vendor's source"
    SCHEMA = "validated against the vendor's schema"
    LAB = "measured in the lab"


@dataclass(frozen=True)
class Facts:
    """What the documentation's table of load balancers says; everything else in it is derived.

    ``service_routing`` and ``host`` name the switch per object, ``service_routing_global`` and ``host_global`` the global
    ones, with the version that brought them, empty where there is none. ``versions`` are those that all of this holds for.
    """

    routes: tuple[str, ...] = ("Ingress",)
    service_routing: str = ""
    service_routing_global: str = ""
    host: str = ""
    host_global: str = ""
    default: str = "pod addresses, the client's Host"
    loses: str = ""
    remark: str = ""
    proof: ProofLevel = ProofLevel.SOURCE
    versions: str = ""


@dataclass(frozen=True)
class About:
    """Which load balancer it is.

    ``also_called``: other words by which the option ``platform`` may name it. ``outside``: where its traffic leaves, if that may be no
    workload of the cluster: its classes and its controller then represent it. ``forbids_injection``: why a sidecar must not be
    injected beside it.
    """

    id: str
    title: str
    also_called: tuple[str, ...] = ()
    placement: Placement = "in_cluster"
    outside: str = ""
    forbids_injection: str = ""
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True)
class ChainOption:
    """One key of ``platform_options``. With ``choices``, other values are refused."""

    name: str
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Capability:
    """Whether a load balancer can do something, and the words in which the documentation says so."""

    possible: bool
    text: str


@dataclass(frozen=True)
class ChainFacts:
    """What is true of a load balancer in front of a gateway, as data: the plan decides on it, and the documentation's table shows it.

    ``hops``: how many entries it adds to X-Forwarded-For itself. ``forwarded_for``: ``appended`` to what the client sent, ``replaced``,
    ``with_ports`` (entries that Envoy cannot read, unless ``platform_options`` has a true ``forwarded_for_rewritten``), ``absent``.
    ``server_name``: what it sends in TLS handshakes with the gateway:
    ``never`` any, the ``client``'s own (it passes TLS through), the ``host`` of the request, or what is set (``settable``).
    ``ends_tls``: whether clients' TLS ends at it: ``always`` as soon as it is used with TLS, ``optional``, ``never``.
    ``redirects``: it answers HTTP with a redirect to HTTPS itself, so the gateway need not.
    ``begins_with``: a path of type ImplementationSpecific takes every path that begins so, not only whole elements of it.
    ``tls_to_gateway``, ``health``: how, in words, empty where it cannot. ``standalone``, ``standalone_mtls``: what holds without a
    gateway. ``cannot``: what it cannot do here. ``options``: the keys of ``platform_options`` that it understands; all others are
    refused. ``kinds``: kind keys that it may create on its own side. ``proof`` is :data:`Proof.NONE` where nothing is known of it.
    ``writes`` declares all that is set and made on its side, and what it needs of the gateway's Service.
    """

    hops: int = 1
    forwarded_for: Literal["appended", "replaced", "with_ports", "absent"] = "appended"
    proxy_protocol: bool = False
    server_name: ServerName = "never"
    ends_tls: Literal["always", "optional", "never"] = "always"
    redirects: bool = False
    begins_with: bool = False
    tls_to_gateway: str = ""
    health: str = "none: it sends to the gateway's ready pods"
    objects: tuple[str, ...] = ("Ingress",)
    service_type: str = "ClusterIP"
    minimum: str = ""
    standalone: Capability = Capability(True, "yes, where plaintext is accepted")
    standalone_mtls: Capability = Capability(False, "no")
    cannot: tuple[str, ...] = ()
    options: tuple[ChainOption, ...] = ()
    kinds: tuple[str, ...] = ()
    proof: ProofLevel = ProofLevel.SOURCE
    writes: tuple[Write, ...] = ()
