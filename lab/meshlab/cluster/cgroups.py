# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster's own cgroup, in every hierarchy of the machine."""

import contextlib
import os
from pathlib import Path

from meshlab.cluster.mounts import mounts
from meshlab.cluster.record import Cluster


def hierarchies() -> list[Path]:
    """Where cgroup file systems are mounted."""
    return [mount.point for mount in mounts() if mount.kind in ("cgroup", "cgroup2")]


def ensure(cluster: Cluster) -> None:
    """Make the parent that kubelet is told to use; kubelet itself insists that it exists."""
    for root in hierarchies():
        folder = root / cluster.netns
        with contextlib.suppress(OSError):
            if (root / "cgroup.controllers").exists():
                delegate(root)
            folder.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                inherit(root / name, folder / name)
            if (folder / "cgroup.controllers").exists():
                delegate(folder)


def delegate(folder: Path) -> None:
    """On version 2, hand a cgroup's controllers to its children."""
    for controller in (folder / "cgroup.controllers").read_text().split():
        with contextlib.suppress(OSError):
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def inherit(parent: Path, child: Path) -> None:
    """On version 1, a new cpuset is empty and would refuse every process."""
    if child.exists() and parent.exists() and not child.read_text().strip():
        child.write_text(parent.read_text())


def processes(cluster: Cluster) -> set[int]:
    """Every process in the cluster's cgroups: those are containers of the cluster and nothing else."""
    found: set[int] = set()
    for root in hierarchies():
        for folder, _folders, names in os.walk(root / cluster.netns):
            if "cgroup.procs" in names:
                with contextlib.suppress(OSError):
                    found.update(int(pid) for pid in (Path(folder) / "cgroup.procs").read_text().split())
    return found - {0}


def remove(cluster: Cluster) -> None:
    """Remove the cgroups, children first; processes must be gone."""
    for root in hierarchies():
        for folder, _folders, _names in os.walk(root / cluster.netns, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def left(cluster: Cluster) -> list[str]:
    """Cgroups that are still there."""
    return [str(root / cluster.netns) for root in hierarchies() if (root / cluster.netns).exists()]
