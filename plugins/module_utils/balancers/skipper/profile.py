# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Skipper as an ingress controller (zalando/skipper): Ingress and RouteGroup.

It has no IngressClass controller: classes are a regular expression over names.
Source: dataclients/kubernetes/ingressv1.go (serviceNameBackend), clusterclient.go (classes), config/config.go; chained mode:
net/headers.go and filters/xforward (the client's address), proxy/proxy.go (TLS), dataclients/kubernetes/clusterstate.go (Endpoints).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ...core.findings import finding
from ...core.model import Address, Finding, LoadBalancer, ObjectRef, Route, Upstream, replace
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, argument, dig, name_of, namespace_of, pod_template, ref_of
from ...kube.services import find_port, target_port
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest, LoadBalancerSide
from ..contract.facts import Proof
from ..contract.routes import joined_readings
from ..kit.gateway.routes import BackendHandling
from ..kit.ingresses import CLASS_ANNOTATION, Entry, class_of, ingress_ref, is_ignored, make_backend, pinned_strategy
from ..kit.patches import mesh_name, object_of
from ..kit.plain import read_ingresses
from ..legacy import Facts, IngressChain, PatchSet, Profile, Recognition, RouteReading, Signs, programs_of, words_of
from . import chain as skipper_chain
from .chain import FILTER, PROTOCOL, is_on

ROUTE_GROUP = "RouteGroup.zalando.org"
_DEFAULT_CLASS = "skipper"
_ALGORITHM = "zalando.org/skipper-loadbalancer"
_WHY = "it has no setting per object for Service routing, and its global one (kubernetes-force-service) dials the target port"


class Skipper(IngressChain, Profile):
    """Skipper, started with ``-kubernetes``."""

    id = "skipper"
    title = "Skipper"
    kinds = (ROUTE_GROUP,)
    signs = Signs(
        commands=("skipper",),
        flags=(frozenset({"kubernetes", "kubernetes-in-cluster"}), frozenset({"kubernetes", "kubernetes-path-mode"})),
        images=("skipper", "skipper-ingress"),
        labels=(frozenset({("application", "skipper-ingress")}),),
    )
    facts = Facts(
        routes=("Ingress", "RouteGroup"),
        service_routing_global="option kubernetes-force-service (0.22.39), Ingress only, where port and target port are the same number",
        host="filter preserveHost(\"false\") sends the backend's address",
        default="pod addresses, their address as Host (the vendor's manifests keep the client's)",
        remark="its own manifests use the host's network, where no sidecar is injected",
        proof=Proof.LAB,
        versions="0.21.0; the option kubernetes-force-service was read, not run",
    )
    chain = skipper_chain.FACTS
    chain_options = skipper_chain.OPTIONS
    chain_kinds = ("Endpoints",)

    def recognise(self, workload: Obj) -> Recognition | None:
        found = super().recognise(workload)
        # Without this option it is a proxy for something else (its Redis swarm's, an east-west one's).
        asked = found is not None and "kubernetes" in {word.lstrip("-").partition("=")[0] for word in words_of(found.container)}
        labelled = found is not None and not (programs_of(found.container) or words_of(found.container))
        return found if asked or labelled else None

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        return {
            "class": argument(container, "kubernetes-ingress-class") or _DEFAULT_CLASS,
            "group_class": argument(container, "kubernetes-routegroup-class") or _DEFAULT_CLASS,
            "preserve_host": is_on(argument(container, "proxy-preserve-host")),
            "force_service": is_on(argument(container, "kubernetes-force-service")),
            "namespace": argument(container, "kubernetes-namespace") or "",
            **skipper_chain.told(container),
        }

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        named = {"skipper", *(name_of(item) for item in snapshot.all(kinds.INGRESS_CLASS))}
        return tuple(sorted(name for name in named if _matches(str(load_balancer.setting("class")), name)))

    def blockers(self, workload: Obj) -> tuple[str, ...]:
        if dig(pod_template(workload), "spec", "hostNetwork", default=False):
            return ("its vendor's manifests put it on the host's network: without that, and behind a Service, a sidecar is possible",)
        return ()

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        findings: list[Finding] = []

        def of_entry(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
            if not load_balancer.setting("force_service"):
                return _to_pods(load_balancer, ingress)
            number = _dialled(snapshot, namespace_of(ingress), entry)
            if number:
                message = f"it dials {entry.service}:{number}, the target port, which is no port of the Service"
                findings.append(finding("MLB206", message, ingress_ref(ingress)))
            return _to_service(load_balancer, ingress, entry, "host_name" if number else "cluster_ip")

        plain = read_ingresses(snapshot, load_balancer, of_entry, only, lambda ingress: _serves(load_balancer, ingress))
        plain = replace(plain, routes=tuple(
            skipper_chain.in_its_words(load_balancer, object_of(snapshot, route), route) for route in plain.routes
        ))
        groups = (
            route for obj in snapshot.all(ROUTE_GROUP)
            if (only is None or ref_of(obj) in only) and _serves_group(load_balancer, obj)
            for route in _group_routes(snapshot, load_balancer, obj)
        )
        return joined_readings(plain, RouteReading(tuple(dict.fromkeys(groups)), tuple(findings)))

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        return skipper_chain.front(request, adds_client=self._adds_client(request))

    def chain_switch(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest
    ) -> PatchSet:
        wanted = list(routes)
        everything = self.routes(snapshot, load_balancer, frozenset(route.object for route in wanted)).routes
        return skipper_chain.switch(
            snapshot, load_balancer, wanted, everything, request, adds_client=self._adds_client(request),
        )

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        return skipper_chain.preflight(request)

    def _adds_client(self, request: ChainRequest) -> bool:
        return self.client_address(request).mode == "x_forwarded_for"


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False


def _watched(load_balancer: LoadBalancer, obj: Obj) -> bool:
    return load_balancer.setting("namespace") in ("", namespace_of(obj))


def _serves(load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """An annotation and a field that do not match rule an Ingress out; one without a class is taken."""
    pattern, annotations = str(load_balancer.setting("class")), annotations_of(ingress)
    name = class_of(ingress)[0]
    if CLASS_ANNOTATION in annotations and not _matches(pattern, annotations[CLASS_ANNOTATION]):
        return False
    return _watched(load_balancer, ingress) and (not name or _matches(pattern, name))


def _serves_group(load_balancer: LoadBalancer, obj: Obj) -> bool:
    named = annotations_of(obj).get("zalando.org/routegroup.class")
    return _watched(load_balancer, obj) and (named is None or _matches(str(load_balancer.setting("group_class")), named))


def _host(load_balancer: LoadBalancer, filters: str, address: str) -> str:
    """What filters make of the Host, else the option; the backend's address where the client's is not kept."""
    keeps = bool(load_balancer.setting("preserve_host"))
    for value in re.findall(r"preserveHost\(\s*\"(true|false)\"\s*\)", filters):
        keeps = value == "true"
    literal = re.findall(r"setRequestHeader\(\s*\"[Hh]ost\"\s*,\s*\"([^\"]*)\"\s*\)", filters)
    return literal[-1] if literal else "" if keeps else address


def _to_pods(load_balancer: LoadBalancer, ingress: Obj) -> BackendHandling:
    annotations = annotations_of(ingress)
    return BackendHandling(
        "pod_ips", _host(load_balancer, annotations.get(FILTER, ""), "$pod_address"), features=_balanced(annotations.get(_ALGORITHM, "")),
        scheme="tls" if annotations.get(PROTOCOL) == "https" else "http", settable=False, why_not_settable=_WHY,
    )


def _to_service(load_balancer: LoadBalancer, ingress: Obj, entry: Entry, address: Address) -> BackendHandling:
    name = mesh_name(namespace_of(ingress), entry.service)
    return BackendHandling(
        address, _host(load_balancer, annotations_of(ingress).get(FILTER, ""), name), settable=False, why_not_settable=_WHY,
    )


def _balanced(algorithm: str) -> tuple[str, ...]:
    return ("affinity",) if algorithm == "consistentHash" else ("balancing",) if algorithm else ()


def _dialled(snapshot: Snapshot, namespace: str, entry: Entry) -> int | str:
    """The port that is dialled at the Service's name, where it is not one that the Service has; else nothing."""
    service = snapshot.get(kinds.SERVICE, namespace, entry.service)
    port = find_port(service, entry.reference) if service else None
    return target_port(port) if port and target_port(port) != port.get("port") else 0


def _group_routes(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj) -> Iterator[Route]:
    backends = {str(item.get("name", "")): item for item in dig(obj, "spec", "backends", default=[])}
    default = dig(obj, "spec", "defaultBackends", default=[])
    for rule in dig(obj, "spec", "routes", default=[]) or [{}]:
        used = rule.get("backends") or default
        for place, reference in enumerate(used):
            backend = backends.get(str(reference.get("backendName", "")), {})
            if backend.get("type") != "service":
                continue
            for host in dig(obj, "spec", "hosts", default=[]) or [""]:
                yield _group_route(snapshot, load_balancer, obj, rule, backend, str(host), place, len(used) > 1)


def _group_route(
    snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, rule: Obj, backend: Obj, host: str, place: int, weighted: bool
) -> Route:
    path, path_type = _path(rule)
    features = {*_balanced(str(backend.get("algorithm") or "")), *(("canary", "weights") if weighted else ())}
    filters = " ".join(rule.get("filters") or [])
    service, port = str(backend.get("serviceName", "")), int(backend.get("servicePort") or 0)
    return Route(
        load_balancer=load_balancer.key, object=ref_of(obj), host=host, path=path, path_type=path_type,
        backend=make_backend(snapshot, namespace_of(obj), service, port),
        upstream=Upstream("pod_ips", _host(load_balancer, filters, "$pod_address"), "http"),
        upstream_group=f"RouteGroup-{namespace_of(obj)}-{name_of(obj)}-{backend.get('name')}",
        features=tuple(sorted(features)), canary=place > 0 or bool(rule.get("predicates")), settable=False, why_not_settable=_WHY,
        ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj), rewrites_path=skipper_chain.rewrites_path(filters),
    )


def _path(rule: Obj) -> tuple[str, str]:
    if rule.get("path"):
        return str(rule["path"]), "Exact"
    if rule.get("pathRegexp"):
        return str(rule["pathRegexp"]), "RegularExpression"
    return str(rule.get("pathSubtree") or "/"), "Prefix"
