# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that a load balancer makes itself, beside those that it passes on: to authorisers and rate limiters, copies, pages for errors.

They are routes like any other: where the mesh becomes STRICT and nothing serves them, they are refused, and as a rule every request that
waits for their answer fails too. No client asks for them, so they have no host of their own; what counts is the Host that is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...core.findings import finding
from ...core.model import Address, Finding, LoadBalancer, Scheme, Upstream, replace
from ...istio.entries import entry_hosts
from ...istio.outcome import Outlook
from ...istio.registry import service_of_name
from ...kube import kinds
from ...kube.objects import Obj, name_of, namespace_of, ref_of
from ...kube.services import by_cluster_ip, is_external_name, is_headless
from ...kube.snapshot import Snapshot
from .declared import DeclaredRoute, ServiceReference

OWN_HOST = "$own"
"""Sent as Host where it is a name of the load balancer's own making, which nothing in the mesh knows."""
TO_PODS = Upstream("pod_ips", OWN_HOST)
_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://(?:[^/@]*@)?([^/:?#$]+)(?::([0-9]+))?([^?#$]*)")
_PORTS = {"https": 443, "grpcs": 443}


@dataclass(frozen=True)
class AtUrl:
    """What a URL leads to: a name and port, and the Service that has them, ``None`` where it is none of the cluster's."""

    name: str
    port: int
    path: str
    scheme: Scheme
    service: Obj | None

    @property
    def target(self) -> ServiceReference | None:
        """The Service's port."""
        return ServiceReference(namespace_of(self.service), name_of(self.service), self.port) if self.service else None

    @property
    def address(self) -> Address:
        """What is dialled: the name of a headless Service is that of its pods."""
        return "pod_ips" if self.service and is_headless(self.service) else "cluster_ip"


@dataclass(frozen=True)
class OwnRequests:
    """The requests that an instance makes itself, for single objects that ask for them."""

    snapshot: Snapshot
    load_balancer: LoadBalancer

    def to_service(self, what: str, target: ServiceReference, upstream: Upstream = TO_PODS) -> DeclaredRoute:
        """The route of requests to a Service that an object names. ``what`` they are is said where there is no switch for them."""
        return DeclaredRoute(
            target, "", "/", "Prefix", upstream, f"own-{what}-{target.namespace}-{target.service}-{target.port}", canary=True,
            why_not_settable=f"{what} has no setting for Service routing",
        )

    def at_url(self, url: str, home: str = "") -> AtUrl | None:
        """What a URL leads to; ``None`` where it is none. ``home`` is the namespace in which a name without dots is looked up."""
        parts = _URL.match(url.strip())
        if parts is None:
            return None
        scheme, name, number, path = parts.groups()
        return AtUrl(
            name, int(number or _PORTS.get(scheme.lower(), 80)), path or "/", "tls" if scheme.lower() in _PORTS else "http",
            self._service(name.lower().rstrip("."), home),
        )

    def to_url(self, obj: Obj, what: str, url: str, host: str = "", home: str = "") -> Iterator[DeclaredRoute | Finding]:
        """The route of requests to a URL whose host is a Service's name or address; what is elsewhere is only told if it is blocked.

        ``host`` is the Host that is sent, by default the URL's own.
        """
        found = self.at_url(url, home)
        if found is None:
            return
        if found.target is None:
            yield from self._outside(obj, what, url, found.name.lower())
            return
        route = self.to_service(what, found.target, Upstream(found.address, host or found.name, found.scheme))
        yield replace(route, path=found.path, why_not_settable=f"{what} goes to the URL's own address")

    def _service(self, name: str, home: str) -> Obj | None:
        found = service_of_name(self.snapshot, name)
        if found is None and "." not in name:
            found = self.snapshot.get(kinds.SERVICE, home, name)
        found = found or next(self.snapshot.each(kinds.SERVICE, by_cluster_ip, name), None)
        return None if found is None or is_external_name(found) else found

    def _outside(self, obj: Obj, what: str, url: str, name: str) -> Iterator[Finding]:
        visibility = Outlook(self.snapshot, self.load_balancer).visibility
        if visibility.outbound_policy() == "REGISTRY_ONLY" and not self.snapshot.lookup(kinds.SERVICE_ENTRY, entry_hosts, name):
            message = (
                f"{what} goes to {url}, which is outside of the mesh's registry: the sidecar's outboundTrafficPolicy REGISTRY_ONLY "
                "blocks it, and what waits for its answer fails"
            )
            yield finding("MLB158", message, ref_of(obj), details={"url": url})
