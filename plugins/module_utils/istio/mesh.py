# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the mesh itself: is Istio there, in which versions, and with which mesh-wide settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..core.interception import Interception
from ..kube import kinds
from ..kube.objects import Obj, argument, containers_of, dig, image_name, labels_of, name_of, namespace_of, pod_template
from ..kube.selectors import selects
from ..kube.snapshot import Snapshot
from .interception import mesh_defaults

DEFAULT_ROOT_NAMESPACE = "istio-system"
DEFAULT_TRUST_DOMAIN = "cluster.local"
MESH_DEPENDS = (kinds.DEPLOYMENT, kinds.DAEMON_SET, kinds.CONFIG_MAP, kinds.NAMESPACE, kinds.WEBHOOK)
"""Kinds that the mesh's facts are read from."""
_SETTINGS_DEPEND = (kinds.DEPLOYMENT, kinds.CONFIG_MAP)
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
    return {namespace_of(item) for item in snapshot.lookup(kinds.DEPLOYMENT, by_istiod, "istiod")} or {DEFAULT_ROOT_NAMESPACE}


def mesh_config(snapshot: Snapshot) -> Obj:
    """The mesh configuration of the first istiod's revision, empty where its ConfigMap cannot be read."""
    return snapshot.cached(
        "mesh_config", lambda view: _settings(_istiods(view), partial(view.get, kinds.CONFIG_MAP), "istio", "mesh"), _SETTINGS_DEPEND
    )


def interception_defaults(snapshot: Snapshot) -> Interception:
    """How pods are intercepted that say nothing about it themselves."""
    return snapshot.cached("interception", lambda view: mesh_defaults(
        _settings(_istiods(view), partial(view.get, kinds.CONFIG_MAP), "istio-sidecar-injector", "values"), mesh_config(view)
    ), _SETTINGS_DEPEND)


def _settings(istiods: list[Obj], config_map: Callable[[str, str], Obj | None], name: str, key: str) -> Obj:
    """What a ConfigMap of the first istiod's revision holds, empty where it cannot be read."""
    for istiod in istiods:
        revision = labels_of(istiod).get("istio.io/rev", "default")
        found = config_map(namespace_of(istiod), name if revision == "default" else f"{name}-{revision}")
        if found is not None:
            return _parse(dig(found, "data", key, default=""))
    found = config_map(DEFAULT_ROOT_NAMESPACE, name)
    return _parse(dig(found, "data", key, default="")) if found else {}


def cluster_domains(snapshot: Snapshot) -> tuple[str, ...]:
    """The cluster's DNS domains as istiod and its injector were told them; empty where nothing is said."""
    istiods = _istiods(snapshot)
    found = [argument(item, "domain") for istiod in istiods for item in containers_of(pod_template(istiod))]
    values = _settings(istiods, partial(snapshot.get, kinds.CONFIG_MAP), "istio-sidecar-injector", "values")
    found.append(str(dig(values, "global", "proxy", "clusterDomain", default="")))
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
    return sorted(snapshot.lookup(kinds.DEPLOYMENT, by_istiod, "istiod"), key=lambda item: (namespace_of(item), name_of(item)))


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
    hooks = webhook.get("webhooks") or []
    return any("/inject" in str(dig(hook, "clientConfig", "service", "path", default="")) for hook in hooks)


def _parse(text: str) -> Obj:
    # Imported here: hosts that only ever import this file (documentation builds, sanity checks) need no PyYAML.
    import yaml

    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return loaded if isinstance(loaded, dict) else {}
