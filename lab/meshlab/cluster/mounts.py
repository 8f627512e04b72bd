# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mounts below a cluster's folder: container roots, volumes, pods' network namespaces."""

import ctypes
import os
import re
from dataclasses import dataclass
from pathlib import Path

MNT_DETACH = 2


@dataclass(frozen=True)
class Mount:
    """A line of the mount table."""

    point: Path
    kind: str


def parse(text: str) -> list[Mount]:
    """Read the format of /proc/self/mountinfo, where blanks in names are written as octal numbers."""
    found = []
    for line in text.splitlines():
        left, dummy, right = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), left.split()[4])
        found.append(Mount(Path(point), right.split()[0]))
    return found


def mounts() -> list[Mount]:
    """Every mount of this process's mount namespace."""
    return parse(Path("/proc/self/mountinfo").read_text())


def below(folder: Path) -> list[Path]:
    """Mount points below a folder, the latest first, so that each can be unmounted in turn."""
    return [mount.point for mount in reversed(mounts()) if folder in mount.point.parents]


def unmount_below(folder: Path) -> list[Path]:
    """Unmount everything below a folder, also what is still busy; return what could not be."""
    for point in below(folder):
        unmount(point)
    return below(folder)


def unmount(point: Path) -> bool:
    """Detach one mount."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.umount2(os.fsencode(point), MNT_DETACH) == 0)
