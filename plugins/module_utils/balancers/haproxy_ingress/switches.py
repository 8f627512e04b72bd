# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy Ingress can be told about its routes: keys on the Service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...core.model import LoadBalancer, Route
from ...core.writes import Write, annotation, none_before
from ...kube import kinds
from ...kube.objects import Obj, namespace_of
from ...kube.snapshot import Snapshot
from ..contract.switches import PatchSet, Switches
from ..kit.annotations import GO_TRUE
from ..kit.ingresses import entries, ingress_ref
from ..kit.patches import PatchBuilder, PatchTarget, is_older, on_targets, targets_of
from ..kit.settings import settings_of
from .backends import HEADERS, SERVICE_UPSTREAM, SET_HEADERS, SharedBackends, backend_name, service_port, target_port_of, with_host
from .routes import read_paths, shared_backends
from .settings import Settings


def to_service(load_balancer: LoadBalancer, targets: list[PatchTarget]) -> PatchSet:
    """The key of each Service; one on an Ingress would be silenced by it."""
    patches, keys = PatchBuilder(), settings_of(load_balancer, Settings).keys
    for target in targets:
        _require(patches, load_balancer, 0, 8)
        said = keys.of(target.object).get(SERVICE_UPSTREAM, "true")
        if said not in GO_TRUE:
            patches.value_conflict(target.object, SERVICE_UPSTREAM, said, "true")
        # Under another prefix the same key counts.
        present = keys.of(target.service).get(SERVICE_UPSTREAM)
        if target.service and present is None:
            patches.annotate(target.service, keys.name(SERVICE_UPSTREAM), "true")
        elif target.service and present not in GO_TRUE:
            patches.value_conflict(target.service, SERVICE_UPSTREAM, present, "true")
    return patches.switch()


def host(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
    """A line of headers on the Service, beside those that count for its backend now: every Ingress of the Service may have some."""
    patches, targets = PatchBuilder(), targets_of(snapshot, routes)
    services = {(target.route.backend.namespace, target.route.backend.service) for target in targets}
    beside = (ingress_ref(item) for key in services for item in snapshot.lookup(kinds.INGRESS, by_backend, key))
    asked = read_paths(snapshot, load_balancer, frozenset({*(target.route.object for target in targets), *beside}))
    backends = shared_backends(load_balancer, asked)
    _require(patches, load_balancer, 0, 11)
    for target in targets:
        if target.service and target.route.upstream.scheme == "http":
            _send_host(patches, load_balancer, backends, target)
    return patches.switch()


def by_backend(ingress: Obj) -> Iterator[tuple[str, str]]:
    """Index of Ingresses by namespace and the Services that they name."""
    yield from {(namespace_of(ingress), entry.service) for entry in entries(ingress)}


def _send_host(patches: PatchBuilder, load_balancer: LoadBalancer, backends: SharedBackends, target: PatchTarget) -> None:
    backend, sent = target.route.backend, target.route.upstream.host
    name = target.mesh_name
    if sent and sent not in (name, f"{backend.service}.{backend.namespace}"):
        patches.conflict(target.service, f"a header sets the Host {sent}, the plan needs {name}")
    elif not sent:
        port = target_port_of(service_port(target.service, backend.port) or {})
        key, lines = backends.headers(backend_name(backend.namespace, backend.service, port))
        annotation = settings_of(load_balancer, Settings).keys.name(key)
        patches.write(target.service, ("metadata", "annotations", annotation), with_host(lines, name))


def _require(patches: PatchBuilder, load_balancer: LoadBalancer, *since: int) -> None:
    """Refuse where the instance is older than a key."""
    if is_older(load_balancer.version, *since):
        patches.refuse(f"HAProxy Ingress {load_balancer.version} has no such key; {'.'.join(map(str, since))} has")


WRITES = (Write(
    kinds.SERVICE, (annotation(f"*/{SERVICE_UPSTREAM}", none_before), annotation(f"*/{HEADERS}"), annotation(f"*/{SET_HEADERS}")),
    why="Service routing, and the Host that is sent",
),)  # fmt: skip
SWITCHES = Switches(to_service=on_targets(to_service), host=host, writes=WRITES)
