# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the mesh itself: is Istio there, in which versions, and with which mesh-wide settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..core.findings import finding
from ..core.interception import Interception
from ..core.model import UNKNOWN, Finding
from ..kube import kinds
from ..kube.objects import Obj, argument, containers_of, dig, identity, image_name, labels_of, name_of, namespace_of, pod_template, ref_of
from ..kube.selectors import object_selector, selects
from ..kube.services import CLUSTER_DOMAIN
from ..kube.snapshot import Snapshot, Unreadable
from . import settings
from .interception import mesh_defaults

DEFAULT_ROOT_NAMESPACE = "istio-system"
DEFAULT_TRUST_DOMAIN = "cluster.local"
MESH_DEPENDS = (kinds.DEPLOYMENT, kinds.DAEMON_SET, kinds.CONFIG_MAP, kinds.NAMESPACE, kinds.WEBHOOK)
"""Kinds that the mesh's facts are read from."""
REVISION_LABEL, TAG_LABEL = "istio.io/rev", "istio.io/tag"
HTTP_1_0 = "PILOT_HTTP10"
SHARED_SETTINGS = "SHARED_MESH_CONFIG"
"""The variable that names a ConfigMap with settings below istiod's own (Source: istio/istio pilot/pkg/bootstrap/mesh.go)."""
AMBIENT_LABEL = "istio.io/dataplane-mode"
OLDEST_COMPARED = (1, 30)
"""The oldest minor version of Istio whose own code the verdicts are compared with: tests/oracle."""


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
    containers = containers_of(pod_template(workload))
    if labels_of(workload).get("app") == "istiod":
        return ("istiod",)
    # Other products have such a program beside one of their own, and it is not the mesh's.
    alone = all(str(item.get("name")) in ("discovery", "istio-proxy") or _is_pilot(item) for item in containers)
    return ("istiod",) if alone and any(map(_is_pilot, containers)) else ()


def _is_pilot(container: Obj) -> bool:
    """Whether a container runs Istio's control plane, and injects."""
    words = [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]
    image = image_name(str(container.get("image", "")))[0].rpartition("/")[2]
    idle = any(item.get("name") == "INJECT_ENABLED" and str(item.get("value")).lower() == "false" for item in container.get("env") or [])
    # The chart gives istiod's container the arguments "discovery --monitoringAddr=…"; the label alone proves nothing.
    return not idle and (image == "pilot" or any(word.endswith("pilot-discovery") for word in words) or "discovery" in words[:1])


def config_map_namespaces(snapshot: Snapshot) -> set[str]:
    """Namespaces whose ConfigMaps hold mesh settings."""
    return set(map(namespace_of, control_planes(snapshot))) or {DEFAULT_ROOT_NAMESPACE}


def mesh_config(snapshot: Snapshot, revision: str = "") -> Obj:
    """The mesh configuration of a revision, or of the first istiod where it is not known; empty where it cannot be read."""
    return _told(snapshot, settings.MESH, revision).values


def interception_defaults(snapshot: Snapshot, revision: str = "") -> Interception:
    """How pods of a revision are intercepted that say nothing about it themselves."""
    return snapshot.cached(
        ("interception", revision),
        lambda view: mesh_defaults(_told(view, settings.INJECTOR, revision).values, mesh_config(view, revision)), settings.KINDS,
    )


def has_cni(snapshot: Snapshot, revision: str = "") -> bool:
    """Whether Istio's CNI plugin sets up interception, so that pods need no rights for it."""
    values = _told(snapshot, settings.INJECTOR, revision).values
    told = any(dig(values, *path, "enabled") is True for path in (("pilot", "cni"), ("istio_cni",)))
    images = (str(item.get("image", "")) for found in snapshot.all(kinds.DAEMON_SET) for item in containers_of(pod_template(found)))
    return told or any(image_name(image)[0].rpartition("/")[2] == "install-cni" for image in images)


def reads_http_1_0(snapshot: Snapshot, revision: str = "") -> bool:
    """Whether sidecars read HTTP/1.0 as HTTP, by a variable of their istiod's (Source: istio/istio pilot/pkg/features/pilot.go)."""
    return control_plane_variable(snapshot, HTTP_1_0, revision)


def control_plane_variable(snapshot: Snapshot, name: str, revision: str = "") -> bool:
    """Whether an environment variable of a revision's istiod says yes."""
    istiod = next(iter(_istiods_of(snapshot, revision)), {})
    return any(item.lower() in ("1", "t", "true") for item in _variables(istiod, name))


def networks(snapshot: Snapshot) -> tuple[frozenset[str], Obj | None]:
    """The names of the networks that istiod was told of, and the ConfigMap that says so."""
    found = _config_map(snapshot, settings.NETWORKS.name)
    return frozenset(dig(settings.told(found, settings.NETWORKS).values, "networks", default={})), found


def is_discovered(snapshot: Snapshot, namespace: str, revision: str = "") -> bool:
    """Whether istiod looks at a namespace at all, by its discoverySelectors; one that is not known counts as if it did."""
    return namespace not in snapshot.cached(
        ("undiscovered", revision), lambda view: _undiscovered(view, mesh_config(view, revision)), (kinds.NAMESPACE, *settings.KINDS)
    )


