# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emissary-ingress and Ambassador Edge Stack: Service routing is its default, the client's Host as well.

Istio's page says that no additional steps are required; that holds for undeclared and TCP ports (measured with 3.10.0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...core.findings import finding
from ...core.interception import INCLUDE_OUTBOUND_RANGES
from ...core.model import Finding, LoadBalancer, ObjectRef, Route
from ...kube.objects import Obj, dig, namespace_of
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest, LoadBalancerSide, ServerName
from ..contract.facts import Proof
from ..kit.chain.upstream_holders import with_ingress_holder
from ..kit.ingresses import CLASS_ANNOTATION
from ..kit.plain import classes_of_controller
from ..legacy import Facts, FieldPatch, IngressChain, PatchSet, Profile, Recognition, RouteReading, Signs, programs_of
from . import chain as emissary_chain
from .objects import HOST, ID_ANNOTATION, MAPPING, MODULE, RESOLVERS, SERVICE_RESOLVER, TCP_MAPPING, TLS_CONTEXT, Declared, Reader
from .routes import MappingRoutes
from .settings import ISTIO_SECRET, Settings

_OTHER_PROGRAMS = frozenset({"apiext", "agent", "kubestatus"})
_FORWARDED = "x-forwarded-host"
_CONTEXT = "meshlb-istio-upstream"
_ROTATES_SINCE = (4, 1)

Ask = Callable[[Settings, Declared, Route], "tuple[dict[tuple[str, ...], Any], str]"]


