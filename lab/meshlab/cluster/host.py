# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cluster changes on the machine outside its folder, and how that is taken back with the last cluster."""

import contextlib
import json
import re
import shutil
from pathlib import Path
from typing import Final

from meshlab import paths
from meshlab.cluster import mounts
from meshlab.cluster.record import Cluster, all_clusters

#: Kernel settings that kubelet insists on setting.
SETTINGS: Final = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
                   "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes")  # fmt: skip
#: Folders whose place kubelet, containerd and the CNI library do not let anyone choose.
FOLDERS: Final = tuple(Path(name) for name in ("/var/lib/kubelet", "/var/log/containers", "/var/lib/cni", "/run/containerd", "/etc/cni"))
POD: Final = re.compile("[0-9a-f]{64}")
#: Files that kubelet leaves in its folder.
LEFTOVERS: Final = ("device-plugins/kubelet.sock", "device-plugins/kubelet_internal_checkpoint", "device-plugins/DEPRECATION")


def note() -> Path:
    """Where the machine's state before the first cluster is remembered."""
    return paths.state_root() / "host.json"


def remember() -> None:
    """Before the first cluster: note kernel settings and which of the shared folders are there already."""
    if note().exists():
        return
    settings = {}
    for name in SETTINGS:
        with contextlib.suppress(OSError):
            settings[name] = (Path("/proc/sys") / name).read_text().strip()
    before = {"settings": settings, "folders": [str(folder) for folder in FOLDERS if folder.exists()]}
    paths.state_root().mkdir(parents=True, exist_ok=True)
    note().write_text(json.dumps(before, indent=1))


def forget_cluster(cluster: Cluster) -> None:
    """Remove this cluster's entries from the shared folders."""
    results = Path("/var/lib/cni/results")
    for path in results.glob(f"{cluster.netns}-*-eth0"):
        pod = path.name.removeprefix(f"{cluster.netns}-").removesuffix("-eth0")
        if POD.fullmatch(pod):  # and not one of a cluster whose name begins with this one's
            path.unlink(missing_ok=True)
            (results / f"cni-loopback-{pod}-lo").unlink(missing_ok=True)
    for path in Path("/var/log/containers").glob("*.log"):
        if path.is_symlink() and str(path.readlink()).startswith(f"{cluster.state}/"):
            path.unlink(missing_ok=True)


def restore() -> None:
    """After the last cluster: put kernel settings back and remove shared folders that were not there before."""
    if all_clusters() or not note().exists():
        return
    before = json.loads(note().read_text())
    for name, value in before["settings"].items():
        with contextlib.suppress(OSError):
            (Path("/proc/sys") / name).write_text(value)
    for folder in FOLDERS:
        if str(folder) not in before["folders"]:
            for name in LEFTOVERS:
                (folder / name).unlink(missing_ok=True)
            remove_if_empty(folder)
    if paths.NETNS_FOLDER.is_mount() and not any(paths.NETNS_FOLDER.iterdir()):
        mounts.unmount(paths.NETNS_FOLDER)
    note().unlink()
    for path in (paths.state_root() / "lock", paths.state_root()):
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()


def remove_if_empty(folder: Path) -> None:
    """Remove a folder tree that holds no file."""
    if folder.exists() and not any(path.is_file() or path.is_socket() for path in folder.rglob("*")):
        shutil.rmtree(folder, ignore_errors=True)
