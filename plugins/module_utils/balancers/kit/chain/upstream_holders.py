# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upstream holders: objects for requests that nobody makes, which name the old and the new upstream of a route as long as it is chained.

Some load balancers take an upstream away before the routes that use it, or get a new one's endpoints after its first route; a request
in between is answered 503. With a holder no upstream comes or goes at the moment of the switch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ....core.marks import IGNORE
from ....core.model import Route, replace
from ....kube.default_class import CLASS_ANNOTATION
from ....kube.objects import Obj, annotations_of, dig, name_of, namespace_of
from ...contract.chain import ChainRequest
from ...contract.switches import PatchSet
from ..ingresses import entries
from .ingress import ROUTES_IN, alias_name


def holder(like: Obj, request: ChainRequest, spec: Obj, notes: tuple[str, ...] = (CLASS_ANNOTATION,)) -> Obj:
    """An object of the same kind, namespace and class, and with the same annotations of these names."""
    own = {key: value for key, value in annotations_of(like).items() if key in notes}
    class_name = dig(like, "spec", "ingressClassName")
    if class_name:
        # The API server takes no new Ingress with both.
        own.pop(CLASS_ANNOTATION, None)
        spec = {"ingressClassName": class_name, **spec}
    return {
        "apiVersion": like["apiVersion"], "kind": like["kind"],
        "metadata": {
            "name": f"{alias_name(request.gateway)}-keeps-{name_of(like)}"[:253].rstrip("-."), "namespace": namespace_of(like),
            "annotations": {IGNORE: "true", ROUTES_IN: namespace_of(like), **own},
        },
        "spec": spec,
    }


def holder_host(like: Obj, request: ChainRequest) -> str:
    """A host that nobody asks for, and no other object has."""
    digest = hashlib.sha256(f"{like['kind']}/{namespace_of(like)}/{name_of(like)}".encode()).hexdigest()[:16]
    return f"{digest}.{alias_name(request.gateway)}.invalid"


def with_ingress_holder(
    found: PatchSet, ingress: Obj, routes: list[Route], request: ChainRequest, notes: tuple[str, ...] = (CLASS_ANNOTATION,)
) -> PatchSet:
    """The switch of an Ingress, and its holder."""
    if found.refusal or not routes:
        return found
    services: list[Obj] = [{"name": alias_name(request.gateway), "port": {"number": request.gateway.port}}]
    for entry in entries(ingress):
        if any(route.backend.service == entry.service for route in routes):
            key = "number" if isinstance(entry.reference, int) else "name"
            services.append({"name": entry.service, "port": {key: entry.reference}})
    unique = [item for number, item in enumerate(services) if item not in services[:number]]
    host = holder_host(ingress, request)
    # A rule each: Contour behind a Gateway without a listener for TLS takes the first path of a rule alone.
    rules = [
        {"host": host, "http": {"paths": [{"path": f"/{number}", "pathType": "Exact", "backend": {"service": item}}]}}
        for number, item in enumerate(unique)
    ]
    return replace(found, bodies=(*found.bodies, holder(ingress, request, {"rules": rules}, notes)))


def http_route_spec(route: Obj, request: ChainRequest, kept: Iterable[tuple[str, list[Obj]]]) -> Obj:
    """An HTTPRoute for the same hosts, as a listener may be for these alone, and for a header that nobody sends.

    ``kept``: per rule the end of its path, and the upstreams that it names.
    """
    header = {"name": "meshlb-istio-keeps", "value": alias_name(request.gateway)}
    host, hosts = holder_host(route, request), dig(route, "spec", "hostnames")
    rules = [
        {"matches": [{"path": {"type": "Exact", "value": f"/{host}{end}"}, "headers": [header]}], "backendRefs": upstreams}
        for end, upstreams in kept
    ]  # fmt: skip
    return {"parentRefs": dig(route, "spec", "parentRefs", default=[]), **({"hostnames": hosts} if hosts else {}), "rules": rules}
