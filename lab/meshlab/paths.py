# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where things are: the checkout, the cache (shared by all clusters) and the state (one folder per cluster)."""

import os
from pathlib import Path
from typing import Final

LAB: Final = Path(__file__).resolve().parent.parent
GO_PROGRAMS: Final = LAB / "go"
MANIFESTS: Final = LAB / "manifests"
IMAGE_FILES: Final = LAB / "images"
NETNS_FOLDER: Final = Path("/run/netns")


def cache() -> Path:
    """Folder for what was downloaded or built; may be deleted at any time when no cluster runs."""
    chosen = os.environ.get("MESHLB_LAB_CACHE")
    if chosen:
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base).absolute() / "meshlb-lab"


def built() -> Path:
    """What stays after a build: binaries, charts, image layers; one folder per artifact and key."""
    return cache() / "built"


def go_caches() -> Path:
    """Go's module cache, build cache and (where the machine has no Go) toolchain; trimmed after a build."""
    return cache() / "go"


def state_root() -> Path:
    """Folder of all clusters' run-time state."""
    return Path(os.environ.get("MESHLB_LAB_STATE") or "/var/lib/meshlb-lab").absolute()


def external_kubeconfig() -> str | None:
    """The kubeconfig of a cluster that stands in for the lab's own, when the user named one."""
    return os.environ.get("MESHLB_KUBECONFIG") or None
