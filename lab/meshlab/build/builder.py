# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds what a set of images and programs needs, in order, each with its own progress line."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from meshlab import packages, paths
from meshlab.build import cache, disk, go, layers, wheels
from meshlab.build.specs import Buildable, Image, Layer, Program, PythonPackages, RootFs, Wheel
from meshlab.progress import Progress

ROOTFS_GB = 0.6
LAYER_GB = 0.2


def needed(images: Iterable[Image], others: Iterable[Program | Wheel]) -> list[Buildable]:
    """Everything to have, each once, sources before the layers made of them."""
    ordered: list[Buildable] = list(others)
    wanted = [layer for image in images for layer in image.layers]
    for layer in wanted:
        if isinstance(layer, Layer):
            ordered.extend(layer.sources())
    ordered.extend(wanted)
    unique = {(item.name, item.artifact.key): item for item in ordered}
    return sorted(unique.values(), key=rank)


def rank(item: Buildable) -> int:
    """Quick things first, so that an early failure costs little; layers last."""
    order = {Wheel: 0, PythonPackages: 0, RootFs: 1, Program: 2, Layer: 3}
    return order[type(item)]


def missing(wanted: Iterable[Buildable]) -> list[Buildable]:
    """Those not in the cache yet."""
    return [item for item in wanted if not item.artifact.ready]


def mark_used(wanted: Iterable[Buildable]) -> None:
    """Note that these were asked for today, so that no build of another cluster deletes them as forgotten."""
    for item in wanted:
        if item.artifact.ready:
            os.utime(item.artifact.folder / cache.MARK)


def room(items: Iterable[Buildable]) -> float:
    """Gigabytes that building these takes at its highest, caches included."""
    total = 0.0
    for item in items:
        total += item.disk_gb if isinstance(item, Program) else ROOTFS_GB if isinstance(item, RootFs) else LAYER_GB
    return total


def title(item: Buildable) -> str:
    """The progress line of one build, with what to expect of the long ones."""
    if isinstance(item, Program):
        wait = f" (from cold about {item.minutes:.0f} min)" if item.minutes >= 1 else ""
        return f"build {item.name}{wait}"
    if isinstance(item, Wheel):
        return f"fetch {item.name} {item.version}"
    if isinstance(item, PythonPackages):
        return f"fetch {item.name}"
    if isinstance(item, RootFs):
        return f"build Debian {item.suite} for the images"
    return f"pack {item.artifact.name.replace('-', ' ', 1)}"


def build_one(item: Buildable, folder: Path) -> None:
    """Dispatch to the builder of the kind."""
    if isinstance(item, Program):
        go.build(item, folder)
    elif isinstance(item, Wheel):
        wheels.build(item, folder)
    elif isinstance(item, PythonPackages):
        wheels.install(item, folder)
    elif isinstance(item, RootFs):
        packages.install(packages.missing(packages.BUILD))
        layers.build_rootfs(item, folder)
    else:
        layers.build_layer(item, folder)


def build_all(wanted: Sequence[Buildable], progress: Progress, keep_caches: bool) -> None:
    """Build what is missing under a lock that all clusters share, then give back the room caches took."""

    def waiting() -> None:
        progress.note("another run is building: waiting for it")

    with cache.lock(paths.cache() / "lock", waiting):
        todo = missing(wanted)
        for item in todo:
            with progress.step(title(item)):
                item.artifact.ensure(lambda folder, item=item: build_one(item, folder))  # type: ignore[misc]
        if not keep_caches and any(isinstance(item, Program) for item in todo):
            disk.trim_go_caches()
        cache.prune(item.artifact.folder for item in wanted)
