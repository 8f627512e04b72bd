# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emissary in front of a gateway: a Mapping may name a Service of any namespace, so it names the gateway's itself.

Source: emissary-ingress/emissary python/ambassador (irhttpmapping.py: service, tls; v3cluster.py, v3tls.py: sni of a TLSContext; without
one no server name is sent; irresource.py: one that has no certificate counts as none, which was measured with 3.10.0);
use_remote_address appends the client to X-Forwarded-For.

Emissary tells its Envoy that an upstream is gone before it tells that no route uses it any more, and a request in between is answered 503
(NC; 6 of 52927 in the lab). So Mappings on a host that nobody asks for keep both upstreams as long as there is a chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...core.findings import finding
from ...core.marks import IGNORE
from ...core.model import ABSENT, Finding, LoadBalancer, Route
from ...core.writes import Field, Write, none_before
from ...kube.default_class import CLASS_ANNOTATION
from ...kube.objects import Obj, dig, name_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest, LoadBalancerSide
from ..contract.facts import Capability, ChainFacts, ChainOption, ProofLevel, ServerName
from ..contract.switches import FieldPatch, PatchSet
from ..kit.chain.answers import chain_side
from ..kit.chain.ingress import ROUTES_IN, IngressWay
from ..kit.chain.upstream_holders import with_ingress_holder
from ..kit.patches import object_of
from ..kit.writes import declaring, of_a_chain, redirects
from .objects import GROUP, ID_ANNOTATION, TLS_CONTEXT, DeclaredMapping, Origin, declared_mappings

FACTS = ChainFacts(
    hops=1, forwarded_for="appended", server_name="settable", ends_tls="always", begins_with=True,
    tls_to_gateway="service: https://... of the Mapping; the server name by sni of a TLSContext that has a secret",
    objects=("Mapping", "its service, which becomes the gateway's name"), standalone_mtls=Capability(True, "yes, with a sidecar"),
    cannot=("keep its balancing per pod of the backend", "lead an Ingress over TLS, or two backends of one host by Ingress"),
    options=(
        ChainOption("tls_context", "TLSContext of Mappings for TLS to the gateway: a secret (without one it is ignored) and sni."),
        ChainOption("ambassador_id", "The ambassador_id of new Mappings, where it is not the usual one."),
    ),
    proof=ProofLevel.LAB,
)
_ABOUT_REQUESTS = frozenset({"host", "host_regex", "hostname", "headers", "regex_headers", "docs", "labels"})


def address(request: ChainRequest) -> str:
    """The gateway as a Mapping names it."""
    gateway = request.gateway
    return f"{'https' if gateway.tls else 'http'}://{gateway.full_name}:{gateway.port}"


def redirect(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest) -> PatchSet:
    """Redirect the routes of one object: an Ingress, or a Mapping."""
    listed = list(routes)
    if not listed or listed[0].object.kind != "Ingress":
        return _mappings(declared_mappings(snapshot, load_balancer, frozenset(route.object for route in listed)), request)
    if request.gateway.tls:
        return PatchSet(refusal="TLS to the gateway is said by a Mapping (service: https://...), and an Ingress has no word for it")
    answer = IngressWay().redirect(snapshot, load_balancer, listed, request)
    return with_ingress_holder(answer, object_of(snapshot, listed[0]), listed, request, (CLASS_ANNOTATION, ID_ANNOTATION))


def _mappings(mappings: list[DeclaredMapping], request: ChainRequest) -> PatchSet:
    """One field of each Mapping, and one more for TLS."""
    patches: list[FieldPatch] = []
    bodies: list[Obj] = []
    context = request.option("tls_context")
    for item in mappings:
        if item.origin is not Origin.OBJECT or item.is_tcp:
            return PatchSet(refusal=f"{item.label} is no object of its own, or carries no HTTP")
        tls = item.spec.get("tls")
        if tls and (not request.gateway.tls or tls != context):
            return PatchSet(refusal=f"tls of {item.label} is {tls!r}, which is not for the gateway")
        changed = {"service": address(request)}
        if context and request.gateway.tls and item.spec.get("tls", ABSENT) is ABSENT:
            changed["tls"] = str(context)
        patches += (FieldPatch(item.owner, ("spec", key), value) for key, value in changed.items())
        bodies += _holders(item, changed)
    return PatchSet(tuple(patches), bodies=tuple(bodies))


