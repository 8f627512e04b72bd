# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Room on disk: checked before anything is written, and given back after a build."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from meshlab import paths
from meshlab.errors import UsageError

#: Room for image archives while they are made, and for one cluster's images and data.
CLUSTER_GB: Final = 4.0


def nearest_existing(path: Path) -> Path:
    """The folder itself or its closest ancestor that exists, as free space can only be asked of those."""
    while not path.exists():
        path = path.parent
    return path


def free_gb(path: Path) -> float:
    """Free space for this user, in decimal gigabytes."""
    return shutil.disk_usage(nearest_existing(path)).free / 1e9


def requirements(build_gb: float, cluster_gb: float) -> list[tuple[Path, float]]:
    """What is needed where; cache and state on one file system are added up."""
    cache, state = nearest_existing(paths.cache()), nearest_existing(paths.state_root())
    if os.stat(cache).st_dev == os.stat(state).st_dev:
        return [(cache, build_gb + cluster_gb)]
    return [(cache, build_gb), (state, cluster_gb)]


def check(wanted: Iterable[tuple[Path, float]]) -> None:
    """Refuse with one clear line when a file system is too full."""
    for path, need in wanted:
        have = free_gb(path)
        if have < need:
            raise UsageError(shortage(path, need, have))


def shortage(path: Path, need: float, have: float) -> str:
    """The message: what is missing, where, and the two ways out."""
    return (
        f"not enough disk space: {need:.1f} GB needed at {path}, {have:.1f} GB free "
        "(free some, or set MESHLB_LAB_CACHE and MESHLB_LAB_STATE to a larger disk)"
    )


def size_gb(root: Path) -> float:
    """Space taken by a folder, hard links counted once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for folder, _folders, names in os.walk(root):
        for name in names:
            info = os.lstat(os.path.join(folder, name))
            if (info.st_dev, info.st_ino) not in seen:
                seen.add((info.st_dev, info.st_ino))
                total += info.st_blocks * 512
    return total / 1e9


def trim_go_caches() -> None:
    """Delete the lab's own Go caches (never the user's); module files may be read-only."""

    def writable(function: object, path: str, dummy: object) -> None:
        os.chmod(os.path.dirname(path), 0o755)
        os.chmod(path, 0o755)
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)

    if paths.go_caches().exists():
        shutil.rmtree(paths.go_caches(), onerror=writable)