def _undiscovered(snapshot: Snapshot, config: Obj) -> frozenset[str]:
    selectors = [object_selector(item) for item in config.get("discoverySelectors") or []]
    if not selectors:
        return frozenset()
    found = ((name_of(item), {"kubernetes.io/metadata.name": name_of(item), **labels_of(item)}) for item in snapshot.all(kinds.NAMESPACE))
    return frozenset(name for name, labels in found if not any(selector.matches(labels) for selector in selectors))


def misread_settings(snapshot: Snapshot) -> Iterator[Unreadable]:
    """ConfigMaps whose settings of the mesh could not be read as a whole."""
    for where in (settings.MESH, settings.INJECTOR):
        found = (_told(snapshot, where, revision).misread for revision in ("", *read_mesh(snapshot).revisions))
        yield from {item.ref: item for item in found if item is not None}.values()


def _told(snapshot: Snapshot, where: settings.SettingsKey, revision: str = "") -> settings.Told:
    """What the ConfigMap of a revision says, and what istiod was told to put below it."""
    key = ("mesh settings", where.name, revision)
    return snapshot.cached(key, lambda view: _all_told(view, where, revision), settings.KINDS)


def _all_told(snapshot: Snapshot, where: settings.SettingsKey, revision: str) -> settings.Told:
    own = settings.told(_config_map(snapshot, where.name, revision), where)
    istiod = next(iter(_istiods_of(snapshot, revision)), None)
    names = _variables(istiod or {}, SHARED_SETTINGS) if where is settings.MESH else []
    shared = snapshot.get(kinds.CONFIG_MAP, namespace_of(istiod or {}), names[0]) if names else None
    return settings.merged(own, settings.told(shared, where)) if shared is not None else own


def _variables(istiod: Obj, name: str) -> list[str]:
    """What an environment variable of a control plane's containers says."""
    told = (item for container in containers_of(pod_template(istiod)) for item in container.get("env") or [])
    return [str(item.get("value")) for item in told if item.get("name") == name]


def _istiods_of(snapshot: Snapshot, revision: str) -> list[Obj]:
    """Istio's control planes, those of a revision first."""
    return sorted(control_planes(snapshot), key=lambda item: labels_of(item).get(REVISION_LABEL, "default") != revision)


def _config_map(snapshot: Snapshot, name: str, revision: str = "") -> Obj | None:
    for istiod in _istiods_of(snapshot, revision):
        own = labels_of(istiod).get(REVISION_LABEL, "default")
        found = snapshot.get(kinds.CONFIG_MAP, namespace_of(istiod), name if own == "default" else f"{name}-{own}")
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
    found = [argument(item, "domain") for istiod in control_planes(snapshot) for item in containers_of(pod_template(istiod))]
    found.append(str(dig(_told(snapshot, settings.INJECTOR).values, "global", "proxy", "clusterDomain", default="")))
    return tuple(dict.fromkeys(item.lower().strip(".") for item in found if item))


def cluster_domain(snapshot: Snapshot) -> str:
    """The domain in which Istio's registry has the cluster's Services, as istiod was told it."""
    return snapshot.cached("cluster domain", lambda view: next(iter(cluster_domains(view)), CLUSTER_DOMAIN), settings.KINDS)


def read_mesh(snapshot: Snapshot, revision: str = "") -> Mesh:
    """Read the mesh's facts, with a revision's settings. Manifests without istiod count as a mesh with Istio's defaults."""
    return snapshot.cached(("mesh", revision), lambda view: _read_mesh(view, revision), MESH_DEPENDS)


def _read_mesh(snapshot: Snapshot, revision: str) -> Mesh:
    istiods = _istiods_of(snapshot, revision)
    config = mesh_config(snapshot, revision)
    served = any(snapshot.source.live and kind in snapshot.source.available for kind in kinds.ISTIO)
    return Mesh(
        installed=bool(istiods) or served or not snapshot.source.live,
        versions=tuple(sorted({version for version in map(_version, istiods) if version})),
        revisions=tuple(sorted({labels_of(item).get(REVISION_LABEL, "default") for item in istiods})),
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


def control_planes(snapshot: Snapshot) -> list[Obj]:
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


def numbers(version: str) -> tuple[int, ...]:
    """A version as something that can be compared; empty where it has no numbers."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def about_age(snapshot: Snapshot) -> Iterator[Finding]:
    """Finding MLB128 for each control plane that is older than the oldest one whose code the verdicts were compared with."""
    oldest = ".".join(map(str, OLDEST_COMPARED))
    for istiod in control_planes(snapshot):
        version = _version(istiod)
        if numbers(version) and numbers(version)[:2] < OLDEST_COMPARED:
            message = f"{ref_of(istiod)} is of Istio {version}, and verdicts were compared with the code of Istio {oldest} and newer"
            yield finding("MLB128", message, ref_of(istiod), details={"version": version, "oldest": oldest})


def _data_plane(*, ambient: bool, sidecar: bool) -> str:
    if ambient:
        return "both" if sidecar else "ambient"
    return "sidecar" if sidecar else "none"


def injects(webhook: Obj) -> bool:
    """Whether a webhook configuration puts sidecars into pods."""
    return any(True for dummy in _injectors_in(webhook))
