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

from ...core.findings import finding
from ...core.model import ABSENT, Finding, Route
from ...kube.objects import Obj, name_of, ref_of
from ...kube.services import CLUSTER_DOMAIN
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest, LoadBalancerSide
from ..contract.switches import FieldPatch, PatchSet
from ..kit.chain.ingress import ROUTES_IN
from ..kit.ingresses import IGNORE
from .objects import GROUP, TLS_CONTEXT, Declared, Reader

_ABOUT_REQUESTS = frozenset({"host", "host_regex", "hostname", "headers", "regex_headers", "docs", "labels"})


def address(request: ChainRequest) -> str:
    """The gateway as a Mapping names it."""
    gateway = request.gateway
    return f"{'https' if gateway.tls else 'http'}://{gateway.service}.{gateway.namespace}.svc.{CLUSTER_DOMAIN}:{gateway.port}"


def switch(reader: Reader, routes: list[Route], request: ChainRequest) -> PatchSet:
    """Lead Mappings to the gateway: one field of each, and one more for TLS."""
    patches: dict[tuple[str, str], FieldPatch] = {}
    bodies: list[Obj] = []
    context = request.option("tls_context")
    for item in reader.declared(frozenset(route.object for route in routes)):
        if item.origin != "object" or item.is_tcp:
            return PatchSet(refusal=f"{item.kind} {item.namespace}/{item.name} is no object of its own, or carries no HTTP")
        if item.spec.get("tls") and (not request.gateway.tls or item.spec["tls"] != context):
            return PatchSet(
                refusal=f"tls of {item.kind} {item.namespace}/{item.name} is {item.spec['tls']!r}, which is not for the gateway"
            )
        patches[(str(item.ref), "service")] = FieldPatch(item.owner, ("spec", "service"), address(request))
        if context and request.gateway.tls and item.spec.get("tls", ABSENT) is ABSENT:
            patches[(str(item.ref), "tls")] = FieldPatch(item.owner, ("spec", "tls"), str(context))
        bodies += _holders(item, {str(patch.path[-1]): patch.value for patch in patches.values() if patch.object is item.owner})
    return PatchSet(tuple(patches.values()), bodies=tuple(bodies))


def _holders(item: Declared, changed: Obj) -> list[Obj]:
    """Two Mappings like this one, with its upstream as it is and as it will be."""
    kept = {key: value for key, value in item.spec.items() if key not in _ABOUT_REQUESTS}
    upstreams: tuple[tuple[str, Obj], ...] = (("before", {}), ("after", changed))
    found: list[Obj] = []
    for word, more in upstreams:
        name = f"{item.name[:200]}-keeps-{word}"
        notes = {IGNORE: "true", ROUTES_IN: item.namespace}
        found.append({
            "apiVersion": f"{GROUP}/v3alpha1", "kind": "Mapping",
            "metadata": {"name": name, "namespace": item.namespace, "annotations": notes},
            "spec": {**kept, **more, "hostname": f"{word}.{item.name[:50].rstrip('-.')}.{item.namespace}.meshlb.invalid"},
        })
    return found


def front(request: ChainRequest) -> LoadBalancerSide:
    """A Mapping per host, beside the gateway."""
    context, identity = request.option("tls_context"), request.option("ambassador_id")
    bodies: list[Obj] = []
    for number, host in enumerate(request.hosts or ("*",)):
        spec: Obj = {"hostname": host, "prefix": "/", "rewrite": "", "service": address(request)}
        if request.gateway.tls and context:
            spec["tls"] = str(context)
        if identity:
            spec["ambassador_id"] = [str(identity)]
        name = f"{request.name}-{number}" if number else request.name
        metadata = {"name": name, "namespace": request.gateway.namespace}
        bodies.append({"apiVersion": f"{GROUP}/v3alpha1", "kind": "Mapping", "metadata": metadata, "spec": spec})
    return LoadBalancerSide(bodies=tuple(bodies))


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
