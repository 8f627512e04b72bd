# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each command does."""

import json
import sys
from pathlib import Path

from meshlab import addons, packages, paths
from meshlab import kinds as vendor_kinds
from meshlab import oracle as istio_oracle
from meshlab.addons.base import Addon
from meshlab.build import builder, disk
from meshlab.build.cache import lock
from meshlab.build.specs import Buildable
from meshlab.cluster import cleanup, components, core, health, host, lifecycle
from meshlab.cluster.record import Cluster, check_name, load, load_or_allocate
from meshlab.errors import LabError, UsageError
from meshlab.progress import Progress
from meshlab.report import image_rows, print_images, print_status, status_document


def external() -> str | None:
    """The kubeconfig that stands in for the lab; a clear error when the file is not there."""
    path = paths.external_kubeconfig()
    if path and not Path(path).is_file():
        raise UsageError(f"MESHLB_KUBECONFIG names {path}, which is no file")
    return path


def recorded(name: str) -> Cluster:
    """The cluster of that name, which must exist."""
    cluster = load(check_name(name))
    if not cluster:
        raise LabError(f"there is no cluster {name!r}; 'lab up --name {name}' makes it")
    return cluster


def up(name: str, extra: list[str], prepare: list[str], keep_caches: bool) -> int:
    """Make or repair a cluster."""
    check_name(name)
    if external():
        print(f"MESHLB_KUBECONFIG is set: the cluster of {external()} is used, nothing is started")
        return 0
    progress = Progress(0)
    waiting = f"another 'lab up' or 'lab down' of {name} runs: waiting for it"
    with lock(cluster_lock(name), lambda: progress.note(waiting)):
        try:
            return up_locked(name, extra, prepare, keep_caches, progress)
        finally:
            if not (paths.state_root() / name).exists():
                cluster_lock(name).unlink(missing_ok=True)


def cluster_lock(name: str) -> Path:
    """The lock of one cluster; beside its folder, as 'down' removes that."""
    return paths.NETNS_FOLDER.parent / f"meshlb-lab-{name}.lock"


def up_locked(name: str, extra: list[str], prepare: list[str], keep_caches: bool, progress: Progress) -> int:
    """The work of 'up', under the cluster's lock."""
    lacking = packages.missing(packages.RUNTIME)
    known = load(name)
    before = list(known.addons) if known else []
    installed = addons.select(before, extra)
    prepared = addons.select(known.prepared if known else [], prepare)
    wanted = everything(installed, prepared)
    missing = builder.missing(wanted)
    builder.mark_used(wanted)
    if known and not lacking and not missing and already_well(known, installed, prepared):
        print(f"cluster {name} is up (nothing to do, {progress.elapsed:.1f} s)")
        return 0
    new_cluster = 0 if known and known.images else disk.CLUSTER_GB
    disk.check(disk.requirements(builder.room(missing), new_cluster))
    progress.total = bool(lacking) + len(missing) + lifecycle.STEPS + len(installed) + 1
    if lacking:
        with progress.step(f"install packages: {' '.join(lacking)}"):
            packages.install(lacking)
    if missing:
        builder.build_all(wanted, progress, keep_caches)
    if not known and cleanup.remove_traces(name):
        progress.note(f"leftovers of an earlier cluster {name} were removed")
    host.remember()
    cluster = load_or_allocate(name)
    cluster.prepared = sorted({*cluster.prepared, *prepare})
    lifecycle.bring_up(cluster, installed, prepared, progress)
    print(f"cluster {name} is up after {progress.elapsed:.1f} s; kubeconfig: {cluster.kubeconfig}")
    return 0


def everything(installed: list[Addon], prepared: list[Addon]) -> list[Buildable]:
    """All that must be built for these addons."""
    both = [*installed, *prepared]
    programs = [program for addon in both for program in addon.programs]
    return builder.needed(lifecycle.images_of(both), [*core.WHEELS, *core.PROGRAMS, *programs])


