# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removing a cluster, whatever state it is in: running, half dead, or only leftovers of a killed run."""

import contextlib
import shutil
import signal

from meshlab import paths
from meshlab.build.cache import lock
from meshlab.cluster import cgroups, components, host, mounts, network, processes, runtime
from meshlab.cluster.record import Cluster
from meshlab.errors import LabError


def stop_processes(cluster: Cluster) -> None:
    """Stop the node's processes, all told at once; containers keep running under their shims."""
    run = cluster.state / "run"
    for name in reversed(components.NAMES):
        process = processes.load(run, name)
        if process and processes.alive(process):
            processes.signal_pid(process.pid, process.start, signal.SIGTERM)
    for name in reversed(components.NAMES):
        processes.stop(run, name, patience=2)


def strays(cluster: Cluster) -> dict[int, int]:
    """Components that run although their record is lost: programs whose command line names the cluster's folder."""
    found: dict[int, int] = {}
    inode = network.namespace_inode(cluster)
    for pid in pids():
        with contextlib.suppress(OSError):
            words = (processes.PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
            mine = any(str(cluster.state) + "/" in word for word in words[1:])
            if inode and mine and network.process_namespace(pid) == inode:
                found[pid] = processes.start_time(pid)
    return found


def pids() -> list[int]:
    """Every process of the machine."""
    return [int(entry.name) for entry in processes.PROC.iterdir() if entry.name.isdigit()]


def stop_strays(cluster: Cluster) -> int:
    """End components without a record; they would hold ports and sockets."""
    known = {
        process.pid for name in components.NAMES if (process := processes.load(cluster.state / "run", name)) and processes.alive(process)
    }
    shims = runtime.shims(cluster)
    victims = {pid: start for pid, start in strays(cluster).items() if pid not in known and pid not in shims}
    for pid, start in victims.items():
        processes.end(pid, start, 5)
    return len(victims)


def stop_all(cluster: Cluster) -> None:
    """Stop components and containers, and unmount what they mounted."""
    stop_processes(cluster)
    stop_strays(cluster)
    runtime.end_containers(cluster)
    left = mounts.unmount_below(cluster.state)
    if left:
        raise LabError(f"cannot unmount {left[0]}")
    cgroups.remove(cluster)


def remove(cluster: Cluster) -> list[str]:
    """Remove the cluster and return what, against expectation, is left of it."""
    stop_all(cluster)
    host.forget_cluster(cluster)
    network.remove(cluster)
    with lock(paths.state_root() / "lock"):
        for _dummy in range(3):
            shutil.rmtree(cluster.state, ignore_errors=True)
        left = leftovers(cluster)
        host.restore()
    return left


def remove_traces(name: str) -> bool:
    """Remove what a cluster of this name left whose record is lost; True when there was something."""
    cluster = Cluster(name, index=-1)
    if not leftovers(cluster):
        return False
    left = remove(cluster)
    if left:
        raise LabError(f"could not be removed: {', '.join(left)}")
    return True


def traces(cluster: Cluster) -> list[str]:
    """Signs of a cluster of this name that need no record to be found."""
    found = [f"mount {point}" for point in mounts.below(cluster.state)]
    found += [f"cgroup {path}" for path in cgroups.left(cluster)]
    found += [f"process {pid}" for pid in runtime.shims(cluster)]
    found += [f"network namespace {cluster.netns}"] if network.namespace_inode(cluster) else []
    return found


def leftovers(cluster: Cluster) -> list[str]:
    """What still exists of a cluster."""
    found = traces(cluster)
    found += [f"link {cluster.host_link}"] if cluster.host_link in network.links() else []
    found += [f"folder {cluster.state}"] if cluster.state.exists() else []
    return found
