# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's two readers of Ingresses: its own, steered by annotations of Services, and the one that replaces ingress-nginx.

Source: traefik/traefik pkg/provider/kubernetes/ingress/kubernetes.go and ingress-nginx/{build,kubernetes}.go. Neither shares
an upstream between Ingresses in a way that could contradict itself: the first takes its settings from the Service, the second
makes an upstream per Ingress.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReading
from ..kit.annotations import go_bool
from ..kit.conflicts import by_age
from ..kit.declared import DeclaredRoute, ServiceReference
from ..kit.ingresses import IngressEntry, entries, resource_backends
from ..kit.objects import declared_reading, objects_of, served_object, within_guard
from ..kit.own_requests import OwnRequests
from ..kit.patches import is_older
from ..kit.settings import settings_of
from .backends import NamedObjects, Reached, declared, host_and_path, named_objects
from .settings import Settings

PREFIX, NGINX_PREFIX = "traefik.ingress.kubernetes.io/", "nginx.ingress.kubernetes.io/"
NATIVE, PASSES_HOST = f"{PREFIX}service.nativelb", f"{PREFIX}service.passhostheader"
_SNIPPETS = ("server-snippet", "configuration-snippet", "auth-snippet")
_STRICT_PATH = re.compile(r"/[A-Za-z0-9._/-]*")
_TLS_PROTOCOLS = frozenset({"HTTPS", "GRPCS"})
_CLIENTS_HOST = frozenset({"$host", "$http_host", "$best_http_host", "$server_name"})

Beside = Callable[[str, str, str], list[Obj]]
"""The Ingresses that it serves in ingress-nginx's place in a namespace, at a host and path."""


