# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster's network does between a load balancer and its sidecar: Cilium's socket load balancing, and Calico's.

It turns a Service's address into a pod's when a program connects, before the connection reaches the sidecar, unless it is
limited to the host's namespace. Source: cilium/cilium Documentation/network/servicemesh/istio.rst and the options
kube-proxy-replacement, bpf-lb-sock and bpf-lb-sock-hostns-only of its agent, which it reads from the ConfigMap cilium-config;
projectcalico/calico felix/config (bpfEnabled, bpfConnectTimeLoadBalancing, as fields of FelixConfiguration or variables of its agent).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..core.findings import finding
from ..core.model import Address, Finding, ObjectRef
from ..kube import kinds
from ..kube.objects import Obj, containers_of, dig, image_name, name_of, namespace_of, pod_template, ref_of
from ..kube.snapshot import Snapshot

_CONFIG = "cilium-config"
FELIX = (kinds.FELIX_CONFIGURATION, "FelixConfiguration.projectcalico.org")
"""Calico's settings: as a cluster stores them, and as manifests may have them for Calico's own API server."""
_REPLACING = frozenset({"true", "strict"})
_DEPENDS = (kinds.DAEMON_SET, kinds.CONFIG_MAP, *FELIX)


def by_agent(workload: Obj) -> Iterator[str]:
    """Index of DaemonSets: ``agent`` for Cilium's, recognised by its program or its image (clouds give it other names)."""
    for container in containers_of(pod_template(workload)):
        words = [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]
        path = image_name(str(container.get("image", "")))[0]
        if any(word.rpartition("/")[2] == "cilium-agent" for word in words) or path == "cilium/cilium" or path.endswith("/cilium/cilium"):
            yield "agent"
            return


def config_map_namespaces(snapshot: Snapshot) -> set[str]:
    """Namespaces whose ConfigMaps say how the network treats Services' addresses."""
    return {namespace_of(item) for item in snapshot.lookup(kinds.DAEMON_SET, by_agent, "agent")}


def undoes_service_routing(snapshot: Snapshot) -> bool:
    """Whether a load balancer's sidecar sees pods' addresses where the load balancer dials a Service's."""
    return snapshot.cached(
        "socket load balancing",
        lambda view: any(settings and _translates(settings) for dummy, settings in _settings(view)) or any(map(bool, _connecting(view))),
        _DEPENDS,
    )


def _connecting(snapshot: Snapshot) -> Iterator[Obj]:
    """What has Calico's eBPF data plane balance Services when a program connects: its configuration, or its agent's variables."""
    for item in (item for kind in FELIX for item in snapshot.all(kind) if name_of(item) == "default"):
        if _connects({key: str(value) for key, value in dig(item, "spec", default={}).items()}):
            yield item
    for agent in snapshot.lookup(kinds.DAEMON_SET, by_calico, "agent"):
        told = {
            str(item.get("name", "")).removeprefix("FELIX_"): str(item.get("value", ""))
            for container in containers_of(pod_template(agent)) for item in container.get("env") or []
        }
        if _connects(told):
            yield agent


def _connects(told: dict[str, str]) -> bool:
    """Whether settings turn eBPF on and leave balancing at connect time on, as it is by default."""
    values = {key.lower(): value.lower() for key, value in told.items()}
    off = values.get("bpfconnecttimeloadbalancing") == "disabled" or values.get("bpfconnecttimeloadbalancingenabled") == "false"
    return values.get("bpfenabled") == "true" and not off


def by_calico(workload: Obj) -> Iterator[str]:
    """Index of DaemonSets: ``agent`` for Calico's, recognised by its image."""
    images = (image_name(str(item.get("image", "")))[0] for item in containers_of(pod_template(workload)))
    if any(image == "calico/node" or image.endswith("/calico/node") for image in images):
        yield "agent"


def _translates(settings: dict[str, str]) -> bool:
    replaces = settings.get("kube-proxy-replacement", "").lower() in _REPLACING
    asked = settings.get("bpf-lb-sock", settings.get("enable-host-reachable-services", "")).lower() == "true"
    return (replaces or asked) and settings.get("bpf-lb-sock-hostns-only", "").lower() != "true"


def _settings(snapshot: Snapshot) -> Iterator[tuple[Obj, dict[str, str] | None]]:
    """Every agent and what it was told; ``None`` where its ConfigMap is not known."""
    for agent in snapshot.lookup(kinds.DAEMON_SET, by_agent, "agent"):
        found = snapshot.get(kinds.CONFIG_MAP, namespace_of(agent), _CONFIG)
        yield agent, None if found is None else {key: str(value) for key, value in dig(found, "data", default={}).items()}


def seen_address(snapshot: Snapshot, address: Address) -> Address:
    """What a sidecar sees of an address that its load balancer dials."""
    return "pod_ips" if address == "cluster_ip" and undoes_service_routing(snapshot) else address


def unclear_network(snapshot: Snapshot) -> tuple[str, ObjectRef] | None:
    """Why nobody knows what a sidecar sees of a Service's address, and the agent that decides; ``None`` where it is known."""
    for agent, settings in _settings(snapshot):
        if settings is None and namespace_of(agent) in snapshot.source.closed:
            return f"ConfigMap {_CONFIG} of {ref_of(agent)} cannot be read", ref_of(agent)
    for agent in snapshot.lookup(kinds.DAEMON_SET, by_calico, "agent") if not snapshot.readable(kinds.FELIX_CONFIGURATION) else ():
        return f"{kinds.FELIX_CONFIGURATION} cannot be read, and it says what {ref_of(agent)} does", ref_of(agent)
    return None


def about_network(snapshot: Snapshot) -> Iterator[Finding]:
    """Finding MLB107 where Service routing is undone, or where that cannot be told."""
    unclear = unclear_network(snapshot) if not snapshot.readable(kinds.FELIX_CONFIGURATION) else None
    if unclear:
        yield finding("MLB107", f"{unclear[0]}, so whether Service routing reaches the sidecar is not known", unclear[1])
    for agent, settings in _settings(snapshot):
        where = f"DaemonSet {namespace_of(agent)}/{name_of(agent)} (Cilium)"
        told_by = ObjectRef("v1", "ConfigMap", namespace_of(agent), _CONFIG)
        if settings is None:
            message = f"{where}: ConfigMap {_CONFIG} could not be read, so whether Service routing reaches the sidecar is not known"
            yield finding("MLB107", message, ref_of(agent), cause=told_by)
        elif _translates(settings):
            message = f"{where} balances Services in the pods' own sockets: bpf-lb-sock-hostns-only is not \"true\" in {_CONFIG}"
            yield finding("MLB107", message, ref_of(agent), cause=told_by)
    for item in _connecting(snapshot):
        message = f"{ref_of(item)} has Calico's eBPF data plane balance Services when a program connects (bpfConnectTimeLoadBalancing)"
        yield finding("MLB107", message, ref_of(item))
