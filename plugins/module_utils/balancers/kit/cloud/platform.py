# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of a platform: a load balancer outside of the cluster, one class in a file of its own and one line in ``registry.py``.

A :class:`Platform` is a profile whose traffic leaves from no workload, so finding it, reading its routes and
chained mode ask it what they ask every load balancer. What a platform's file holds:

- ``id``, ``title``; ``class_controllers`` and ``gateway_controllers`` where classes name it; ``signs_outside`` for all else that
  tells of it (:class:`balancers.kit.cloud.signs.PlatformSigns`);
- ``chain``: its facts as data (:class:`balancers.contract.chain.ChainFacts`), which the plan decides on and the documentation shows;
- ``chain_options``: the keys of ``platform_options`` that it understands; ``chain_kinds``: kinds that it may create;
- ``chain_front(request)``: the objects on its side and what the gateway's Service needs, a pure function;
- ``health_check(target, request)``: what makes it check a Service's pods as asked. ``chain_front`` uses it for the gateway, the
  standalone mode for an application;
- ``certificate_options``: which of these give it a certificate, so that TLS ends at it;
- where the defaults of :class:`balancers.contract.chained.Chained` do not hold: ``client_address``, ``ends_tls``, ``server_name``,
  ``chain_preflight``.

Objects that several platforms take alike are made by ``bodies.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from ....core.model import LoadBalancer, ObjectRef, Route, Scheme
from ....kube import kinds
from ....kube.objects import Obj, dig, name_of, namespace_of, ref_of
from ....kube.snapshot import Snapshot
from ...contract.chain import STATUS_PORT, STATUS_PORT_NAME, ChainRequest, CheckTarget, HealthCheck, LoadBalancerSide, ServerName
from ...contract.routes import joined_readings
from ...legacy import Profile, RouteReading, Trace
from ..gateway.routes import KINDS, AttachPoint, BackendHandling, read_gateway_routes
from ..ingresses import Entry
from ..plain import read_ingresses
from ..streams import fixed_route
from .signs import PlatformSigns, owns_ingress, owns_service, traces

NOT_IN_THE_CLUSTER = "its traffic leaves from outside the cluster, where no sidecar can be: use chained mode (an Istio gateway behind it)"


class Platform(Profile):
    """One kind of load balancer outside of the cluster."""

    placement: Literal["in_cluster", "node", "cloud", "external"] = "cloud"
    outside = NOT_IN_THE_CLUSTER
    why_not: str = "it is outside the mesh, so nothing that is set on it gives its connections the mesh's mutual TLS"
    signs_outside: PlatformSigns = PlatformSigns()
    kinds: tuple[str, ...] = KINDS
    certificate_options: tuple[str, ...] = ()
    """Keys of ``platform_options`` that give it a certificate, with any of which clients' TLS ends at it."""

    def traces(self, snapshot: Snapshot) -> tuple[Trace, ...]:
        return traces(snapshot, self.signs_outside)

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        def of_entry(ingress: Obj, entry: Entry) -> BackendHandling:
            return self._treatment(self.scheme_of(snapshot, ingress))

        def of_place(place: AttachPoint) -> BackendHandling:
            return self._treatment("")

        def served(ingress: Obj) -> bool:
            return owns_ingress(snapshot, self.signs_outside, ingress, load_balancer.classes)

        plain = read_ingresses(snapshot, load_balancer, of_entry, only, served)
        modern = read_gateway_routes(snapshot, load_balancer, self.gateway_controllers, of_place, only)
        return joined_readings(plain, modern, RouteReading(tuple(self._of_services(snapshot, load_balancer, only))))

    def scheme_of(self, snapshot: Snapshot, route: Obj) -> Scheme:
        """How it speaks to the backends of one of its Ingresses or Services: ``http``, ``tls`` or ``tcp``."""
        return "tcp" if route.get("kind") == "Service" else "http"

    def _treatment(self, scheme: Scheme | Literal[""]) -> BackendHandling:
        return BackendHandling(scheme=scheme or None, settable=False, why_not_settable=self.why_not)

    def _of_services(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None
    ) -> Iterator[Route]:
        for service in snapshot.all(kinds.SERVICE):
            ref = ref_of(service)
            if (only is None or ref in only) and owns_service(snapshot, self.signs_outside, service):
                for port in dig(service, "spec", "ports", default=[]):
                    number = int(port.get("port", 0))
                    target = (namespace_of(service), name_of(service), number)
                    yield fixed_route(snapshot, load_balancer, ref, f"tcp:{number}", target, self.scheme_of(snapshot, service))

    def ends_tls(self, request: ChainRequest) -> bool:
        if self.certificate_options:
            return any(request.option(name) for name in self.certificate_options)
        return super().ends_tls(request)

    def server_name(self, request: ChainRequest) -> ServerName:
        """The client's own name goes no further than the client's TLS."""
        return "never" if self.chain.server_name == "client" and self.ends_tls(request) else super().server_name(request)

    def class_for(self, request: ChainRequest, default: str = "") -> str:
        """The class that new objects name: the one that was asked for, else the first that was found, else the usual one."""
        return str(request.option("class_name") or (request.classes[0] if request.classes else default))

    def health_of_gateway(self, request: ChainRequest) -> LoadBalancerSide:
        """:meth:`health_check` for the gateway, at the port by which its Service answers checks."""
        target = CheckTarget(request.gateway.namespace, request.gateway.service, status_check(request.gateway.status_port))
        return self.health_check(target, request)


STATUS_UNDERSTANDS_PROXY = (("ENVOY_STATUS_PORT_ENABLE_PROXY_PROTOCOL", "true"),)
"""Environment of a gateway's proxy whose status port is to take connections with a PROXY header, and those without one (Istio 1.27)."""


def pod_port(port: int | str) -> int:
    """The number by which a pod answers a check: of the status port where that is named, 0 for other names."""
    return port if isinstance(port, int) else STATUS_PORT if port == STATUS_PORT_NAME else 0


def plain_port_for_https(request: ChainRequest) -> str:
    """Why a load balancer that is made from the gateway's own Service cannot end TLS for it; empty where it can.

    Its listeners are the Service's ports, so the port that clients use for HTTPS has to be one where the gateway speaks plain HTTP.
    """
    if request.gateway.tls:
        return "with a certificate of its own it ends TLS and sends plain bytes on: set gateway.tls to false, or leave the certificate out"
    if request.gateway.port == 80:
        return "its listeners are the gateway's Service's ports: name the one for HTTPS (443, say) in gateway.port, with gateway.tls false"
    return ""


def status_check(port: int | str) -> HealthCheck:
    """The check of Istio's proxies: in clear, at the status port, ready once they are configured and not draining."""
    return HealthCheck("http", port)


def refused(reasons: Iterable[str]) -> LoadBalancerSide | None:
    """The first reason as the whole answer, ``None`` where there is none."""
    first = next((reason for reason in reasons if reason), "")
    return LoadBalancerSide(refusal=first) if first else None
