# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian packages the lab needs, installed only when one is missing."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from meshlab.errors import LabError
from meshlab.shell import run

#: What must be found (a command, or a file when it has a slash) and the package that brings it.
RUNTIME: Final[dict[str, str]] = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "iptables": "iptables",
    "nft": "nftables",
    "ip": "iproute2",
    "openssl": "openssl",
    "nsenter": "util-linux",
    "mount": "mount",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}
BUILD: Final[dict[str, str]] = {
    "mmdebstrap": "mmdebstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
SBIN: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def missing(wanted: dict[str, str]) -> list[str]:
    """Packages to install, each once, in a stable order."""
    return sorted({package for probe, package in wanted.items() if not present(probe)})


def present(probe: str) -> bool:
    """Whether a file exists or a command can be found, also by a user whose PATH lacks the sbin folders."""
    if probe.startswith("/"):
        return Path(probe).exists()
    return bool(shutil.which(probe)) or any((Path(folder) / probe).exists() for folder in SBIN)


def install(packages: Sequence[str]) -> None:
    """Install packages without asking anything; package lists are refreshed first, as they may be absent or old."""
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise LabError(f"missing packages: {' '.join(packages)} (no apt-get here to install them)")
    env = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    run(["apt-get", "-q", "update"], env=env)
    run(["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages], env=env)
