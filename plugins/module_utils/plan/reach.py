# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which routes a change can touch at all: both sides give keys, and what shares none is independent.

So a change is weighed against the routes that it may concern, and not against all of a cluster. Keys err towards too many routes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

from ..core.model import Change, Route
from ..detect.inventory import known_backend
from ..istio.destination_rules import rule_hosts
from ..istio.endpoints import pods_selected
from ..istio.entries import entry_hosts
from ..istio.hosts import virtual_hosts
from ..istio.mesh import cluster_domain
from ..istio.names import below, plain_host
from ..istio.registry import fqdn
from ..kube import kinds
from ..kube.objects import Identity, Obj, dig, identity_of, namespace_of
from ..kube.services import full_name
from ..kube.snapshot import Snapshot

Keys = Iterator[Hashable]
RoutesOf = Callable[[Identity], Sequence[Route]]
_RAW = ("raw",)
_EVERYTHING = ("everything",)


def route_keys(snapshot: Snapshot, route: Route) -> Keys:
    """What a route's requests depend on."""
    backend = route.backend
    yield _EVERYTHING
    yield ("object", identity_of(route.object))
    yield ("service", backend.namespace, backend.service)
    if route.upstream_group:
        yield ("upstream", route.load_balancer, route.upstream_group)
    if route.upstream.scheme != "http":
        yield _RAW
    for namespace in sorted({route.object.namespace, backend.namespace, route.load_balancer[0]}):
        yield ("namespace", namespace)
    for host in _names(snapshot, route):
        for pattern in (host, *below(host), "*"):
            yield ("host", pattern)
    for item in known_backend(snapshot, route).endpoints:
        if item.pod is not None:
            yield ("pod", item.pod.namespace, item.pod.name)


def _names(snapshot: Snapshot, route: Route) -> set[str]:
    """The hosts by which a route's requests may be matched: what is sent, and the full names of the Services that are meant."""
    sent = plain_host(route.upstream.host or route.host)
    first, dot, rest = sent.partition(".")
    meant = ((route.backend.namespace, route.backend.service), (rest.partition(".")[0] if dot else route.load_balancer[0], first))
    services = (snapshot.get(kinds.SERVICE, *key) for key in meant)
    return {sent, *(fqdn(snapshot, item) for item in services if item is not None)} - {""}


class Reach:
    """What changes touch. ``before`` and ``after`` are the cluster without and with all of them."""

    def __init__(self, before: Snapshot, after: Snapshot, routes_of: RoutesOf) -> None:
        self._views = (before, after)
        self._domain = cluster_domain(before)
        self._routes_of = routes_of

    def keys(self, change: Change) -> Keys:
        """What one change may touch."""
        own = identity_of(change.object)
        yield ("object", own)
        for view in self._views:
            body = view.get(*own)
            if body is not None:
                yield from self._of_body(own, body)
        for route in self._routes_of(own):
            yield ("service", route.backend.namespace, route.backend.service)
            if route.upstream_group:
                yield ("upstream", route.load_balancer, route.upstream_group)

    def _of_body(self, own: Identity, body: Obj) -> Keys:
        kind, namespace, name = own
        if kind == kinds.VIRTUAL_SERVICE:
            yield from (("host", plain_host(host)) for host in virtual_hosts(self._domain)(body))
        elif kind == kinds.SERVICE_ENTRY:
            yield _RAW
            yield from (("host", plain_host(host)) for host in entry_hosts(body))
        elif kind == kinds.DESTINATION_RULE:
            for host in rule_hosts(self._domain)(body):
                yield ("host", plain_host(host))
                yield from self._pods_of(host)
        elif kind == kinds.SERVICE:
            yield ("service", namespace, name)
            yield ("host", full_name(namespace, name, self._domain))
            yield from self._pods(body)
        elif not self._routes_of(own):
            # Settings of some other kind: whoever may refer to them. What is of the cluster as a whole may hold for everybody.
            yield ("namespace", namespace) if namespace else _EVERYTHING

    def _pods_of(self, host: str) -> Keys:
        name, dot, rest = host.partition(".")
        for view in self._views:
            service = view.get(kinds.SERVICE, rest.partition(".")[0], name) if dot else None
            if service is not None:
                yield from self._pods(service)

    def _pods(self, service: Obj) -> Keys:
        selector = dig(service, "spec", "selector", default={})
        for item in pods_selected(self._views[0], namespace_of(service), selector):
            yield ("pod", item.namespace, item.name)
