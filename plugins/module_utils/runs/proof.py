# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of mtls_proof, from its options to its result."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ..core.errors import MeshlbError
from ..core.model import Finding, LoadBalancer, Route
from ..detect.description import about_reading
from ..detect.inventory import known_backend, running_pods
from ..detect.load_balancers import detect, setting_namespaces
from ..detect.routes import read_routes
from ..detect.selection import choose_load_balancers
from ..istio.addresses import Addresses
from ..istio.mesh import read_mesh
from ..istio.network import seen_address
from ..istio.outcome import predict
from ..kube.snapshot import Snapshot
from ..plan.strategies.twins import about_twins
from ..prove.asking import Asker
from ..prove.prove import Proven, ProveOptions, Subject, prove
from ..prove.ways import Ways
from .options.proof import ProofOptions
from .results import Result, cluster_result, findings_result
from .session import demand, reading_kinds, start


@dataclass(frozen=True)
class ProofResult:
    """What mtls_proof returns; it changes nothing."""

    routes: Sequence[Proven]
    findings: Sequence[Finding]
    cluster: Result = field(default_factory=dict)

    def to_result(self, diff: bool) -> Result:
        """The module's result, which never has a diff."""
        return {
            "changed": False, "findings": findings_result(self.findings), "routes": [item.to_result() for item in self.routes],
            **cluster_result(self.cluster),
        }


def run_proof(options: ProofOptions) -> ProofResult:
    """Ask the proxies. Raises :class:`core.errors.MeshlbError`."""
    session = start(options.common, reading_kinds(), setting_namespaces)
    snapshot, api = session.snapshot, session.api
    if api is None:
        raise MeshlbError("There is no cluster to ask: a proof is read from running proxies.")
    demand(snapshot)
    found, dummy = detect(snapshot, session.registry)
    chosen = choose_load_balancers(found, options.load_balancers)
    everything, about_routes = read_routes(snapshot, session.registry, chosen)
    routes = choose_routes(everything, options.namespaces, options.routes)
    one_load_balancer(routes, options.proving)
    subject = subject_of(snapshot, chosen, routes)
    asker = Asker(Ways(api, options.via), options.common.workers, options.ask_timeout)
    proven, findings = prove(subject, Addresses(snapshot), asker, options.proving)
    about = [*about_reading(snapshot), *about_routes, *about_twins(snapshot, routes, "MLB510")]
    return ProofResult(proven, [*about, *findings], session.cluster)


def subject_of(snapshot: Snapshot, load_balancers: Iterable[LoadBalancer], routes: Iterable[Route]) -> Subject:
    """What is to be proven, with what the plan's model says of it."""
    by_key = {item.key: item for item in load_balancers}
    found = {route: (known_backend(snapshot, route), seen_address(snapshot, route.upstream.address)) for route in routes}
    return Subject(
        found, {key: running_pods(snapshot, item) for key, item in by_key.items()},
        {route: predict(snapshot, by_key[route.load_balancer], route) for route in found}, read_mesh(snapshot).trust_domain,
    )


def choose_routes(routes: Sequence[Route], namespaces: Collection[str], wanted: Collection[str]) -> list[Route]:
    """Routes of objects in these namespaces that have one of the wanted hosts, or host and path; an empty list means all.

    Raises :class:`core.errors.MeshlbError` for a word that means no route.
    """
    here = [route for route in routes if not namespaces or route.object.namespace in namespaces]
    for word in wanted:
        if not any(is_meant(route, word) for route in here):
            known = ", ".join(sorted({route.host or "*" for route in here})[:20]) or "none"
            raise MeshlbError(f"routes names {word!r}, but no route has that host, or host and path.", f"Hosts found were: {known}.")
    return [route for route in here if not wanted or any(is_meant(route, word) for word in wanted)]


def is_meant(route: Route, word: str) -> bool:
    """Whether ``shop.example.com`` or ``shop.example.com/cart`` means this route; ``*`` stands for the route of all hosts."""
    host, slash, path = word.partition("/")
    return host.lower() == (route.host or "*").lower() and (not slash or route.path == f"/{path}")


def one_load_balancer(routes: Sequence[Route], options: ProveOptions) -> None:
    """Raise :class:`core.errors.MeshlbError` unless requests to the entrypoint can prove all of these routes."""
    names = sorted({route.load_balancer_name for route in routes})
    if options.load is not None and options.load.entrypoint is not None and len(names) > 1:
        raise MeshlbError(
            f"The entrypoint belongs to one load balancer, but routes of {len(names)} would be proven: {', '.join(names)}.",
            "Name one of them with load_balancers.",
        )
