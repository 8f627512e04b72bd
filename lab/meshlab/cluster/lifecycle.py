# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing a cluster up from whatever state it is in."""

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from meshlab.addons.base import Addon
from meshlab.build.specs import Image
from meshlab.cluster import cgroups, cleanup, components, config, core, health, kubectl, network, pki, processes, runtime
from meshlab.cluster.record import Cluster
from meshlab.errors import LabError
from meshlab.progress import Progress
from meshlab.shell import run

#: Lines of progress that 'bring_up' prints besides one per addon.
STEPS = 4
STALE_PODS = "stale-pods"


def images_of(addons: Sequence[Addon]) -> list[Image]:
    """Images to have in the cluster, each once."""
    found = list(core.IMAGES)
    for addon in addons:
        found.extend(image for image in addon.images if image not in found)
    return found


def bring_up(cluster: Cluster, installed: Sequence[Addon], prepared: Sequence[Addon], progress: Progress) -> None:
    """Repair or make everything, in order; a store that does not come back is given up, once, and said so."""
    before = progress.done
    try:
        start_node(cluster, [*installed, *prepared], progress)
    except LabError as error:
        if not (cluster.state / "etcd" / "member").exists() or not cluster.addons:
            raise
        progress.note(f"the recorded state is inconsistent ({first_line(error)}): starting with an empty cluster")
        progress.total += progress.done - before
        start_over(cluster)
        start_node(cluster, [*installed, *prepared], progress)
    for addon in installed:
        with progress.step(f"install {addon.name}") as step:
            step.remark = install(cluster, addon)
    with progress.step("wait for all pods"):
        wait_available(cluster, installed)


def first_line(error: Exception) -> str:
    """Enough of an error for a remark."""
    return str(error).splitlines()[0][:120]


def start_over(cluster: Cluster) -> None:
    """Empty the cluster, keeping its name and ranges."""
    cleanup.stop_all(cluster)
    runtime.wipe(cluster)
    for name in ("etcd", "pki", "run"):
        shutil.rmtree(cluster.state / name, ignore_errors=True)
    (cluster.state / STALE_PODS).unlink(missing_ok=True)
    cluster.addons.clear()
    cluster.save()


def recover(cluster: Cluster) -> str:
    """Clear away what a killed run or a reboot left behind; says what was found."""
    running = [name for name in components.NAMES if processes.alive(processes.load(cluster.state / "run", name))]
    namespace = network.namespace_inode(cluster)
    misplaced = [name for name in running if not in_namespace(cluster, name, namespace)]
    if misplaced:
        cleanup.stop_all(cluster)
        discard_pods(cluster)
        return "the network namespace was lost: everything restarted from the stored state"
    cleanup.stop_strays(cluster)
    if running or not (cluster.state / "etcd" / "member").exists():
        return ""
    if runtime.shims(cluster) and namespace:
        return "all components had stopped: restarted, pods kept"
    cleanup.stop_all(cluster)
    discard_pods(cluster)
    return "nothing was running: restarted from the stored state"


def discard_pods(cluster: Cluster) -> None:
    """Drop all containers; their pods, which the store still calls ready, are replaced once the API server is there."""
    runtime.wipe(cluster)
    (cluster.state / STALE_PODS).touch()


def replace_stale_pods(cluster: Cluster) -> None:
    """Delete pods that have no containers any more; their controllers make new ones."""
    kubectl.kubectl(cluster, "delete", "pods", "-A", "--all", "--force", "--grace-period=0", "--wait=false")
    (cluster.state / STALE_PODS).unlink()


def in_namespace(cluster: Cluster, name: str, namespace: int) -> bool:
    """Whether a running component is in the cluster's present namespace."""
    process = processes.load(cluster.state / "run", name)
    return bool(process and namespace and network.process_namespace(process.pid) == namespace)


def start_node(cluster: Cluster, addons: Sequence[Addon], progress: Progress) -> None:
    """Network, certificates, control plane, images and node."""
    with progress.step("network and certificates") as step:
        step.remark = recover(cluster)
        cluster.boot_id = processes.boot_id()
        network.ensure(cluster)
        pki.ensure(cluster)
        config.write_all(cluster)
        cgroups.ensure(cluster)
        cluster.save()
    with ThreadPoolExecutor(max_workers=1) as pool:
        with progress.step("control plane"):
            ensure_running(cluster, "containerd")
            note_replaced_images(cluster, addons)
            importing = pool.submit(runtime.import_images, cluster, images_of(addons))
            start_control_plane(cluster)
        with progress.step("images") as step:
            step.remark = imported(importing)
            cluster.save()
    with progress.step("node"):
        begun = time.time()
        fresh = ensure_running(cluster, "kubelet")
        ensure_running(cluster, "proxy")
        since = begun if fresh else 0.0
        wait(cluster, "kubelet", "the node", lambda: not health.node_problems(cluster, since), 60)