class Emissary(IngressChain, Profile):
    """Its pods carry both the traffic and its control plane; apiext, of the same image, carries no traffic."""

    id = "emissary"
    title = "Emissary-ingress"
    class_controllers = ("getambassador.io/ingress-controller",)
    kinds = (MAPPING, TCP_MAPPING, MODULE, HOST, TLS_CONTEXT, *RESOLVERS)
    signs = Signs(
        commands=("busyambassador", "diagd"),
        variables=(frozenset({"AMBASSADOR_NAMESPACE"}),),
        images=(
            "emissary-ingress/emissary", "emissaryingress/emissary", "datawire/emissary", "datawire/ambassador", "datawire/aes", "emissary",
        ),
        labels=(frozenset({("product", "aes"), ("profile", "main")}),),
    )
    facts = Facts(
        routes=("Mapping", "TCPMapping", "Ingress", "Service annotation getambassador.io/config"),
        service_routing="default; Mapping and TCPMapping field resolver",
        service_routing_global="Module field resolver",
        host="Mapping fields host_rewrite and auto_host_rewrite",
        default="the Service's address, the client's Host",
        loses="with an endpoint resolver: affinity, balancing, retries and health checks once the upstream is one address",
        remark="certs_only from 4.1.0 on: the backend's certificate is verified against the mesh's root, its identity is not",
        proof=Proof.LAB,
        versions="3.10.0",
    )
    chain = ChainFacts(
        hops=1, forwarded_for="appended", server_name="settable", ends_tls="always",
        tls_to_gateway="service: https://... of the Mapping; the server name by sni of a TLSContext that has a secret",
        objects=("Mapping", "its service, which becomes the gateway's name"), standalone_mtls=Capability(True, "yes, with a sidecar"),
        cannot=("keep its balancing per pod of the backend", "lead an Ingress over TLS, or two backends of one host by Ingress"),
        proof=Proof.LAB,
    )
    chain_options = (
        ChainOption("tls_context", "TLSContext of Mappings for TLS to the gateway: a secret (without one it is ignored) and sni."),
        ChainOption("ambassador_id", "The ambassador_id of new Mappings, where it is not the usual one."),
    )

    def recognise(self, workload: Obj) -> Recognition | None:
        found = super().recognise(workload)
        if found is None or _OTHER_PROGRAMS & set(programs_of(found.container)):
            return None
        return found

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        values = {str(item.get("name")): str(item["value"]) for item in container.get("env") or [] if item.get("value") is not None}
        return {
            "ambassador_id": values.get("AMBASSADOR_ID") or "default",
            "namespace": values.get("AMBASSADOR_NAMESPACE") or namespace_of(workload),
            "single_namespace": bool(values.get("AMBASSADOR_SINGLE_NAMESPACE")),
            "label_selector": values.get("AMBASSADOR_LABEL_SELECTOR", ""),
            "certificates": values.get("AMBASSADOR_ISTIO_SECRET_DIR", "").rstrip("/"),
        }

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        return classes_of_controller(self.class_controllers, snapshot)

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        reader = Reader(snapshot, load_balancer)
        return MappingRoutes(reader, Settings(reader)).read(only)

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        return _switch(snapshot, load_balancer, routes, _resolver)

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        return _switch(snapshot, load_balancer, routes, _host)

    def set_certificates(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        missing = _not_ready(load_balancer)
        if missing:
            return PatchSet(refusal=missing)
        answer = _switch(snapshot, load_balancer, routes, _certificates)
        if answer.refusal:
            return answer
        return PatchSet(answer.patches, bodies=(_context(load_balancer),))

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        return emissary_chain.front(request)

    def chain_switch(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest
    ) -> PatchSet:
        wanted = list(routes)
        if wanted and wanted[0].object.kind == "Ingress":
            if request.gateway.tls:
                return PatchSet(refusal="TLS to the gateway is said by a Mapping (service: https://...), and an Ingress has no word for it")
            found = super().chain_switch(snapshot, load_balancer, wanted, request)
            return with_ingress_holder(found, snapshot, wanted, request, (CLASS_ANNOTATION, ID_ANNOTATION))
        return emissary_chain.switch(Reader(snapshot, load_balancer), wanted, request)

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        return emissary_chain.preflight(snapshot, request)

    def server_name(self, request: ChainRequest) -> ServerName:
        return "settable" if request.option("tls_context") else "never"


def _switch(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], ask: Ask) -> PatchSet:
    """Ask for every Mapping once; the first user's own setting that stands against it refuses all."""
    reader = Reader(snapshot, load_balancer)
    settings, wanted = Settings(reader), {route.object: route for route in routes if route.settable}
    patches: list[FieldPatch] = []
    conflicts: list[Finding] = []
    for item in reader.declared(frozenset(wanted)):
        if item.origin != "object":
            continue
        fields, conflict = ask(settings, item, wanted[item.ref])
        if conflict:
            conflicts.append(finding("MLB203", conflict, item.ref))
        patches += [FieldPatch(item.owner, ("spec", *path), value) for path, value in fields.items()]
    if conflicts:
        return PatchSet(refusal=f"{conflicts[0].object}: {conflicts[0].message}", findings=tuple(conflicts))
    return PatchSet(tuple(patches))


def _resolver(settings: Settings, item: Declared, route: Route) -> tuple[dict[tuple[str, ...], Any], str]:
    if settings.kind_of(item.spec) == SERVICE_RESOLVER:
        return {}, ""
    wanted = settings.service_resolver()
    if not wanted:
        return {}, "every resolver's name, kubernetes-service too, was given to another kind"
    if item.spec.get("resolver"):
        return {}, f"resolver is {item.spec['resolver']!r}, the plan needs {wanted!r}"
    if item.spec.get("load_balancer"):
        # Together with a resolver that gives the Service's address it makes the Mapping invalid.
        return {}, f"load_balancer is set, which Emissary does not accept with resolver {wanted!r}"
    return {("resolver",): wanted}, ""


