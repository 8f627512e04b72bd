# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EnvoyFilters: which of them change what is predicted of a sidecar. What they make of it is not followed.

Source: istio/istio pilot/pkg/model/push_context.go (EnvoyFilters: those of the root namespace and of the proxy's own) and
pilot/pkg/networking/core/envoyfilter (what is patched where). Fields of a patch may be written in snake case or in camel case.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..kube import kinds
from ..kube.objects import Obj, created_at, dig, name_of, namespace_of
from ..kube.pods import by_namespace
from ..kube.selectors import object_selector
from ..kube.snapshot import Snapshot
from .mesh import MESH_DEPENDS, is_discovered, read_mesh
from .revisions import is_of_revision

OUTBOUND, INBOUND = "SIDECAR_OUTBOUND", "SIDECAR_INBOUND"
_DEPENDS = (kinds.ENVOY_FILTER, *MESH_DEPENDS)
_ROUTES = frozenset({
    "match", "cluster", "clusterheader", "weightedclusters", "redirect", "directresponse", "domains", "routes", "virtualhosts",
})  # fmt: skip
_TELLING: Mapping[str, frozenset[str]] = {
    "LISTENER": frozenset({
        "filterchains", "defaultfilterchain", "address", "additionaladdresses", "listenerfilters", "useoriginaldst", "filterchainmatcher",
    }),
    "LISTENER_FILTER": frozenset({"name", "typedconfig", "filterdisabled"}),
    "FILTER_CHAIN": frozenset({"filterchainmatch", "filters", "transportsocket"}),
    "NETWORK_FILTER": frozenset({"rds", "routeconfig", "scopedroutes", "cluster", "weightedclusters"}),
    "CLUSTER": frozenset({"transportsocket", "transportsocketmatches", "type", "clustertype", "loadassignment", "edsclusterconfig"}),
    "ROUTE_CONFIGURATION": _ROUTES, "VIRTUAL_HOST": _ROUTES, "HTTP_ROUTE": _ROUTES,
}  # fmt: skip
"""The fields by which a patch that is merged changes where requests go, or how; whatever is added or taken away does."""
_ANSWERING = frozenset({"httpfilters", "typedperfilterconfig"})
_WATCHING = frozenset({"istio.stats", "istio.metadata_exchange", "istio.stackdriver"})
"""Filters of Istio's own telemetry, which older releases put in by EnvoyFilters."""
_DEEPEST = 20


def changing_routes(
    snapshot: Snapshot, namespace: str, labels: Mapping[str, str], context: str, *, ports: Collection[int], clusters: Collection[str] = (),
    revision: str = "",
) -> Obj | None:
    """The EnvoyFilter that changes where requests go, or how, at a pod's sidecar; ``None`` where none does.

    ``context`` is one of the two words, ``ports`` are those that are dialled, and ``clusters`` those that carry the requests.
    """
    for item, patch in _patches(snapshot, namespace, labels, context, ports, revision):
        applied, operation = str(patch.get("applyTo")), str(dig(patch, "patch", "operation", default=""))
        if applied not in _TELLING or _is_watching(patch) or not _about(patch, clusters):
            continue
        if operation != "MERGE" or not _TELLING[applied].isdisjoint(_fields(dig(patch, "patch", "value", default={}))):
            return item
    return None


def changing_answers(
    snapshot: Snapshot, namespace: str, labels: Mapping[str, str], context: str, *, ports: Collection[int], revision: str = ""
) -> Obj | None:
    """The EnvoyFilter whose filters may answer requests at a pod's sidecar; ``None`` where there is none."""
    for item, patch in _patches(snapshot, namespace, labels, context, ports, revision):
        if patch.get("applyTo") in ("HTTP_FILTER", "EXTENSION_CONFIG") and not _is_watching(patch):
            return item
        if not _ANSWERING.isdisjoint(_fields(dig(patch, "patch", "value", default={}))):
            return item
    return None


def _patches(
    snapshot: Snapshot, namespace: str, labels: Mapping[str, str], context: str, ports: Collection[int], revision: str
) -> Iterator[tuple[Obj, Obj]]:
    if not snapshot.count(kinds.ENVOY_FILTER):
        return
    key = ("envoy filters", namespace, tuple(sorted(labels.items())), revision)
    for item in snapshot.cached(key, lambda view: tuple(_attached(view, namespace, labels, revision)), _DEPENDS):
        for patch in dig(item, "spec", "configPatches", default=[]):
            number = dig(patch, "match", "listener", "portNumber", default=0)
            if dig(patch, "match", "context", default="ANY") in ("ANY", context) and (not number or number in ports):
                yield item, patch


def _attached(snapshot: Snapshot, namespace: str, labels: Mapping[str, str], revision: str) -> Iterator[Obj]:
    for home in dict.fromkeys((read_mesh(snapshot, revision).root_namespace, namespace)):
        for item in sorted(snapshot.lookup(kinds.ENVOY_FILTER, by_namespace, home), key=lambda found: (created_at(found), name_of(found))):
            known = is_discovered(snapshot, namespace_of(item), revision) and is_of_revision(snapshot, item, revision)
            # What names its targets is for gateways and waypoints.
            chosen = object_selector({"matchLabels": dig(item, "spec", "workloadSelector", "labels", default={})})
            if known and not dig(item, "spec", "targetRefs") and chosen.matches(dict(labels)):
                yield item


def _is_watching(patch: Obj) -> bool:
    return dig(patch, "patch", "value", "name") in _WATCHING


def _about(patch: Obj, clusters: Collection[str]) -> bool:
    """Whether a patch is about one of these clusters, where it says about which it is."""
    wanted = dig(patch, "match", "cluster", default={})
    if not clusters or not wanted:
        return True
    parts = [(name, *(name.split("|") + ["", "", "", ""])[1:4]) for name in clusters]
    return any(
        wanted.get("name") in (None, "", name) and wanted.get("portNumber") in (None, 0, int(port) if port.isdecimal() else port)
        and wanted.get("subset") in (None, "", subset) and wanted.get("service") in (None, "", "*", host)
        for name, port, subset, host in parts
    )


def _fields(value: Any, depth: int = 0) -> Iterator[str]:
    """The names of all fields of a patch."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key).replace("_", "").lower()
            yield from _fields(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _fields(item, depth + 1)
