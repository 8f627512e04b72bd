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
from ...core.model import Finding, LoadBalancer, Upstream
from ...istio.entries import entry_hosts
from ...istio.outcome import Outlook
from ...istio.registry import service_of_name
from ...kube import kinds
from ...kube.objects import Obj, dig, ref_of
from ...kube.services import by_cluster_ip, is_external_name, is_headless
from ...kube.snapshot import Snapshot
from .declared import DeclaredRoute, ServiceReference

OWN_HOST = "$own"
"""Sent as Host where it is a name of the load balancer's own making, which nothing in the mesh knows."""
TO_PODS = Upstream("pod_ips", OWN_HOST)
_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://(?:[^/@]*@)?([^/:?#$]+)(?::([0-9]+))?([^?#$]*)")
_PORTS = {"https": 443, "grpcs": 443}


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

    def to_url(self, obj: Obj, what: str, url: str, host: str = "", home: str = "") -> Iterator[DeclaredRoute | Finding]:
        """The route of requests to a URL whose host is a Service's name or address; what is elsewhere is only told if it is blocked.

        ``host`` is the Host that is sent, by default the URL's own. ``home`` is the namespace in which a name without dots is looked up.
        """
        parts = _URL.match(url.strip())
        if parts is None:
            return
        scheme, name, number, path = parts.groups()
        port = int(number or _PORTS.get(scheme.lower(), 80))
        service = self._service(name.lower().rstrip("."), home)
        if service is None or is_external_name(service):
            yield from self._outside(obj, what, url, name.lower())
            return
        target = ServiceReference(str(dig(service, "metadata", "namespace")), str(dig(service, "metadata", "name")), port)
        upstream = Upstream(
            "pod_ips" if is_headless(service) else "cluster_ip", host or name, "tls" if scheme.lower() in _PORTS else "http",
        )
        route = self.to_service(what, target, upstream)
        yield DeclaredRoute(
            target, "", path or "/", "Prefix", upstream, route.group, canary=True, why_not_settable=f"{what} goes to the URL's own address",
        )

    def _service(self, name: str, home: str) -> Obj | None:
        found = service_of_name(self.snapshot, name)
        if found is None and "." not in name:
            found = self.snapshot.get(kinds.SERVICE, home, name)
        return found or next(self.snapshot.each(kinds.SERVICE, by_cluster_ip, name), None)

    def _outside(self, obj: Obj, what: str, url: str, name: str) -> Iterator[Finding]:
        visibility = Outlook(self.snapshot, self.load_balancer).visibility
        if visibility.outbound_policy() == "REGISTRY_ONLY" and not self.snapshot.lookup(kinds.SERVICE_ENTRY, entry_hosts, name):
            message = (
                f"{what} goes to {url}, which is outside of the mesh's registry: the sidecar's outboundTrafficPolicy REGISTRY_ONLY "
                "blocks it, and what waits for its answer fails"
            )
            yield finding("MLB158", message, ref_of(obj), details={"url": url})
