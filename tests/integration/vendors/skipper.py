# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Skipper: Ingresses and RouteGroups."""

from __future__ import annotations

from tests.integration.support import apps
from tests.integration.support.cluster import Obj
from tests.integration.support.ways import NAMESPACE, Place, Vendor, Way

#: The filter that sends the backend's address as Host.
OWN_HOST = 'preserveHost("false")'


def ingress(place: Place) -> Obj:
    """An Ingress; there is no IngressClass of that name, and there need not be one."""
    return apps.ingress(NAMESPACE, place.name, place.host, (place.service, place.number), ingress_class="skipper")


def filtered(place: Place) -> Obj:
    """An Ingress with a filter."""
    made = ingress(place)
    made["metadata"]["annotations"]["zalando.org/skipper-filter"] = OWN_HOST
    return made


def group(place: Place, *filters: str) -> Obj:
    """A RouteGroup."""
    backend = {"name": "app", "type": "service", "serviceName": place.service, "servicePort": place.number}
    route = {"pathSubtree": place.path, **({"filters": list(filters)} if filters else {})}
    return {
        "apiVersion": "zalando.org/v1", "kind": "RouteGroup", "metadata": {"name": place.name, "namespace": NAMESPACE},
        "spec": {"hosts": [place.host], "backends": [backend], "defaultBackends": [{"backendName": "app"}], "routes": [route]},
    }  # fmt: skip


VENDOR = Vendor(
    id="skipper",
    namespace="skipper",
    name="skipper-ingress",
    service="skipper-ingress",
    ways=(
        Way("ingress", ingress),
        Way("filtered", filtered, ("http-80", "http-8000", "auto", "equal-ports")),
        Way("routegroup", group),
        Way("groupfilter", lambda place: group(place, OWN_HOST), ("http-80", "auto", "equal-ports")),
    ),
    kinds=("routegroups.zalando.org",),
)
