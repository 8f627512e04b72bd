# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``headless_twin``: nothing changes on the load balancer; a headless Service over the same pods makes their addresses known."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.meshlb.istio.plugins.module_utils.model import EITHER_ADDRESS, Route
from ansible_collections.meshlb.istio.plugins.module_utils.observe import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.observe.network import seen_address
from ansible_collections.meshlb.istio.plugins.module_utils.observe.objects import Obj, annotations_of, dig
from ansible_collections.meshlb.istio.plugins.module_utils.observe.services import find_port
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.base import (
    Context,
    Proposal,
    Strategy,
    metadata_for,
    object_name,
)
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.host_entry import (
    MESH_POLICY,
    without_mutual_tls,
)
from ansible_collections.meshlb.istio.plugins.module_utils.plan.visibility import EXPORT_TO


class HeadlessTwin(Strategy):
    """One headless Service per backend, exported to the load balancers' namespaces alone."""

    name = "headless_twin"
    gain = "the load balancer is left untouched and keeps its own balancing, and any host and any protocol is served"
    cost = "one listener per pod in the load balancer's sidecar, and the Service's own mesh policies do not apply"
    loses = frozenset({MESH_POLICY, EITHER_ADDRESS})

    def propose(self, context: Context, targets: Iterable[Route]) -> Proposal:
        refusals: dict[Route, str] = {}
        wanted: dict[tuple[str, str], list[Route]] = {}
        for route in targets:
            refusal = _refusal(context, route)
            if refusal:
                refusals[route] = refusal
            else:
                wanted.setdefault((route.backend.namespace, route.backend.service), []).append(route)
        return Proposal((), tuple(_twin(context, routes) for dummy, routes in sorted(wanted.items())), refusals)


def widened(body: Obj, existing: Obj, namespaces: Iterable[str]) -> Obj:
    """A twin that also serves load balancers of these namespaces, about which this run does not decide: all of its ports stay."""
    told = {*annotations_of(body).get(EXPORT_TO, "").split(","), *namespaces} - {""}
    metadata = {**body["metadata"], "annotations": {**annotations_of(body), EXPORT_TO: ",".join(sorted(told))}}
    ports = {item["port"]: item for item in (*dig(existing, "spec", "ports", default=[]), *body["spec"]["ports"])}
    return {**body, "metadata": metadata, "spec": {**body["spec"], "ports": [ports[number] for number in sorted(ports)]}}


def _refusal(context: Context, route: Route) -> str:
    service = context.service(route)
    if service is None or find_port(service, route.backend.port) is None:
        return "the backend does not exist"
    if not dig(service, "spec", "selector", default={}):
        return f"Service {route.backend.service} has no selector, so there is nothing to take a twin of"
    if seen_address(context.snapshot, route.upstream.address) != "pod_ips":
        return "the load balancer dials the Service's address, not the pods'"
    found = context.endpoints(route)
    if not found:
        return "no pods are known behind the Service"
    outside = next((text for text in (without_mutual_tls(context, item) for item in found) if text), "")
    return f"{outside}, and one TLS setting holds for all pods of a headless Service" if outside else ""


def _twin(context: Context, routes: list[Route]) -> Obj:
    first, numbers = routes[0], set()
    for route in routes:
        numbers |= {item.port for item in context.endpoints(route)}
    service = context.snapshot.get(kinds.SERVICE, first.backend.namespace, first.backend.service) or {}
    viewers = sorted({route.load_balancer[0] for route in routes})
    spec: Obj = {
        "clusterIP": "None",
        "selector": dict(dig(service, "spec", "selector", default={})),
        # Not HTTP, so that the sidecar matches by address. Declared as TCP rather than left open: an undeclared port's HTTP
        # routes vanish before its kept-alive connections do, which lost requests when a twin was taken back under load.
        "ports": [
            {"name": f"tcp-{number}", "port": number, "targetPort": number, "protocol": "TCP"} for number in sorted(numbers)
        ],
    }
    if dig(service, "spec", "publishNotReadyAddresses", default=False):
        spec["publishNotReadyAddresses"] = True
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata_for(
            object_name(f"{first.backend.service}-meshlb"), first.backend.namespace, routes, {EXPORT_TO: ",".join(viewers)}
        ),
        "spec": spec,
    }
