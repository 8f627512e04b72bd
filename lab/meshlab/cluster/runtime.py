# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""containerd as the cluster uses it: importing images, finding and ending what it left running."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from meshlab.build import images
from meshlab.build.specs import Image
from meshlab.cluster import cgroups, mounts, processes
from meshlab.cluster.components import program
from meshlab.cluster.record import Cluster
from meshlab.errors import LabError
from meshlab.shell import run

RUNTIME_FOLDERS = ("containerd", "runc", "cni-addresses", "kubelet", "pod-logs")


def ctr(cluster: Cluster) -> list[str]:
    """The client, for the images and containers of Kubernetes."""
    return [program("ctr"), "-a", str(cluster.containerd_socket), "-n", "k8s.io"]


def answers(cluster: Cluster) -> bool:
    """Whether containerd serves."""
    return run([*ctr(cluster), "version"], check=False, timeout=10).returncode == 0


def to_import(cluster: Cluster, wanted: Sequence[Image]) -> list[Image]:
    """Images whose present build was not imported yet."""
    return [image for image in wanted if cluster.images.get(image.ref) != image.key]


def import_images(cluster: Cluster, wanted: Sequence[Image]) -> int:
    """Stream what is missing into containerd as one archive; returns how many images that were."""
    todo = to_import(cluster, wanted)
    if not todo:
        return 0
    log = cluster.state / "logs" / "import.log"
    with log.open("wb") as sink:
        argv = [*ctr(cluster), "images", "import", "-"]
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.STDOUT)
        assert child.stdin is not None
        try:
            images.write_archive(todo, child.stdin)
        except BrokenPipeError:
            pass
        finally:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
            code = child.wait()
    if code != 0:
        raise LabError(f"images could not be imported: {log.read_text(errors='replace').strip()[-500:]}")
    for image in todo:
        cluster.images[image.ref] = image.key
    return len(todo)


def shims(cluster: Cluster) -> dict[int, int]:
    """containerd's helpers of this cluster (one per pod), told by the socket they were given: pid and start time."""
    mine: dict[int, int] = {}
    socket = os.fsencode(str(cluster.containerd_socket))
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                argv = (entry / "cmdline").read_bytes().split(b"\0")
                if b"containerd-shim" in argv[0] and socket in argv:
                    mine[int(entry.name)] = processes.start_time(int(entry.name))
    return mine


def end_containers(cluster: Cluster) -> None:
    """End every container at once; the pods are to be gone, not to be told."""
    sockets = shim_sockets(cluster)
    for _dummy in range(3):
        victims = {pid: processes.start_time(pid) for pid in cgroups.processes(cluster)} | shims(cluster)
        if not victims:
            break
        for pid, start in victims.items():
            processes.signal_pid(pid, start, 9)
        for pid, start in victims.items():
            processes.wait_gone(pid, start, 5)
    for socket in sockets:
        socket.unlink(missing_ok=True)


def shim_sockets(cluster: Cluster) -> list[Path]:
    """Sockets of the helpers, which live in a folder all containerds share."""
    found = []
    for note in (cluster.state / "containerd" / "state").glob("io.containerd.runtime.v2.task/*/*/address"):
        with contextlib.suppress(OSError):
            found.append(Path(note.read_text().strip().removeprefix("unix://")))
    return [path for path in found if path.is_absolute() and path.parent.name == "s"]


def wipe(cluster: Cluster) -> None:
    """Forget all containers and images (not the cluster's objects): after a reboot they are ruins."""
    end_containers(cluster)
    left = mounts.unmount_below(cluster.state)
    if left:
        raise LabError(f"cannot unmount {left[0]}")
    for name in RUNTIME_FOLDERS:
        shutil.rmtree(cluster.state / name, ignore_errors=True)
    cluster.images.clear()
    cluster.save()
