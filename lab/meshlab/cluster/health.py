# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a cluster; an empty list means that nothing is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

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
    """Per addon, its deployments and daemon sets that are missing or have too few ready pods.

    The pods are counted themselves: what a workload says of them is old after its controller was away.
    """
    objects = kubectl.items(cluster, "deployments,daemonsets,pods")
    pods = [item for item in objects if item["kind"] == "Pod" and pod_ready(item)]
    good = {
        (item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])
        for item in objects
        if item["kind"] != "Pod" and rolled_out(item, pods)
    }
    found: dict[str, list[str]] = {}
    for addon in addons:
        wanted = [("Deployment", *place) for place in addon.deployments] + [("DaemonSet", *place) for place in addon.daemon_sets]
        lacking = [f"{namespace}/{name}" for kind, namespace, name in wanted if (kind, namespace, name) not in good]
        if lacking:
            found[addon.name] = lacking
    return found


def pod_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod is ready and not about to go."""
    conditions = {entry["type"]: entry["status"] for entry in pod.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def rolled_out(workload: dict[str, Any], pods: Sequence[dict[str, Any]]) -> bool:
    """Whether a workload runs what it says, with enough ready pods and none of an older kind."""
    meta, spec, status = workload["metadata"], workload["spec"], workload.get("status", {})
    per_node = workload["kind"] == "DaemonSet"
    wanted = status.get("desiredNumberScheduled", 1) if per_node else spec.get("replicas", 1)
    updated, present = ("updatedNumberScheduled", "currentNumberScheduled") if per_node else ("updatedReplicas", "replicas")
    labels = spec["selector"].get("matchLabels", {}).items()
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        return False
    if status.get(updated, 0) < wanted or status.get(present, 0) > wanted:
        return False
    here = [pod["metadata"] for pod in pods if pod["metadata"]["namespace"] == meta["namespace"]]
    return bool(sum(labels <= pod.get("labels", {}).items() for pod in here) >= wanted)


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
