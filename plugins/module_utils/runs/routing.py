# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of service_routing, from its options to its result."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..apply import ownership
from ..apply.routing import PART, is_owned, routing_changes
from ..balancers.contract.profile import Registry
from ..balancers.registry import REGISTRY
from ..core.errors import MeshlbError
from ..core.model import Change, Finding, LoadBalancer, RoutePlan
from ..detect.description import about_reading
from ..detect.load_balancers import config_map_namespaces, detect
from ..detect.routes import read_routes
from ..detect.selection import choose_load_balancers, route_filter
from ..istio.mesh import read_mesh
from ..istio.outcome import predict
from ..kube import kinds
from ..kube.objects import Obj
from ..kube.snapshot import Snapshot
from ..plan.exemption import about_outside, with_exemptions
from ..plan.routing import Options, plan_routes
from ..plan.strategies.base import namespaces_served
from .session import Result, Session, deliver, report, start

ESSENTIAL = (kinds.SERVICE, kinds.POD, kinds.INGRESS, kinds.INGRESS_CLASS, kinds.NAMESPACE)
"""Without these no plan can be right, so a run that may not read them stops; all others become findings."""


def reading_kinds() -> tuple[str, ...]:
    """Kind keys that a run reads."""
    return (*kinds.BASE, *REGISTRY.route_kinds())


def run(params: Mapping[str, Any], check_mode: bool, diff: bool) -> Result:
    """Plan and write (or take back); raises :class:`MeshlbError` before anything is written."""
    session = start(params, check_mode, (*reading_kinds(), *REGISTRY.check_kinds()), config_map_namespaces)
    live = session.snapshot
    demand(live)
    load_balancers, findings = detect(live, session.registry)
    chosen = choose_load_balancers(load_balancers, params.get("load_balancers") or [])
    findings = [item for item in findings if _concerns(item, chosen, load_balancers)]
    namespaces = params.get("namespaces") or []
    if params["state"] == "absent":
        routes, changes, about = _absent(live, session.registry, chosen, params, namespaces)
    else:
        routes, changes, about = _present(live, session.registry, load_balancers, chosen, params, namespaces)
    changed, about_writing, files = deliver(session, changes)
    more = {"files": files} if params.get("output_dir") else {}
    everything = [*about_reading(live), *findings, *about, *about_writing]
    return report(changes, everything, changed and _writes(session), diff, routes=[item.to_result() for item in routes], **more)


def demand(snapshot: Snapshot) -> None:
    """Stop where the cluster has no mesh, or where what every plan rests on may not be read."""
    if not read_mesh(snapshot).installed:
        raise MeshlbError(
            "Istio is not installed here: no istiod was found, and the API server serves none of Istio's kinds.",
            "Install Istio, or choose the cluster (kubeconfig, context) that has it.",
        )
    denied = {kind: snapshot.source.denied[kind] for kind in ESSENTIAL if kind in snapshot.source.denied}
    if denied:
        sentences = " ".join(denied.values())
        raise MeshlbError(
            f"{', '.join(denied)} cannot be read, and no plan is right without. {sentences}",
            "Grant get and list on them; docs/rbac.md has the exact rules per playbook.", details={"denied": dict(denied)},
        )


def _present(
    live: Snapshot, registry: Registry, load_balancers: list[
        LoadBalancer
    ], chosen: list[LoadBalancer], params: Mapping[str, Any], namespaces: Collection[str]
) -> tuple[list[RoutePlan], list[Change], list[Finding]]:
    keys = {item.key for item in chosen}
    selected = route_filter(live, namespaces, params.get("label_selector") or "")
    options = Options(params["strategy"], params["preserve_host"], selected, lambda key: key in keys)

    def in_scope(obj: Obj) -> bool:
        """Whether what an earlier run wrote is for the routes that this run decides about."""
        return not namespaces or namespaces_served(obj) <= set(namespaces)

    original = ownership.apply_changes(live, ownership.take_back(live, PART, lambda obj: not in_scope(obj))[0])
    plan = plan_routes(live, original, registry, load_balancers, options, is_owned)
    if params.get("strict_exemption"):
        plan = with_exemptions(original, registry, plan, chosen)
    # Files hold the whole plan, also what is applied already: whoever drives the cluster from them prunes what they lack.
    base = original if params.get("output_dir") else live
    removable = in_scope if not params.get("label_selector") else lambda obj: False
    changes, about = routing_changes(base, plan, [item.label for item in chosen], removable)
    return list(plan.routes), changes, [*plan.findings, *about, *about_outside(live, registry, plan, chosen)]


def _absent(
    live: Snapshot, registry: Registry, chosen: list[LoadBalancer], params: Mapping[str, Any], namespaces: Collection[str]
) -> tuple[list[RoutePlan], list[Change], list[Finding]]:
    names = [item.label for item in chosen] if params.get("load_balancers") else None
    # With files, taking back means that they say nothing any more.
    nothing = bool(params.get("output_dir"))
    changes, about = ownership.take_back(
        live, PART, lambda obj: nothing or (bool(namespaces) and not namespaces_served(obj) <= set(namespaces)), names, "is taken back"
    )
    after = ownership.apply_changes(live, changes)
    selected = route_filter(live, namespaces, params.get("label_selector") or "")
    routes, dummy = read_routes(live, registry, chosen)
    by_key = {item.key: item for item in chosen}
    restored = {route.sort_key: route for route in read_routes(after, registry, chosen)[0]}
    plans = []
    for route in filter(selected, routes):
        load_balancer = by_key[route.load_balancer]
        then = predict(after, load_balancer, restored.get(route.sort_key, route))
        plans.append(RoutePlan(route, predict(live, load_balancer, route), then, "none"))
    return plans, changes, about


def _writes(session: Session) -> bool:
    """Manifests without an output folder are read and nothing else."""
    return session.api is not None or bool(session.params.get("output_dir"))


def _concerns(item: Finding, chosen: list[LoadBalancer], everything: list[LoadBalancer]) -> bool:
    """Whether a finding is about one of the chosen load balancers, or about none in particular."""
    others = {other.workload for other in everything if other not in chosen and other.workload}
    return item.object is None or item.object not in others