def read_ingress_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of all Ingresses that this instance serves, by one of its readers."""
    settings, version, named = settings_of(load_balancer, Settings), load_balancer.version, named_objects(snapshot)

    def beside(namespace: str, host: str, path: str) -> list[Obj]:
        return [item for item in snapshot.lookup(kinds.INGRESS, _places, (namespace, host, path)) if settings.replaces_nginx(item)]

    own = OwnRequests(snapshot, load_balancer)

    def read(ingress: Obj) -> Iterator[DeclaredRoute | Finding]:
        if settings.ingress.serves(ingress):
            reached = _own_routes(settings, named, ingress)
        elif settings.nginx.serves(ingress):
            place = NginxIngress(ingress, has_canaries(version), beside)
            refused = _why_refused(settings, place)
            if refused:
                yield finding("MLB220", f"{refused}, so nothing of it is served", ref_of(ingress))
                return
            reached = _nginx_routes(place)
            yield from (*_left_out(place), *_asked_in_place_of_nginx(own, settings, named, ingress))
        else:
            return
        if resource_backends(ingress):
            yield finding("MLB208", f"{resource_backends(ingress)} backend(s) are resources, not Services", ref_of(ingress))
        for item in reached:
            yield from declared(version, ingress, item, named.service(item.backend.namespace, item.backend.service))

    return declared_reading(partial(served_object, snapshot, load_balancer), (
        (ingress, part) for ingress in objects_of(snapshot, kinds.INGRESS, only) for part in within_guard(ingress, partial(read, ingress))
    ))


def _places(ingress: Obj) -> Iterator[tuple[str, str, str]]:
    """Index of Ingresses by namespace, host and path."""
    yield from ((namespace_of(ingress), entry.host, entry.path) for entry in entries(ingress))


def _own_routes(settings: Settings, named: NamedObjects, ingress: Obj) -> Iterator[Reached]:
    given = lowered(annotations_of(ingress), f"{PREFIX}router.")
    for entry in entries(ingress):
        # A default backend beside rules is passed over.
        if entry.default and dig(ingress, "spec", "rules"):
            continue
        reference = ServiceReference(namespace_of(ingress), entry.service, entry.reference)
        service = named.service(reference.namespace, reference.service)
        noted = lowered(annotations_of(service), f"{PREFIX}service.")
        middlewares = f"{given.get('middlewares', '')},{noted.get('middlewares', '')}".split(",")
        sent_host, changes_path = host_and_path(named.provided_middlewares(middlewares))
        path_type, is_regexp = _path_type(entry.path_type, given.get("pathmatcher", ""), strict=settings.strict_prefixes)
        yield Reached(
            # The annotations are the Service's, so they hold for all of its ports and all Ingresses.
            reference, f"service-{reference.namespace}-{reference.service}", entry.host, entry.path, path_type,
            native=go_bool(noted.get("nativelb"), default=settings.ingress.native),
            nodes=go_bool(noted.get("nodeportlb")) and dig(service, "spec", "type") == "NodePort",
            passes_host=go_bool(noted.get("passhostheader"), default=True),
            scheme=noted.get("serversscheme", ""), sent_host=sent_host,
            features=("affinity",) if any(key.startswith("sticky") for key in noted) else (),
            rewrites_path=changes_path or is_regexp,
        )


def lowered(annotations: dict[str, str], prefix: str) -> dict[str, str]:
    """Annotations below a prefix by the rest of their key, which Traefik reads without regard to case."""
    return {key[len(prefix) :].lower(): value for key, value in annotations.items() if key[: len(prefix)].lower() == prefix}


def _path_type(written: str, matcher: str, *, strict: bool) -> tuple[str, bool]:
    """The path type as Traefik takes it (its prefixes go by letters), and whether the path is a regular expression."""
    if written == "ImplementationSpecific" and matcher in ("Path", "PathRegexp"):
        return ("Exact", False) if matcher == "Path" else ("ImplementationSpecific", True)
    return (written if written == "Exact" or (strict and written == "Prefix") else "ImplementationSpecific"), False


# In ingress-nginx's place ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NginxIngress:
    """An Ingress that is served in ingress-nginx's place. ``canaries``: this version knows them."""

    ingress: Obj
    canaries: bool
    beside: Beside

    def is_canary(self, ingress: Obj) -> bool:
        return self.canaries and go_bool(_noted(ingress, "canary"))

    def main(self, host: str, path: str) -> Obj | None:
        """The Ingress whose settings hold at a host and path."""
        if not self.is_canary(self.ingress):
            return self.ingress
        return self._main(self.ingress, host, path)

    def _main(self, canary: Obj, host: str, path: str) -> Obj | None:
        """The Ingress of the same namespace, host, path and path type that a canary takes a share of; one canary has that, the oldest."""
        own = next((entry for entry in entries(canary) if (entry.host, entry.path) == (host, path)), None)
        around = self.beside(namespace_of(self.ingress), host, path)
        same = [(item, entry) for item in around for entry in entries(item) if own and _at(entry) == _at(own)]
        main = next(((item, entry) for item, entry in same if not self.is_canary(item)), None)
        first = next(iter(by_age(item for item, dummy in same if self.is_canary(item))), canary)
        if main is None or own is None or name_of(first) != name_of(canary):
            return None
        return None if (main[1].service, main[1].reference) == (own.service, own.reference) else main[0]

    def is_shared(self, host: str, path: str) -> bool:
        """Whether a canary takes a share of a path."""
        if self.is_canary(self.ingress):
            return True
        canaries = filter(self.is_canary, self.beside(namespace_of(self.ingress), host, path))
        return any(self._main(item, host, path) is self.ingress for item in canaries)


def _at(entry: IngressEntry) -> tuple[str, str, str]:
    return (entry.host, entry.path, entry.path_type)


def _why_refused(settings: Settings, item: NginxIngress) -> str:
    """Why an Ingress is left out as a whole, as a clause (since 3.7); empty where it is not."""
    if not item.canaries:
        return ""
    snippet = next((key for key in _SNIPPETS if _noted(item.ingress, key)), "")
    if snippet and not settings.snippets:
        return f"it has the annotation {snippet}, and allowSnippetAnnotations is not set"
    loose = next((
        entry.path for entry in entries(item.ingress)
        if entry.path_type in ("Prefix", "Exact") and not entry.default and not _STRICT_PATH.fullmatch(entry.path)
    ), "")
    if loose and settings.strict_paths:
        return f"path {loose} of type Prefix or Exact has letters of a regular expression, which strictValidatePathType refuses"
    return ""