def _host(settings: Settings, item: Declared, route: Route) -> tuple[dict[tuple[str, ...], Any], str]:
    if item.is_tcp:
        return {}, ""
    names = _names(route, settings.reader.load_balancer.namespace)
    wanted, own = names[0], item.spec.get("host_rewrite")
    if own:
        return {}, "" if str(own).partition(":")[0].lower() in names else f"host_rewrite is {own!r}, the plan needs {wanted!r}"
    if item.spec.get("auto_host_rewrite") is not None:
        # Envoy's configuration holds one of both; written beside each other they make it invalid.
        good = item.spec["auto_host_rewrite"] and settings.qualified(item).host in names
        return {}, "" if good else f"auto_host_rewrite is {item.spec['auto_host_rewrite']!r}, the plan needs host_rewrite {wanted!r}"
    return {("host_rewrite",): wanted, **_forwarded(settings, item)}, ""


def _names(route: Route, home: str) -> list[str]:
    """Names of a Service that the sidecar knows, the full one first."""
    backend = route.backend
    short = f"{backend.service}.{backend.namespace}"
    return [f"{short}.svc.cluster.local", f"{short}.svc", short, *([backend.service] if backend.namespace == home else [])]


def _forwarded(settings: Settings, item: Declared) -> dict[tuple[str, ...], Any]:
    """The public host in X-Forwarded-Host, unless the user sets that header already."""
    own = item.spec.get("add_request_headers")
    # Headers of a Mapping replace those that the Module has for all, so these are brought along.
    module = dig(settings.module, "defaults", default={})
    inherited = dig(module, "httpmapping", "add_request_headers") or dig(module, "add_request_headers", default={})
    headers = dict(inherited if own is None else own)
    if any(key.lower() == _FORWARDED for key in headers):
        return {}
    brought = headers if own is None else {}
    added = {**brought, _FORWARDED: {"value": "%REQ(:authority)%", "append": False}}
    return {("add_request_headers", key): value for key, value in added.items()}


def _certificates(settings: Settings, item: Declared, route: Route) -> tuple[dict[tuple[str, ...], Any], str]:
    own, target = item.spec.get("tls"), settings.qualified(item)
    if own not in (None, _CONTEXT):
        return {}, f"tls is {own!r}, the plan needs {_CONTEXT!r}"
    if target.scheme:
        return {}, f"service names the scheme {target.scheme}, which decides instead of tls"
    if not target.port:
        return {}, "service names no port, and with tls it would be 443"
    return {("tls",): _CONTEXT}, ""


def _not_ready(load_balancer: LoadBalancer) -> str:
    """What its pods lack to speak mutual TLS themselves, empty where they have all."""
    numbers = tuple(int(word) for word in load_balancer.version.split("-")[0].split(".")[:2] if word.isdigit())
    if numbers < _ROTATES_SINCE:
        known = load_balancer.version or "of a version that its image does not tell"
        return f"this Emissary is {known}; before 4.1 it keeps a certificate of the mesh after it was renewed (issue 4744)"
    if not load_balancer.setting("certificates"):
        return "AMBASSADOR_ISTIO_SECRET_DIR is not set, so it does not read the mesh's certificate"
    if load_balancer.interception.include_outbound_ranges != "":
        return f"its sidecar would encrypt again what Emissary encrypted; the pods need {INCLUDE_OUTBOUND_RANGES}: \"\""
    return ""


def _context(load_balancer: LoadBalancer) -> Obj:
    """The TLSContext; its ``cacert_chain_file`` is what makes Envoy verify the backend's certificate."""
    spec: Obj = {
        "secret": ISTIO_SECRET, "cacert_chain_file": f"{load_balancer.setting('certificates')}/root-cert.pem", "alpn_protocols": "istio",
    }
    if load_balancer.setting("ambassador_id") != "default":
        spec["ambassador_id"] = [load_balancer.setting("ambassador_id")]
    return {
        "apiVersion": "getambassador.io/v3alpha1",
        "kind": "TLSContext",
        "metadata": {"name": _CONTEXT, "namespace": load_balancer.setting("namespace")},
        "spec": spec,
    }