def _holders(item: DeclaredMapping, changed: Obj) -> list[Obj]:
    """Two Mappings like this one, with its upstream as it is and as it will be."""
    kept = {key: value for key, value in item.spec.items() if key not in _ABOUT_REQUESTS}
    upstreams: tuple[tuple[str, Obj], ...] = (("before", {}), ("after", changed))
    host = f"{item.name[:50].rstrip('-.')}.{item.namespace}.meshlb.invalid"
    return [
        _mapping(f"{item.name[:200]}-keeps-{word}", item.namespace, {**kept, **more, "hostname": f"{word}.{host}"}, {
            IGNORE: "true", ROUTES_IN: item.namespace,
        }) for word, more in upstreams
    ]  # fmt: skip


def _mapping(name: str, namespace: str, spec: Obj, annotations: Obj | None = None) -> Obj:
    metadata = {"name": name, "namespace": namespace, **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": f"{GROUP}/v3alpha1", "kind": "Mapping", "metadata": metadata, "spec": spec}


def front(request: ChainRequest) -> LoadBalancerSide:
    """A Mapping per host, beside the gateway."""
    context, identity = request.option("tls_context"), request.option("ambassador_id")
    spec: Obj = {"prefix": "/", "rewrite": "", "service": address(request)}
    if request.gateway.tls and context:
        spec["tls"] = str(context)
    if identity:
        spec["ambassador_id"] = [str(identity)]
    return LoadBalancerSide(bodies=tuple(
        _mapping(f"{request.name}-{number}" if number else request.name, request.gateway.namespace, {"hostname": host, **spec})
        for number, host in enumerate(request.hosts or ("*",))
    ))


def preflight(snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
    """Whether Emissary would take notice of the TLSContext that was named, and send what is needed."""
    name = str(request.option("tls_context") or "")
    if not (name and request.gateway.tls):
        return ()
    context = next((item for item in snapshot.all(TLS_CONTEXT) if name_of(item) == name), None)
    if context is None:
        # It may be there where nobody could look.
        seen = snapshot.source.live and TLS_CONTEXT not in snapshot.source.denied
        return (finding("MLB617", f"Emissary: there is no TLSContext {name}; make it first"),) if seen else ()
    spec = context.get("spec") or {}
    if not (spec.get("secret") or spec.get("cert_chain_file")):
        why = f"Emissary takes no notice of TLSContext {name}, as it names no certificate: give it a secret, or leave tls_context out"
        return (finding("MLB617", why, ref_of(context)),)
    if request.gateway.server_name and not spec.get("sni"):
        return (finding("MLB602", f"TLSContext {name} has no sni, so Emissary sends no server name", ref_of(context)),)
    return ()


def server_name(request: ChainRequest) -> ServerName:
    """Only with a TLSContext it sends one."""
    return "settable" if request.option("tls_context") else "never"


def _is_holder(obj: Mapping[str, Any]) -> bool:
    return str(dig(obj, "metadata", "name", default="")).endswith(("-keeps-before", "-keeps-after"))


WRITES = redirects(Write(
    f"Mapping.{GROUP}", (Field("/spec/service"), Field("/spec/tls", none_before)),
    lambda obj: of_a_chain(obj) or _is_holder(obj), why="leads requests to the gateway",
))  # fmt: skip
CHAIN = declaring(chain_side("Emissary-ingress", FACTS, front, redirect, preflight=preflight, server_name=server_name), *WRITES)