def _left_out(item: NginxIngress) -> Iterator[Finding]:
    """The paths of a canary that no main Ingress has."""
    for entry in entries(item.ingress) if item.is_canary(item.ingress) else ():
        if item.main(entry.host, entry.path) is None:
            message = (
                f"{entry.host}{entry.path}: a canary needs an Ingress of its namespace with the same host, path and path type and another "
                "Service, and to be that one's only canary"
            )
            yield finding("MLB220", message, ref_of(item.ingress))


def _asked_in_place_of_nginx(
    own: OwnRequests, settings: Settings, named: NamedObjects, ingress: Obj
) -> Iterator[DeclaredRoute | Finding]:
    """What is asked besides an Ingress's own backends: an authoriser, and pages for errors."""
    yield from own.to_url(ingress, "auth-url", _noted(ingress, "auth-url"), home=own.load_balancer.namespace)
    page = _noted(ingress, "default-backend")
    namespace, dummy, name = f"{namespace_of(ingress)}/{page}".partition("/") if page else settings.default_backend.partition("/")
    ports = dig(named.service(namespace, name), "spec", "ports", default=[])
    if ports and (page or _noted(ingress, "custom-http-errors") or settings.error_codes):
        yield own.to_service("the page for errors", ServiceReference(namespace, name, int(ports[0].get("port", 0))))


def has_canaries(version: str) -> bool:
    """Canaries and upstream-vhost came with 3.7; before, a canary's annotation means nothing."""
    return not is_older(version, 3, 7)


def _noted(ingress: Obj, key: str) -> str:
    return annotations_of(ingress).get(f"{NGINX_PREFIX}{key}", "")


def _nginx_routes(item: NginxIngress) -> Iterator[Reached]:
    ingress = item.ingress
    passed = go_bool(_noted(ingress, "ssl-passthrough"))
    for entry in entries(ingress):
        # A default backend beside rules holds per host.
        hosts = _rest_of_hosts(ingress) if entry.default and dig(ingress, "spec", "rules") else [entry.host]
        for host in hosts if entry.path == "/" or not passed else ():
            main = item.main(host, entry.path)
            if main is not None:
                yield _nginx_route(item, main, entry, host, passed=passed)


def _rest_of_hosts(ingress: Obj) -> list[str]:
    """Hosts of the rules that leave something to a default backend."""
    whole = {entry.host for entry in entries(ingress) if not entry.default and entry.path == "/"}
    hosts = dict.fromkeys(str(rule.get("host", "")) for rule in dig(ingress, "spec", "rules", default=[]))
    return [host for host in hosts if host not in whole]


def _nginx_route(item: NginxIngress, main: Obj, entry: IngressEntry, host: str, *, passed: bool) -> Reached:
    ingress, namespace, shared = item.ingress, namespace_of(item.ingress), item.is_shared(host, entry.path)
    service = entry.service
    if main is not ingress:
        service = next(other.service for other in entries(main) if (other.host, other.path) == (host, entry.path))
    vhost = _noted(main, "upstream-vhost") if item.canaries else ""
    for name, value in (("service_name", service), ("namespace", namespace)):
        vhost = vhost.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return Reached(
        ServiceReference(namespace, entry.service, entry.reference),
        f"canary-{namespace}-{host}-{entry.path}" if shared else f"nginx-{namespace}-{name_of(ingress)}",
        host, entry.path, entry.path_type, native=go_bool(_noted(main, "service-upstream")),
        scheme="https" if _noted(main, "backend-protocol").upper() in _TLS_PROTOCOLS else "http", raw="tls" if passed else None,
        features=(*(("affinity",) if _noted(main, "affinity") else ()), *(("canary",) if shared else ())),
        sent_host="" if vhost in _CLIENTS_HOST else vhost, canary=item.is_canary(ingress),
        rewrites_path=any(_noted(ingress, key) for key in ("rewrite-target", "app-root", "use-regex")),
    )
