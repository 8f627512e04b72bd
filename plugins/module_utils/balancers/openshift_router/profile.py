# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenShift's router (openshift/router): HAProxy that an operator makes and puts back; it dials pod addresses.

Source: pkg/router/template/plugin.go (the Service's address is only used for idled Services), deploy/router.yaml (host's network);
images/router/haproxy/conf/haproxy-config.template (4b401a8): forwarded headers, re-encryption without a server name, checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...core.model import LoadBalancer, ObjectRef, Route, Scheme
from ...kube.objects import Obj, argument, dig, labels_of, namespace_of
from ...kube.selectors import vendor_selector
from ...kube.snapshot import Snapshot
from ..contract.facts import About, Facts
from ..contract.instances import InstanceReader, Neighbours
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Signs
from ..contract.routes import RouteReader, RouteReading
from ..kit.classes import ingress_classes
from ..kit.limited import limited_ingresses
from ..kit.objects import BackendHandling, ServedObject, object_reader
from ..kit.recognition import workload_labels
from ..kit.scope import Scope, selected_scope
from ..kit.settings import settings_of, variable
from .chain import CHAIN, ROUTE

OWNED = "ingresscontroller.operator.openshift.io/owning-ingresscontroller"
WHY_NOT = "the router always sends to pod addresses (the Service's only while it is idled)"
FACTS = Facts(
    routes=("Route", "Ingress (turned into Routes)"), host="httpHeaders of a Route, of no use without Service routing",
    remark="its operator puts its pods back, so chained mode; a router of one's own can have a sidecar", versions="4.18",
)
SIGNS = Signs(
    commands=("openshift-router",), images=("haproxy-router", "origin-haproxy-router"),
    variables=(frozenset({"ROUTER_SERVICE_NAME", "ROUTER_SERVICE_NAMESPACE"}), frozenset({"ROUTER_SERVICE_HTTP_PORT"})),
)
CLASSES = ("openshift.io/ingress-to-route",)
INGRESSES = limited_ingresses(WHY_NOT)


@dataclass(frozen=True)
class Settings:
    """A router's share of the Routes: those of the namespaces of ``scope`` and ``projects`` whose labels ``routes`` selects."""

    scope: Scope = Scope()
    projects: Scope = Scope()
    routes: str = ""


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """The options that divide Routes among routers, as arguments or variables (pkg/cmd/infra/router/router.go)."""

    def told(flag: str, name: str) -> str:
        found = argument(container, flag)
        return variable(container, name) if found is None else found

    return Settings(
        selected_scope(near.namespaces, told("namespace", "ROUTER_NAMESPACE"), told("namespace-labels", "NAMESPACE_LABELS")),
        selected_scope(near.namespaces, None, told("project-labels", "PROJECT_LABELS")), told("labels", "ROUTE_LABELS"),
    )


def serves(load_balancer: LoadBalancer, route: Obj) -> bool:
    """Whether a Route is in this router's share."""
    settings, namespace = settings_of(load_balancer, Settings), namespace_of(route)
    covered = settings.scope.covers(namespace) and settings.projects.covers(namespace)
    return covered and vendor_selector(settings.routes).matches(labels_of(route))


def blockers(workload: Obj) -> tuple[str, ...]:
    """Its operator's routers can have no sidecar."""
    if OWNED in workload_labels(workload) or namespace_of(workload) == "openshift-ingress":
        return ("OpenShift's ingress operator puts its pods back and has no setting for their labels: use chained mode",)
    return ()


def read_ingress_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Ingresses become Routes that their Ingress owns; those are what is read where Routes are known."""
    return RouteReading() if snapshot.count(ROUTE) else INGRESSES.read(snapshot, load_balancer, only)


def routes(item: ServedObject) -> Iterator[Route]:
    """Routes to the Services of a Route."""
    obj, namespace = item.obj, namespace_of(item.obj)
    targets = [dig(obj, "spec", "to", default={}), *dig(obj, "spec", "alternateBackends", default=[])]
    scheme: Scheme = "tls" if dig(obj, "spec", "tls", "termination") in ("passthrough", "reencrypt") else "http"
    for place, target in enumerate(target for target in targets if target.get("kind", "Service") == "Service"):
        service = str(target.get("name", ""))
        handling = BackendHandling(
            host=_host(obj), features=("canary", "weights") if len(targets) > 1 else (), scheme=scheme, why_not_settable=WHY_NOT,
        )
        yield item.route(
            (namespace, service, _port(obj, item.service(namespace, service))), handling, host=str(dig(obj, "spec", "host", default="")),
            path=str(dig(obj, "spec", "path", default="/")), canary=place > 0,
        )


def _host(obj: Obj) -> str:
    for item in dig(obj, "spec", "httpHeaders", "actions", "request", default=[]):
        if str(item.get("name", "")).lower() == "host":
            return str(dig(item, "action", "set", "value", default=""))
    return ""


def _port(obj: Obj, service: Obj) -> int | str:
    """The Service's port that a Route means: by its target port (number or name), else the first one."""
    target = dig(obj, "spec", "port", "targetPort", default="")
    ports = dig(service, "spec", "ports", default=[])
    for port in ports:
        if target and target in (port.get("name"), port.get("targetPort", port.get("port"))):
            return int(port.get("port", 0))
    return target or (int(ports[0].get("port", 0)) if ports else 0)


PROFILE = Profile(
    About("openshift_router", "OpenShift router", ("openshift_route",), facts=FACTS), Recogniser(SIGNS, CLASSES),
    InstanceReader(read_settings, classes=ingress_classes(CLASSES), blockers=blockers, shares_classes=True),
    (RouteReader(read_ingress_routes), object_reader(ROUTE, routes, serves)), chain=CHAIN,
)
