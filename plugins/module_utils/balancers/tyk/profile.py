# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tyk with its operator: the operator makes ApiDefinitions, and the gateway carries the traffic.

Source: TykTechnologies/tyk-operator controllers/ingress_controller.go (an Ingress becomes ApiDefinitions whose target is the
Service's name, made after a template) and TykTechnologies/tyk gateway/reverse_proxy.go (the Host is the target's unless
``preserve_host_header`` says otherwise).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, Scheme, Upstream
from ...kube.objects import Obj, annotations_of, dig, labels_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import joined_readings
from ..kit.gateway.routes import BackendHandling
from ..kit.ingresses import Entry, is_ignored, make_backend, pinned_strategy
from ..kit.patches import PatchBuilder, mesh_name, object_of
from ..kit.plain import read_ingresses
from ..legacy import Facts, PatchSet, Profile, RouteReading, Signs

DEFINITION = "ApiDefinition.tyk.tyk.io"
_TEMPLATE = "tyk.io/template"


class Tyk(Profile):
    """Tyk's gateway, configured by its operator."""

    id = "tyk"
    title = "Tyk"
    kinds = (DEFINITION,)
    signs = Signs(
        variables=(frozenset({"TYK_GW_LISTENPORT"}), frozenset({"TYK_GW_SECRET"})),
        images=("tyk-gateway", "tyk-gateway-ee", "tyk-gateway-fips"),
    )
    facts = Facts(
        routes=("Ingress", "ApiDefinition"),
        service_routing="nothing to set: the operator names the Service",
        host="nothing to set: the target's name is sent",
        default="the Service, its name as Host",
        remark="an ApiDefinition written by hand goes where its target_url says; preserve_host_header undoes the Host",
        versions="operator 0.x (its source is no longer public), gateway 5",
    )

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        return ("tyk",)

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        def of_entry(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
            template = _template(snapshot, ingress)
            host = "" if keeps_host(template) else mesh_name(namespace_of(ingress), entry.service)
            group = f"Ingress-{namespace_of(ingress)}-{ingress['metadata']['name']}-{entry.host}-{entry.path}"
            return BackendHandling("cluster_ip", host, group=group)

        plain = read_ingresses(snapshot, load_balancer, of_entry, only)
        return joined_readings(plain, _definitions(snapshot, load_balancer, only))

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        return PatchSet()

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches = PatchBuilder()
        for route in routes:
            obj = object_of(snapshot, route)
            held = obj if route.object.kind == "ApiDefinition" else _template(snapshot, obj)
            if keeps_host(held):
                patches.conflict(held or obj, "preserve_host_header is True, the plan needs the target's own name")
        return patches.switch()


def keeps_host(definition: Obj | None) -> bool:
    """Whether an ApiDefinition sends the client's Host on."""
    return bool(dig(definition, "spec", "proxy", "preserve_host_header", default=False))


def _template(snapshot: Snapshot, ingress: Obj) -> Obj | None:
    """The ApiDefinition after which the operator makes those of an Ingress."""
    name = annotations_of(ingress).get(_TEMPLATE, "")
    return snapshot.get(DEFINITION, namespace_of(ingress), name) if name else None


def _definitions(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    routes: list[Route] = []
    findings: list[Finding] = []
    for obj in snapshot.all(DEFINITION):
        if (only is not None and ref_of(obj) not in only) or _is_made_or_template(obj):
            continue
        target = str(dig(obj, "spec", "proxy", "target_url", default=""))
        found = list(_route(snapshot, load_balancer, obj, target))
        routes += found
        if not found:
            findings.append(finding("MLB208", f"its target {target!r} is no Service of the cluster", ref_of(obj)))
    return RouteReading(tuple(routes), tuple(findings))


def _is_made_or_template(obj: Obj) -> bool:
    owners = dig(obj, "metadata", "ownerReferences", default=[])
    return labels_of(obj).get("template") == "true" or any(item.get("kind") == "Ingress" for item in owners)


def _route(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, target: str) -> Iterator[Route]:
    parts = urlsplit(target)
    labels = (parts.hostname or "").split(".")
    if len(labels) < 2 or (len(labels) > 2 and labels[2:] not in (["svc"], ["svc", "cluster", "local"])):
        return
    service, namespace = labels[0], labels[1]
    port = parts.port or (443 if parts.scheme == "https" else 80)
    scheme: Scheme = "tls" if parts.scheme == "https" else "tcp" if parts.scheme in ("tcp", "tls") else "http"
    yield Route(
        load_balancer=load_balancer.key, object=ref_of(obj), host=str(dig(obj, "spec", "domain", default="")),
        path=str(dig(obj, "spec", "proxy", "listen_path", default="/")), path_type="ImplementationSpecific",
        backend=make_backend(snapshot, namespace, service, port),
        upstream=Upstream("cluster_ip", "" if keeps_host(obj) else parts.hostname or "", scheme),
        upstream_group=f"ApiDefinition-{namespace_of(obj)}-{obj['metadata']['name']}",
        rewrites_path=bool(dig(obj, "spec", "proxy", "strip_listen_path", default=False)),
        ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
    )
