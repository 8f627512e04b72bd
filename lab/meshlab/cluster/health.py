# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a cluster; an empty list means that nothing is."""

from collections.abc import Sequence
from datetime import datetime

from meshlab.addons.base import Addon
from meshlab.cluster import components, kubectl, network, processes
from meshlab.cluster.record import Cluster


def process_problems(cluster: Cluster) -> list[str]:
    """Components that do not run, run in another network, or run with other settings than they should."""
    found = []
    inode = network.namespace_inode(cluster)
    for name in components.NAMES:
        process = processes.load(cluster.state / "run", name)
        if not process or not processes.alive(process):
            found.append(f"{name} is not running")
        elif network.process_namespace(process.pid) != inode:
            found.append(f"{name} runs in a network namespace that is gone")
        elif process.spec != processes.spec_of(components.component(cluster, name).argv):
            found.append(f"{name} runs with older settings")
    return found


def node_problems(cluster: Cluster, since: float = 0.0) -> list[str]:
    """The API server's and the node's own word; what the node said before a given time does not count."""
    if not kubectl.ready(cluster):
        return ["the API server is not ready"]
    for node in kubectl.items(cluster, "nodes"):
        if node["metadata"]["name"] == cluster.name:
            ready = {entry["type"]: entry for entry in node["status"].get("conditions", [])}.get("Ready", {})
            spoken = ready.get("status") == "True" and seconds(ready["lastHeartbeatTime"]) >= int(since)
            return [] if spoken else ["the node is not ready"]
    return ["the node is not registered"]


def seconds(stamp: str) -> float:
    """A time as Kubernetes writes it, in seconds."""
    return datetime.fromisoformat(stamp).timestamp()


def unavailable(cluster: Cluster, addons: Sequence[Addon]) -> dict[str, list[str]]:
    """Per addon, its deployments that are missing or have too few pods."""
    have = {}
    for item in kubectl.items(cluster, "deployments"):
        meta, status, wanted = item["metadata"], item.get("status", {}), item["spec"].get("replicas", 1)
        fresh = status.get("observedGeneration", 0) >= meta.get("generation", 0)
        have[meta["namespace"], meta["name"]] = fresh and status.get("availableReplicas", 0) >= wanted
    found: dict[str, list[str]] = {}
    for addon in addons:
        lacking = [f"{namespace}/{name}" for namespace, name in addon.deployments if not have.get((namespace, name))]
        if lacking:
            found[addon.name] = lacking
    return found


def outdated(cluster: Cluster, addons: Sequence[Addon]) -> list[str]:
    """Addons that were not installed, or from other files than the present ones."""
    return [addon.name for addon in addons if cluster.addons.get(addon.name) != addon.digest(cluster)]


def problems(cluster: Cluster, addons: Sequence[Addon]) -> list[str]:
    """Everything that is wrong, the lowest layer first; layers above a broken one are not asked."""
    found = network.problems(cluster) + process_problems(cluster)
    found = found or node_problems(cluster)
    if found:
        return found
    found = [f"addon {name} is not installed as it should be" for name in outdated(cluster, addons)]
    for name, lacking in unavailable(cluster, addons).items():
        found.append(f"addon {name} is not available: {', '.join(lacking)}")
    return found
