# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caddy's ingress controller (caddyserver/ingress): it always dials the Service's name, and passes the client's Host on.

Source: internal/caddy/ingress/reverseproxy.go, internal/k8s/ingress.go (classes), cmd/caddy/flag.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route
from ...kube.objects import Obj, annotations_of, argument, namespace_of
from ...kube.snapshot import Snapshot
from ..contract.routes import joined_readings
from ..kit.gateway.routes import BackendHandling
from ..kit.ingresses import Entry, entries, ingress_ref
from ..kit.plain import annotation_first, read_ingresses
from ..legacy import Facts, PatchSet, Profile, RouteReading, Signs

_PROTOCOL = "caddy.ingress.kubernetes.io/backend-protocol"


class Caddy(Profile):
    """Caddy: one process that is controller and proxy."""

    id = "caddy"
    title = "Caddy"
    signs = Signs(
        flags=(frozenset({"config-map", "lease-id"}), frozenset({"config-map", "class-name"}), frozenset({"class-name-required"})),
        images=("caddy/ingress",),
        labels=(frozenset({("app.kubernetes.io/name", "caddy-ingress-controller")}),),
    )
    facts = Facts(
        service_routing="nothing to set: it always dials the Service's name",
        default="the Service, the client's Host",
        remark="only numbers of ports work: a named one becomes 0",
        versions="0.2",
    )

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        return {
            "class": argument(container, "class-name") or "caddy",
            "class_required": argument(container, "class-name-required") not in (None, "false"),
            "namespace": argument(container, "namespace") or "",
        }

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        # It compares names, and no IngressClass needs to exist.
        return (str(load_balancer.setting("class")),)

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        by_class = annotation_first(load_balancer.classes, without_class=not load_balancer.setting("class_required"))
        findings: list[Finding] = []

        def served(ingress: Obj) -> bool:
            taken = load_balancer.setting("namespace") in ("", namespace_of(ingress)) and by_class(ingress)
            if taken:
                findings.extend(_named_ports(ingress))
            return taken

        return joined_readings(read_ingresses(snapshot, load_balancer, _treatment, only, served), RouteReading((), tuple(findings)))

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        return PatchSet()


def _treatment(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
    tls = annotations_of(ingress).get(_PROTOCOL, "").lower() == "https"
    group = f"Ingress-{namespace_of(ingress)}-{ingress['metadata']['name']}-{entry.host}-{entry.path}"
    return BackendHandling("cluster_ip", group=group, scheme="tls" if tls else "http")


def _named_ports(ingress: Obj) -> list[Finding]:
    named = sorted({f"{item.service}:{item.reference}" for item in entries(ingress) if isinstance(item.reference, str)})
    message = f"it dials port 0 for a port by name ({', '.join(named)}): write its number"
    return [finding("MLB206", message, ingress_ref(ingress))] if named else []
