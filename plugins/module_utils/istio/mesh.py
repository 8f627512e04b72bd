# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the mesh itself: is Istio there, in which versions, and with which mesh-wide settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..core.interception import Interception
from ..core.model import UNKNOWN
from ..kube import kinds
from ..kube.objects import Obj, argument, containers_of, dig, identity, image_name, labels_of, name_of, namespace_of, pod_template
from ..kube.selectors import selects
from ..kube.snapshot import Snapshot, Unreadable
from . import settings
from .interception import mesh_defaults

DEFAULT_ROOT_NAMESPACE = "istio-system"
DEFAULT_TRUST_DOMAIN = "cluster.local"
MESH_DEPENDS = (kinds.DEPLOYMENT, kinds.DAEMON_SET, kinds.CONFIG_MAP, kinds.NAMESPACE, kinds.WEBHOOK)
"""Kinds that the mesh's facts are read from."""
AMBIENT_LABEL = "istio.io/dataplane-mode"


@dataclass(frozen=True)
class Mesh:
    """Mesh-wide facts. ``outbound_traffic_policy`` is ``ALLOW_ANY``, ``REGISTRY_ONLY`` or another mode's own word.

    Policies of ``root_namespace`` hold for the whole mesh.
    """

    installed: bool
    versions: tuple[str, ...] = ()
    revisions: tuple[str, ...] = ()
    data_plane: str = "none"
    trust_domain: str = DEFAULT_TRUST_DOMAIN
    root_namespace: str = DEFAULT_ROOT_NAMESPACE
    outbound_traffic_policy: str = "ALLOW_ANY"
    auto_mtls: bool = True

    def to_result(self) -> dict[str, Any]:
        return {
            "installed": self.installed,
            "versions": list(self.versions),
            "revisions": list(self.revisions),
            "data_plane": self.data_plane,
            "trust_domain": self.trust_domain,
            "root_namespace": self.root_namespace,
            "outbound_traffic_policy": self.outbound_traffic_policy,
        }


def by_istiod(workload: Obj) -> tuple[str, ...]:
    """Index of Deployments: ``istiod`` for Istio's control plane, recognised by its command, image or label."""
    for container in containers_of(pod_template(workload)):
        words = [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]
        image = image_name(str(container.get("image", "")))[0].rpartition("/")[2]
        # The chart gives istiod's container the arguments "discovery --monitoringAddr=…"; the label alone proves nothing.
        if image == "pilot" or any(word.endswith("pilot-discovery") for word in words) or "discovery" in words[:1]:
            return ("istiod",)
    return ("istiod",) if labels_of(workload).get("app") == "istiod" else ()


def config_map_namespaces(snapshot: Snapshot) -> set[str]:
    """Namespaces whose ConfigMaps hold mesh settings."""
    return set(map(namespace_of, _istiods(snapshot))) or {DEFAULT_ROOT_NAMESPACE}


def mesh_config(snapshot: Snapshot) -> Obj:
    """The mesh configuration of the first istiod's revision, empty where its ConfigMap cannot be read."""
    return _told(snapshot, settings.MESH).values


def interception_defaults(snapshot: Snapshot) -> Interception:
    """How pods are intercepted that say nothing about it themselves."""
    return snapshot.cached(
        "interception", lambda view: mesh_defaults(_told(view, settings.INJECTOR).values, mesh_config(view)), settings.KINDS
    )


def misread_settings(snapshot: Snapshot) -> Iterator[Unreadable]:
    """ConfigMaps whose settings of the mesh could not be read as a whole."""
    for where in (settings.MESH, settings.INJECTOR):
        misread = _told(snapshot, where).misread
        if misread is not None:
            yield misread


def _told(snapshot: Snapshot, where: settings.SettingsKey) -> settings.Told:
    """What the ConfigMap of the first istiod's revision says."""
    return snapshot.cached(("mesh settings", where.name), lambda view: settings.told(_config_map(view, where.name), where), settings.KINDS)


def _config_map(snapshot: Snapshot, name: str) -> Obj | None:
    for istiod in _istiods(snapshot):
        revision = labels_of(istiod).get("istio.io/rev", "default")
        found = snapshot.get(kinds.CONFIG_MAP, namespace_of(istiod), name if revision == "default" else f"{name}-{revision}")
        if found is not None:
            return found
    return snapshot.get(kinds.CONFIG_MAP, DEFAULT_ROOT_NAMESPACE, name)


