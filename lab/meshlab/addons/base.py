# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an addon is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from meshlab.build.cache import digest_tree, key_of
from meshlab.build.specs import Image, Program
from meshlab.cluster.record import Cluster


@dataclass(frozen=True)
class Chart:
    """A Helm chart that a program's modules carry."""

    program: Program
    asset: str

    @property
    def path(self) -> Path:
        """Where the chart is, once the program was built."""
        return self.program.artifact.folder / "assets" / self.asset


@dataclass(frozen=True)
class Addon:
    """Something installed into the cluster: what it needs, how it is installed, how its health shows."""

    name: str
    install: Callable[[Cluster], None]
    images: tuple[Image, ...] = ()
    programs: tuple[Program, ...] = ()
    needs: tuple[str, ...] = ()  # addons that are installed before it
    inputs: tuple[Path, ...] = ()  # files whose change means: install again
    deployments: tuple[tuple[str, str], ...] = ()  # namespace and name; must be available
    daemon_sets: tuple[tuple[str, str], ...] = ()  # likewise
    charts: Mapping[str, Chart] = field(default_factory=dict)
    binaries: Mapping[str, tuple[Program, str]] = field(default_factory=dict)
    always: bool = False

    def digest(self, cluster: Cluster) -> str:
        """Hash of everything that decides what is installed on this cluster."""
        images = [image.key for image in self.images]
        programs = [program.artifact.key for program in self.programs]
        return key_of(self.name, images, programs, [digest_tree(path) for path in self.inputs], cluster.index)