def note_replaced_images(cluster: Cluster, addons: Sequence[Addon]) -> None:
    """Remember addons whose running pods use an image that is about to be replaced under the same name."""
    replaced = {ref for image in runtime.to_import(cluster, images_of(addons)) if (ref := image.ref) in cluster.images}
    for addon in addons:
        if addon.name not in cluster.stale and any(image.ref in replaced for image in addon.images):
            cluster.stale.append(addon.name)
    cluster.save()


def imported(importing: "Future[int]") -> str:
    """Wait for the import; the remark says how many images it brought."""
    count = importing.result()
    return f"{count} imported" if count else "all there"


def start_control_plane(cluster: Cluster) -> None:
    """Store, API server, controllers, scheduler."""
    ensure_running(cluster, "etcd")
    ensure_running(cluster, "apiserver")
    kubectl.kubectl(cluster, "apply", "--server-side", "-f", "-", stdin=PROXY_ROLE)
    if (cluster.state / STALE_PODS).exists():
        replace_stale_pods(cluster)
    ensure_running(cluster, "controller-manager")
    ensure_running(cluster, "scheduler")


def etcd_answers(cluster: Cluster) -> bool:
    """Whether the store serves; it listens inside the node's network only."""
    client = str(core.ETCD.artifact.folder / "bin" / "etcdctl")
    argv = [*network.enter(cluster), client, "--endpoints", components.ETCD_URL, "endpoint", "health"]
    return run(argv, check=False, timeout=10).returncode == 0


PROXY_ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "lab:node-proxier"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:node-proxier"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:kube-proxy"}]
"""


#: Whether components serve, of those that say so.
PROBES: dict[str, Callable[[Cluster], bool]] = {"containerd": runtime.answers, "etcd": etcd_answers, "apiserver": kubectl.ready}


def ensure_running(cluster: Cluster, name: str) -> bool:
    """Start a component that does not run, or runs with older settings, and wait until it serves; True if started."""
    wanted = components.component(cluster, name)
    folder = cluster.state / "run"
    process = processes.load(folder, name)
    started = not processes.alive(process) or bool(process and process.spec != processes.spec_of(wanted.argv))
    if started:
        processes.stop(folder, name)
        processes.start(folder, name, wanted.argv, log_path(cluster, name), network.enter(cluster))
    if name in PROBES:
        wait(cluster, name, name, lambda: PROBES[name](cluster), 60)
    return started


def restart(cluster: Cluster, name: str) -> None:
    """Kill a component, as a crash would, start it again, and wait until it serves."""
    processes.stop(cluster.state / "run", name, patience=0)
    for attempts_left in (2, 1, 0):
        try:
            ensure_running(cluster, name)
            return
        except LabError:
            # The kernel closes the ports of a killed process a moment after it is gone.
            if not attempts_left:
                raise
            time.sleep(1)


def wait(cluster: Cluster, name: str, what: str, ready: Callable[[], bool], seconds: float) -> None:
    """Wait for readiness; a component that ended meanwhile is an error at once, with its last words."""
    limit = time.monotonic() + seconds
    while not ready():
        if not processes.alive(processes.load(cluster.state / "run", name)):
            raise LabError(f"{name} ended: {tail(log_path(cluster, name), 3)}")
        if time.monotonic() > limit:
            raise LabError(f"{what} is not ready after {seconds:.0f} s; see 'lab logs {name}'")
        time.sleep(0.2)


def log_path(cluster: Cluster, name: str) -> Path:
    """A component's log."""
    return cluster.state / "logs" / f"{name}.log"


def tail(path: Path, lines: int) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


def wait_available(cluster: Cluster, addons: Sequence[Addon], seconds: float = 180) -> None:
    """Wait until all deployments of addons have their pods."""
    limit = time.monotonic() + seconds
    while lacking := health.unavailable(cluster, addons):
        if time.monotonic() > limit:
            names = [name for group in lacking.values() for name in group]
            raise LabError(f"not available after {seconds:.0f} s: {', '.join(names)}")
        time.sleep(0.5)


def install(cluster: Cluster, addon: Addon) -> str:
    """Install an addon unless it is there from the same inputs and available; the remark says what was done."""
    digest = addon.digest(cluster)
    before = cluster.addons.get(addon.name)
    if before == digest and not health.unavailable(cluster, [addon]):
        return "there"
    addon.install(cluster)
    if addon.name in cluster.stale:
        kubectl.restart(cluster, addon.deployments, addon.daemon_sets)
        cluster.stale.remove(addon.name)
    if addon.name in ("coredns", "istio"):
        wait_available(cluster, [addon])
    cluster.addons[addon.name] = digest
    cluster.save()
    return "" if before is None else "again"