def as_far_as_known(snapshot: Snapshot) -> Mesh:
    """The mesh's facts for people: ``unknown`` where the settings that say so could not be read."""
    mesh, found = read_mesh(snapshot), _config_map(snapshot, settings.MESH.name)
    closed = found is None and not config_map_namespaces(snapshot).isdisjoint(snapshot.source.closed)
    if closed or (found is not None and identity(found) in snapshot.source.unreadable):
        return replace(mesh, trust_domain=UNKNOWN, root_namespace=UNKNOWN, outbound_traffic_policy=UNKNOWN)
    return mesh


def cluster_domains(snapshot: Snapshot) -> tuple[str, ...]:
    """The cluster's DNS domains as istiod and its injector were told them; empty where nothing is said."""
    found = [argument(item, "domain") for istiod in _istiods(snapshot) for item in containers_of(pod_template(istiod))]
    found.append(str(dig(_told(snapshot, settings.INJECTOR).values, "global", "proxy", "clusterDomain", default="")))
    return tuple(dict.fromkeys(item.lower().strip(".") for item in found if item))


def read_mesh(snapshot: Snapshot) -> Mesh:
    """Read the mesh's facts from a snapshot. Manifests without istiod count as a mesh with Istio's defaults."""
    return snapshot.cached("mesh", _read_mesh, MESH_DEPENDS)


def _read_mesh(snapshot: Snapshot) -> Mesh:
    istiods = _istiods(snapshot)
    config = mesh_config(snapshot)
    served = any(snapshot.source.live and kind in snapshot.source.available for kind in kinds.ISTIO)
    return Mesh(
        installed=bool(istiods) or served or not snapshot.source.live,
        versions=tuple(sorted({version for version in map(_version, istiods) if version})),
        revisions=tuple(sorted({labels_of(item).get("istio.io/rev", "default") for item in istiods})),
        data_plane=_data_plane(
            ambient=any(labels_of(item).get(AMBIENT_LABEL) == "ambient" for item in snapshot.all(kinds.NAMESPACE))
            or any(selects({"app": "ztunnel"}, labels_of(pod_template(item))) for item in snapshot.all(kinds.DAEMON_SET)),
            sidecar=any(map(injects, snapshot.all(kinds.WEBHOOK))) or bool(istiods) or not snapshot.source.live,
        ),
        trust_domain=str(config.get("trustDomain") or DEFAULT_TRUST_DOMAIN),
        root_namespace=str(config.get("rootNamespace") or _istiod_namespace(istiods)),
        outbound_traffic_policy=str(dig(config, "outboundTrafficPolicy", "mode", default="ALLOW_ANY")),
        auto_mtls=config.get("enableAutoMtls") is not False,
    )


def _istiods(snapshot: Snapshot) -> list[Obj]:
    """Istio's control planes. Where webhooks that inject name their namespaces, no others: anybody can label a Deployment so."""
    found = sorted(snapshot.lookup(kinds.DEPLOYMENT, by_istiod, "istiod"), key=lambda item: (namespace_of(item), name_of(item)))
    homes = {home for item in snapshot.all(kinds.WEBHOOK) for home in _injectors_in(item)} if len(found) > 1 else set()
    return [item for item in found if namespace_of(item) in homes] or found


def _injectors_in(webhook: Obj) -> Iterator[str]:
    for hook in webhook.get("webhooks") or []:
        service = dig(hook, "clientConfig", "service", default={})
        if "/inject" in str(service.get("path", "")):
            yield str(service.get("namespace", ""))


def _istiod_namespace(istiods: list[Obj]) -> str:
    return namespace_of(istiods[0]) if istiods else DEFAULT_ROOT_NAMESPACE


def _version(istiod: Obj) -> str:
    for container in containers_of(pod_template(istiod)):
        tag = image_name(str(container.get("image", "")))[1]
        if tag:
            # Vendors append a variant to the tag (1.27.1-distroless); the version is what stands before it.
            return tag.partition("-")[0]
    return ""


def _data_plane(*, ambient: bool, sidecar: bool) -> str:
    if ambient:
        return "both" if sidecar else "ambient"
    return "sidecar" if sidecar else "none"


def injects(webhook: Obj) -> bool:
    """Whether a webhook configuration puts sidecars into pods."""
    return any(True for dummy in _injectors_in(webhook))

