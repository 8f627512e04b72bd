# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that asks Istio's own code what becomes of requests: go/oracle. It runs without a cluster; tests/oracle speaks to it."""

from pathlib import Path
from typing import Final

from meshlab.build import builder
from meshlab.build.specs import Program
from meshlab.progress import Progress

PROGRAM: Final = Program(name="oracle", packages={"oracle": "."}, minutes=15, disk_gb=4.0)


def binary() -> Path | None:
    """The program, where it is built for the sources of this checkout."""
    path = PROGRAM.artifact.folder / "bin" / "oracle"
    return path if PROGRAM.artifact.ready else None


def build(keep_caches: bool) -> None:
    """Build it unless it is there."""
    missing = builder.missing([PROGRAM])
    builder.mark_used([PROGRAM])
    if missing:
        builder.build_all(missing, Progress(len(missing)), keep_caches)