def already_well(cluster: Cluster, installed: list[Addon], prepared: list[Addon]) -> bool:
    """Whether there is nothing to do."""
    images = lifecycle.images_of([*installed, *prepared])
    imported = all(cluster.images.get(image.ref) == image.key for image in images)
    return imported and not health.problems(cluster, installed)


def down(name: str) -> int:
    """Remove a cluster."""
    check_name(name)
    if external():
        print("MESHLB_KUBECONFIG is set: nothing was started, nothing is removed")
        return 0
    path = cluster_lock(name)
    with lock(path, lambda: Progress(0).note(f"another 'lab up' or 'lab down' of {name} runs: waiting for it")):
        try:
            cluster = load(name)
        except LabError:
            cluster = Cluster(name, index=-1)
        if not cluster:
            found = cleanup.remove_traces(name)
            print(f"there is no cluster {name}" + ("; what an earlier one left is removed" if found else ""))
        else:
            left = cleanup.remove(cluster)
            if left:
                raise LabError(f"could not be removed: {', '.join(left)}")
            print(f"cluster {name} is gone")
        path.unlink(missing_ok=True)
    return 0


def installed_addons(cluster: Cluster) -> list[Addon]:
    """The addons this cluster is to have."""
    return addons.select(list(cluster.addons))


def status(name: str, as_json: bool) -> int:
    """Describe a cluster; the exit code tells its health."""
    path = external()
    if path:
        document: dict[str, object] = {"external": True, "kubeconfig": path}
        print(json.dumps(document, indent=1) if as_json else f"external cluster, kubeconfig: {path}")
        return 0
    cluster = recorded(name)
    document = status_document(cluster, installed_addons(cluster))
    print(json.dumps(document, indent=1)) if as_json else print_status(document)
    return 0 if document["healthy"] else 1


def kubeconfig(name: str) -> int:
    """Print the path of the kubeconfig."""
    path = external()
    if not path:
        cluster = recorded(name)
        if not cluster.kubeconfig.exists():
            raise LabError(f"cluster {name!r} was not finished; 'lab up --name {name}' goes on")
        path = str(cluster.kubeconfig)
    print(path)
    return 0


def images(name: str, as_json: bool) -> int:
    """List the images of all addons, built or not."""
    rows = image_rows(load(check_name(name)))
    print(json.dumps(rows, indent=1)) if as_json else print_images(rows)
    return 0


def kinds(built: bool, as_json: bool, keep_caches: bool) -> int:
    """Get the kinds of load balancers that cannot run here, and say where they are."""
    if not built:
        vendor_kinds.build(keep_caches)
    found = {name: str(path) for name, path in vendor_kinds.folders().items()}
    print(json.dumps(found, indent=1)) if as_json else print("\n".join(f"{name:<29} {path}" for name, path in found.items()))
    return 0


def oracle(built: bool, keep_caches: bool, envoy: bool, istio: str) -> int:
    """Build the program that answers with Istio's own code, and say where it is, or where Envoy is."""
    if not built:
        istio_oracle.build(keep_caches, istio)
    if path := istio_oracle.envoy() if envoy else istio_oracle.binary(istio):
        print(path)
    return 0


def known(component: str) -> str:
    """The name of a component; an error that lists them where there is none of that name."""
    if component not in components.NAMES:
        raise UsageError(f"unknown component {component!r}; known are: {', '.join(components.NAMES)}")
    return component


def restart(name: str, component: str) -> int:
    """Restart one component of the cluster."""
    wanted = known(component)
    lifecycle.restart(recorded(name), wanted)
    return 0


def logs(name: str, component: str, lines: int) -> int:
    """Print a component's log."""
    known(component)
    path = lifecycle.log_path(recorded(name), component)
    if not path.exists():
        raise LabError(f"{component} has not written anything yet")
    if lines:
        print(lifecycle.tail(path, lines))
        return 0
    with path.open(errors="replace") as log:
        for line in log:
            sys.stdout.write(line)
    return 0
