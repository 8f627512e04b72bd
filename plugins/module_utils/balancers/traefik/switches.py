# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Traefik can be told about its routes: to use a Service's address, and to send it as Host."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.model import LoadBalancer, ObjectRef, Route
from ...core.writes import Field, Write, alike, annotation, none_before
from ...kube import kinds
from ...kube.objects import annotations_of, dig, value_at
from ...kube.services import full_name
from ...kube.snapshot import Snapshot
from ..contract.switches import PatchSet, Switches
from ..kit.annotations import same_bool
from ..kit.gateway.hosts import REWRITES, host_rewrites
from ..kit.patches import PatchBuilder, PatchTarget, joined_patches, targets_of
from ..kit.settings import settings_of
from .backends import POD_ADDRESS, NamedObjects, address_of, named_objects
from .crd import GROUP, Leaf, leaves
from .ingress import NATIVE, NGINX_PREFIX, PASSES_HOST, has_canaries
from .routes import sends_per_backend
from .settings import Settings

GATEWAY_NATIVE = "traefik.io/service.nativelb"


def send_to_services(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
    """nativeLB of an IngressRoute's service, else an annotation of the Service, or of an Ingress in ingress-nginx's place."""
    patches, settings, named = PatchBuilder(), settings_of(load_balancer, Settings), named_objects(snapshot)
    for target in targets_of(snapshot, routes):
        route, obj = target.route, target.object
        if route.object.group == GROUP:
            for leaf in _leaves(named, target):
                patches.want(leaf.owner, (*leaf.path, "nativeLB"), True)
        elif route.object.kind != "Ingress":
            _annotate_service(patches, target, GATEWAY_NATIVE, "true")
        elif settings.ingress.serves(obj):
            _annotate_service(patches, target, NATIVE, "true")
        elif not route.canary:
            # A canary's addresses are chosen by the settings of its main Ingress.
            patches.annotate(obj, f"{NGINX_PREFIX}service-upstream", "true", same_bool)
    return patches.switch()


def host(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
    """The Service's address as Host, or its name where that can be said."""
    patches, settings, named = PatchBuilder(), settings_of(load_balancer, Settings), named_objects(snapshot)
    replaced: list[PatchTarget] = []
    attached: list[PatchTarget] = []
    for target in targets_of(snapshot, routes):
        kind = target.route.object.kind
        if kind == "Ingress" and not settings.ingress.serves(target.object):
            replaced.append(target)
        elif kind in ("Ingress", "IngressRoute"):
            _drop_clients_host(patches, named, target)
        elif target.route.upstream.scheme == "http":
            attached.append(target)
    if replaced:
        _set_nginx_host(patches, load_balancer.version, replaced)
    return joined_patches(patches.switch(), host_rewrites(attached, per_backend=sends_per_backend(load_balancer)))


def _leaves(named: NamedObjects, target: PatchTarget) -> list[Leaf]:
    """Entries that name a route's Service port."""
    backend, rules = target.route.backend, enumerate(dig(target.object, "spec", "routes", default=[]))
    parts = (part for number, rule in rules for part in leaves(named, target.object, number, rule))
    return [
        leaf for leaf in parts if isinstance(leaf, Leaf) and (leaf.namespace, leaf.service) == (backend.namespace, backend.service)
        and leaf.backend.port in (backend.port, backend.port_name)
    ]


def _annotate_service(patches: PatchBuilder, target: PatchTarget, key: str, value: str) -> None:
    """Set an annotation of the Service behind a route; the same key in other letters counts."""
    if target.service:
        written = next((item for item in annotations_of(target.service) if item.lower() == key), key)
        patches.annotate(target.service, written, value, same_bool)


def _set_nginx_host(patches: PatchBuilder, version: str, targets: list[PatchTarget]) -> None:
    """upstream-vhost on the Ingresses that decide."""
    if not has_canaries(version):
        patches.refuse(f"Traefik {version} does not know upstream-vhost; 3.7 does")
        return
    main = [target for target in targets if not target.route.canary]
    services: dict[ObjectRef, set[str]] = {}
    for target in main:
        services.setdefault(target.route.object, set()).add(target.route.backend.service)
    for target in main:
        name = target.mesh_name
        several = len(services[target.route.object]) > 1
        value = full_name("$namespace", "$service_name", target.domain) if several else name
        patches.annotate(target.object, f"{NGINX_PREFIX}upstream-vhost", value)


def _of_leaves(*places: str) -> tuple[Field, ...]:
    return tuple(Field(f"/spec/{place}/{key}", alike if key == "passHostHeader" else none_before)
                 for place in places for key in ("nativeLB", "passHostHeader"))  # fmt: skip


def _drop_clients_host(patches: PatchBuilder, named: NamedObjects, target: PatchTarget) -> None:
    """Have it send the Service's address as Host; a Host that a middleware sets is the user's, and would be lost."""
    route, sent, address = target.route, target.route.upstream.host, address_of(target.service)
    if sent == target.mesh_name != address:
        return
    if sent not in ("", address, POD_ADDRESS):
        patches.conflict(target.object, f"a middleware makes the Host {sent}, the plan needs the Service's address")
    elif route.object.kind == "Ingress":
        _annotate_service(patches, target, PASSES_HOST, "false")
    else:
        for leaf in _leaves(named, target):
            if value_at(leaf.owner, (*leaf.path, "passHostHeader")) is not False:
                patches.want(leaf.owner, (*leaf.path, "passHostHeader"), False)


_LEAVES = (
    "weighted/services/*", "highestRandomWeight/services/*", "mirroring", "mirroring/mirrors/*", "failover/service", "failover/fallback",
)
_ROUTING = "Service routing, and the Host that is sent"
WRITES = (
    *(Write(f"{kind}.{GROUP}", _of_leaves("routes/*/services/*"), why=_ROUTING) for kind in ("IngressRoute", "IngressRouteTCP")),
    Write(f"TraefikService.{GROUP}", _of_leaves(*_LEAVES), why=_ROUTING),
    Write(kinds.SERVICE, tuple(annotation(key, none_before) for key in (NATIVE, GATEWAY_NATIVE, PASSES_HOST)), why=_ROUTING),
    Write(
        kinds.INGRESS, tuple(annotation(f"{NGINX_PREFIX}{key}", none_before) for key in ("service-upstream", "upstream-vhost")),
        why=_ROUTING,
    ),
    REWRITES,
)
SWITCHES = Switches(send_to_services, host, writes=WRITES)
