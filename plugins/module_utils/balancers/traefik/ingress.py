# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's two readers of Ingresses: its own, steered by annotations of Services, and the one that stands in for ingress-nginx.

Source: traefik/traefik pkg/provider/kubernetes/ingress/kubernetes.go and ingress-nginx/{build,kubernetes}.go. Neither shares
an upstream between Ingresses in a way that could contradict itself: the first takes its settings from the Service, the second
makes an upstream per Ingress.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...core.model import LoadBalancer, ObjectRef, Route
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of
from ...kube.selectors import vendor_selector
from ...kube.snapshot import Snapshot
from ..kit.ingresses import CLASS_ANNOTATION, Entry, class_of, entries, resource_backends
from ..kit.patches import PatchBuilder, is_older, mesh_name
from .backends import Reached, Routers, Taken, host_and_path, named_middlewares
from .static import INGRESS, NGINX, is_on, is_true

CONTROLLER, NGINX_CONTROLLER = "traefik.io/ingress-controller", "k8s.io/ingress-nginx"
PREFIX, NGINX_PREFIX = "traefik.ingress.kubernetes.io/", "nginx.ingress.kubernetes.io/"
NATIVE, PASSES_HOST = f"{PREFIX}service.nativelb", f"{PREFIX}service.passhostheader"
_TLS_PROTOCOLS = frozenset({"HTTPS", "GRPCS"})
_CLIENTS_HOST = frozenset({"$host", "$http_host", "$best_http_host", "$server_name"})


def option(load_balancer: LoadBalancer, provider: str, name: str, default: str = "") -> str:
    return str(load_balancer.setting(f"{provider}.{name}", default))


def own_classes(snapshot: Snapshot, load_balancer: LoadBalancer) -> set[str]:
    """IngressClasses of its own reader: all with its controller, or the one of them that it is told to serve."""
    if is_true(option(load_balancer, INGRESS, "disableingressclasslookup")) or is_true(
        option(load_balancer, INGRESS, "disableclusterscoperesources")
    ):
        return set()
    only = option(load_balancer, INGRESS, "ingressclass")
    found = {name_of(item) for item in snapshot.all(kinds.INGRESS_CLASS) if dig(item, "spec", "controller") == CONTROLLER}
    return {name for name in found if not only or name == only}


def nginx_classes(snapshot: Snapshot, load_balancer: LoadBalancer) -> set[str]:
    """IngressClasses that it serves in ingress-nginx's place."""
    wanted = option(load_balancer, NGINX, "controllerclass", NGINX_CONTROLLER)
    name = option(load_balancer, NGINX, "ingressclass", "nginx")
    by_name = is_true(option(load_balancer, NGINX, "ingressclassbyname"))
    return {
        name_of(item) for item in snapshot.all(kinds.INGRESS_CLASS)
        if dig(item, "spec", "controller") == wanted or (by_name and name_of(item) == name)
    }


