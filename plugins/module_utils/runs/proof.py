# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of mtls_proof, from its options to its result."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..core.errors import MeshlbError
from ..core.model import Finding, LoadBalancer, Route
from ..detect.description import about_reading
from ..detect.inventory import known_backend, running_pods
from ..detect.load_balancers import config_map_namespaces, detect
from ..detect.routes import read_routes
from ..detect.selection import choose_load_balancers
from ..istio.addresses import Addresses
from ..istio.mesh import read_mesh
from ..istio.network import seen_address
from ..istio.outcome import predict
from ..kube.snapshot import Snapshot
from ..prove.asking import Asker
from ..prove.measuring import Load
from ..prove.prove import TRAFFIC, Options, Subject, prove
from ..prove.sending import parse_entrypoint
from .routing import demand, reading_kinds
from .session import Result, report, start

MOST_REQUESTS = 1000
LONGEST_WINDOW = 3600


def run(params: Mapping[str, Any], check_mode: bool) -> Result:
    """Prove, and return the module's result. Raises :class:`core.errors.MeshlbError`."""
    options = read_options(params, check_mode)
    session = start(params, check_mode, reading_kinds(), config_map_namespaces)
    snapshot, api = session.snapshot, session.api
    if api is None:
        raise MeshlbError("There is no cluster to ask: a proof is read from running proxies.")
    demand(snapshot)
    found, dummy = detect(snapshot, session.registry)
    chosen = choose_load_balancers(found, params.get("load_balancers") or [])
    everything, about_routes = read_routes(snapshot, session.registry, chosen)
    routes = choose_routes(everything, params.get("namespaces") or [], params.get("routes") or [])
    one_load_balancer(routes, options)
    proven, findings = prove(subject_of(snapshot, chosen, routes), Addresses(snapshot), Asker(api.exec, session.workers), options)
    remarks: list[Finding] = [*about_reading(snapshot), *about_routes, *findings]
    result = report([], remarks, changed=False, diff=False, routes=[item.to_result() for item in proven])
    del result["changes"]
    return result


def subject_of(snapshot: Snapshot, load_balancers: Iterable[LoadBalancer], routes: Iterable[Route]) -> Subject:
    """What is to be proven, with what the plan's model says of it."""
    by_key = {item.key: item for item in load_balancers}
    found = {route: (known_backend(snapshot, route), seen_address(snapshot, route.upstream.address)) for route in routes}
    return Subject(
        found, {key: running_pods(snapshot, item) for key, item in by_key.items()},
        {route: predict(snapshot, by_key[route.load_balancer], route) for route in found}, read_mesh(snapshot).trust_domain,
    )


def read_options(params: Mapping[str, Any], check_mode: bool) -> Options:
    """What the module's options ask for. Raises :class:`core.errors.MeshlbError` for what cannot be meant."""
    methods = tuple(params["methods"])
    if not methods:
        raise MeshlbError("methods is empty, so nothing would be proven.", "Name configuration, traffic, or both.")
    requests, window = int(params["requests"]), float(params["window"])
    if not 1 <= requests <= MOST_REQUESTS:
        raise MeshlbError(f"requests is {requests}.", f"Choose a number from 1 to {MOST_REQUESTS}.")
    if not 0 <= window <= LONGEST_WINDOW:
        raise MeshlbError(f"window is {window:g}.", f"Choose a number of seconds from 0 to {LONGEST_WINDOW}.")
    entrypoint = parse_entrypoint(params["entrypoint"]) if params.get("entrypoint") else None
    if TRAFFIC not in methods:
        return Options(methods)
    if entrypoint is not None and check_mode:
        return Options(methods, None, "check mode sends no requests")
    if entrypoint is None and not window:
        return Options(methods, None, "neither an entrypoint to send requests to nor a window to watch was given")
    return Options(methods, Load(entrypoint, requests, window))


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


def one_load_balancer(routes: Sequence[Route], options: Options) -> None:
    """Raise :class:`core.errors.MeshlbError` unless requests to the entrypoint can prove all of these routes."""
    names = sorted({route.load_balancer_name for route in routes})
    if options.load is not None and options.load.entrypoint is not None and len(names) > 1:
        raise MeshlbError(
            f"The entrypoint belongs to one load balancer, but routes of {len(names)} would be proven: {', '.join(names)}.",
            "Name one of them with load_balancers.",
        )
