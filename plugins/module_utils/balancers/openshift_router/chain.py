# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of OpenShift that are led to a gateway: a host is the oldest Route's, so the Route stays and names another Service.

Source: openshift/router 4b401a8, pkg/router/controller/factory (EndpointSlices are watched, whoever made them) and
pkg/router/template/plugin.go (a Route's targetPort is looked up by name or number among the ports of the endpoints).
"""

from __future__ import annotations

from ...kube.objects import Obj, dig, namespace_of, ref_of, value_at
from ..contract.chain import ChainRequest
from ..contract.switches import FieldPatch, PatchSet
from ..kit.chain.ingress import PORT_NAME, alias_bodies, alias_name

FORWARDED = "haproxy.router.openshift.io/set-forwarded-headers"


def switch(route: Obj, request: ChainRequest) -> PatchSet:
    """The fields of one Route, and what stands for the gateway in its namespace."""
    termination = str(dig(route, "spec", "tls", "termination", default="none"))
    refusal = _refusal(route, request, termination)
    if refusal:
        return PatchSet(refusal=f"{ref_of(route)} {refusal}")
    wanted: list[tuple[tuple[str, ...], object]] = [
        (("spec", "to", "name"), alias_name(request.gateway)), (("spec", "port"), {"targetPort": PORT_NAME}),
        # What a client wrote into X-Forwarded-For is not handed on.
        (("metadata", "annotations", FORWARDED), "replace"),
    ]
    if request.gateway.tls:
        wanted.append((("spec", "tls", "termination"), "reencrypt"))
        if request.option("destination_ca"):
            wanted.append((("spec", "tls", "destinationCACertificate"), str(request.option("destination_ca"))))
    if request.https_redirect:
        wanted.append((("spec", "tls", "insecureEdgeTerminationPolicy"), "Redirect"))
    patches = tuple(FieldPatch(route, path, value) for path, value in wanted if value_at(route, path) != value)
    return PatchSet(patches, bodies=alias_bodies(namespace_of(route), request, "never"))


def _refusal(route: Obj, request: ChainRequest, termination: str) -> str:
    makers = [item for item in dig(route, "metadata", "ownerReferences", default=[]) if item.get("kind") == "Ingress"]
    if makers:
        return f"is made from Ingress {makers[0].get('name')}, whose controller would put it back"
    if dig(route, "spec", "alternateBackends", default=[]):
        return "shares its requests among several Services"
    if termination == "passthrough":
        return "passes clients' TLS through, which only a new Route can (name the host in hosts with its paths)"
    if termination == "reencrypt" and not request.gateway.tls:
        return "speaks TLS to its Service, and the gateway's port takes none: set gateway.tls"
    if termination == "none" and (request.gateway.tls or request.https_redirect):
        return "has no TLS, which re-encryption and a redirect to HTTPS need"
    return ""