def is_own(snapshot: Snapshot, load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """Whether its own reader serves an Ingress: by class name, else by annotation, which may be absent when it has no class."""
    if not is_on(dict(load_balancer.settings), INGRESS):
        return False
    watched = [item for item in option(load_balancer, INGRESS, "namespaces").split(",") if item]
    if watched and namespace_of(ingress) not in watched:
        return False
    if not vendor_selector(option(load_balancer, INGRESS, "labelselector")).matches(labels_of(ingress)):
        return False
    name, annotation = class_of(ingress)
    if name:
        return name in own_classes(snapshot, load_balancer)
    wanted = option(load_balancer, INGRESS, "ingressclass")
    return annotation == wanted or (not wanted and annotation == "traefik")


def is_nginx(snapshot: Snapshot, load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """Whether it serves an Ingress in ingress-nginx's place."""
    if not is_on(dict(load_balancer.settings), NGINX) or is_own(snapshot, load_balancer, ingress):
        return False
    watched = option(load_balancer, NGINX, "watchnamespace")
    if watched and namespace_of(ingress) != watched:
        return False
    own = labels_of(snapshot.get(kinds.NAMESPACE, "", namespace_of(ingress)) or {})
    labels = {"kubernetes.io/metadata.name": namespace_of(ingress), **own}
    if not vendor_selector(option(load_balancer, NGINX, "watchnamespaceselector")).matches(labels):
        return False
    classes, name = nginx_classes(snapshot, load_balancer), class_of(ingress)[0]
    if classes and name:
        return name in classes
    if CLASS_ANNOTATION in annotations_of(ingress):
        return annotations_of(ingress)[CLASS_ANNOTATION] == option(load_balancer, NGINX, "ingressclass", "nginx")
    return is_true(option(load_balancer, NGINX, "watchingresswithoutclass"))


def read_ingresses(routers: Routers, only: frozenset[ObjectRef] | None) -> None:
    """Add the routes of all Ingresses that this instance serves."""
    snapshot, load_balancer = routers.snapshot, routers.load_balancer
    for ingress in _asked(snapshot, only):
        own = is_own(snapshot, load_balancer, ingress)
        if not own and not is_nginx(snapshot, load_balancer, ingress):
            continue
        if resource_backends(ingress):
            routers.remark("MLB208", ingress, f"{resource_backends(ingress)} backend(s) are resources, not Services")
        for entry in entries(ingress):
            # A default backend beside rules is passed over by its own reader, and holds per host in the other one.
            beside_rules = entry.default and bool(dig(ingress, "spec", "rules"))
            if own and not beside_rules:
                routers.add(*_own_route(routers, ingress, entry))
            elif not own:
                for host in _rest_of_hosts(ingress) if beside_rules else [entry.host]:
                    _add_nginx_route(routers, ingress, entry, host)


def _asked(snapshot: Snapshot, only: frozenset[ObjectRef] | None) -> list[Obj]:
    if only is None:
        return snapshot.all(kinds.INGRESS)
    found = (snapshot.get(kinds.INGRESS, ref.namespace, ref.name) for ref in sorted(only) if ref.kind == "Ingress")
    return [item for item in found if item is not None]


def _rest_of_hosts(ingress: Obj) -> list[str]:
    """Hosts of the rules that leave something to a default backend."""
    taken = {entry.host for entry in entries(ingress) if not entry.default and entry.path == "/"}
    hosts = dict.fromkeys(str(rule.get("host", "")) for rule in dig(ingress, "spec", "rules", default=[]))
    return [host for host in hosts if host not in taken]


def _own_route(routers: Routers, ingress: Obj, entry: Entry) -> tuple[Taken, Reached]:
    namespace = namespace_of(ingress)
    service = routers.snapshot.get(kinds.SERVICE, namespace, entry.service) or {}
    told = lowered(annotations_of(service), f"{PREFIX}service.")
    given = lowered(annotations_of(ingress), f"{PREFIX}router.")
    names = f"{given.get('middlewares', '')},{told.get('middlewares', '')}".split(",")
    host, changes_path = host_and_path(named_middlewares(routers.snapshot, names))
    path_type, is_regexp = _path_type(routers.load_balancer, entry.path_type, given.get("pathmatcher", ""))
    native = told.get("nativelb")
    default = is_true(option(routers.load_balancer, INGRESS, "nativelbbydefault"))
    reached = Reached(
        namespace, entry.service, entry.reference,
        # The annotations are the Service's, so they hold for all of its ports and all Ingresses.
        group=f"service-{namespace}-{entry.service}",
        native=default if native is None else is_true(native),
        nodes=is_true(told.get("nodeportlb")) and dig(service, "spec", "type") == "NodePort",
        passes_host=is_true(told.get("passhostheader", "true")),
        scheme=told.get("serversscheme", ""),
        host=host,
        features=("affinity",) if any(key.startswith("sticky") for key in told) else (),
        rewrites_path=changes_path or is_regexp,
    )
    return Taken(ingress, entry.host, entry.path, path_type), reached


def lowered(annotations: dict[str, str], prefix: str) -> dict[str, str]:
    """Annotations below a prefix by the rest of their key, which Traefik reads without regard to case."""
    return {
        key[len(prefix) :].lower(): value for key, value in annotations.items() if key[: len(prefix)].lower() == prefix
    }


def _path_type(load_balancer: LoadBalancer, written: str, matcher: str) -> tuple[str, bool]:
    """The path type as Traefik takes it (its prefixes go by letters), and whether the path is a regular expression."""
    if written == "ImplementationSpecific" and matcher in ("Path", "PathRegexp"):
        return ("Exact", False) if matcher == "Path" else ("ImplementationSpecific", True)
    strict = is_true(option(load_balancer, INGRESS, "strictprefixmatching"))
    return (written if written == "Exact" or (strict and written == "Prefix") else "ImplementationSpecific"), False


# In ingress-nginx's place ------------------------------------------------------------------------------------------------


def noted(ingress: Obj, key: str) -> str:
    return annotations_of(ingress).get(f"{NGINX_PREFIX}{key}", "")


def has_canaries(load_balancer: LoadBalancer) -> bool:
    """Canaries and upstream-vhost came with 3.7; before, a canary's annotation means nothing."""
    return not is_older(load_balancer.version, 3, 7)


def _add_nginx_route(routers: Routers, ingress: Obj, entry: Entry, host: str) -> None:
    canaries = has_canaries(routers.load_balancer)
    canary = canaries and is_true(noted(ingress, "canary"))
    main, service = _main(routers, ingress, host, entry.path) if canary else (ingress, entry.service)
    if main is None:
        return
    namespace = namespace_of(ingress)
    shared = canary or (canaries and any(is_true(noted(item, "canary")) for item in _at(routers, ingress, host, entry.path)))
    passed = is_true(noted(ingress, "ssl-passthrough"))
    if passed and entry.path != "/":
        return
    vhost = noted(main, "upstream-vhost") if canaries else ""
    for name, value in (("service_name", service), ("namespace", namespace)):
        vhost = vhost.replace(f"${{{name}}}", value).replace(f"${name}", value)
    reached = Reached(
        namespace, entry.service, entry.reference,
        group=f"canary-{namespace}-{host}-{entry.path}" if shared else f"nginx-{namespace}-{name_of(ingress)}",
        native=is_true(noted(main, "service-upstream")),
        scheme="https" if noted(main, "backend-protocol").upper() in _TLS_PROTOCOLS else "http",
        raw="tls" if passed else None,
        host="" if vhost in _CLIENTS_HOST else vhost,
        features=(*(("affinity",) if noted(main, "affinity") else ()), *(("canary",) if shared else ())),
        canary=canary,
        rewrites_path=any(noted(ingress, key) for key in ("rewrite-target", "app-root", "use-regex")),
    )
    routers.add(Taken(ingress, host, entry.path, entry.path_type), reached)


def places(ingress: Obj) -> Iterator[tuple[str, str, str]]:
    """Index of Ingresses by namespace, host and path."""
    yield from ((namespace_of(ingress), entry.host, entry.path) for entry in entries(ingress))


def _at(routers: Routers, ingress: Obj, host: str, path: str) -> list[Obj]:
    found = routers.snapshot.lookup(kinds.INGRESS, places, (namespace_of(ingress), host, path))
    return [item for item in found if is_nginx(routers.snapshot, routers.load_balancer, item)]


def _main(routers: Routers, ingress: Obj, host: str, path: str) -> tuple[Obj | None, str]:
    """The Ingress whose settings hold for a canary, and the Service that it names there."""
    for item in _at(routers, ingress, host, path):
        if not is_true(noted(item, "canary")):
            return item, next(entry.service for entry in entries(item) if (entry.host, entry.path) == (host, path))
    return None, ""


# Switches ----------------------------------------------------------------------------------------------------------------


def same_bool(present: str, wanted: str) -> bool:
    """Whether an annotation says ``true`` or ``false`` in one of the spellings that Go reads."""
    return present == wanted or (is_true(present) if wanted == "true" else present in ("0", "f", "F", "FALSE", "False"))


def annotate_service(patches: PatchBuilder, snapshot: Snapshot, route: Route, key: str, value: str) -> None:
    """Set an annotation of the Service behind a route; the same key in other letters counts."""
    service = snapshot.get(kinds.SERVICE, route.backend.namespace, route.backend.service)
    if service is None:
        return
    written = next((item for item in annotations_of(service) if item.lower() == key), key)
    patches.annotate(service, written, value, same_bool)


def set_nginx_host(patches: PatchBuilder, load_balancer: LoadBalancer, routes: Iterable[tuple[Route, Obj]]) -> None:
    """upstream-vhost on the Ingresses that decide."""
    if not has_canaries(load_balancer):
        patches.refuse(f"Traefik {load_balancer.version} does not know upstream-vhost; 3.7 does")
        return
    main = [(route, ingress) for route, ingress in routes if not route.canary]
    services: dict[ObjectRef, set[str]] = {}
    for route, _ingress in main:
        services.setdefault(route.object, set()).add(route.backend.service)
    for route, ingress in main:
        several = len(services[route.object]) > 1
        value = "$service_name.$namespace.svc.cluster.local" if several else mesh_name(route.backend.namespace, route.backend.service)
        patches.annotate(ingress, f"{NGINX_PREFIX}upstream-vhost", value)
