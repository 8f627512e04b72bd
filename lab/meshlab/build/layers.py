# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image layers: a Debian root file system by mmdebstrap, everything else written straight into a tar."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from meshlab.build.specs import Item, Layer, RootFs
from meshlab.shell import run

TAR = "layer.tar"
FACTS = "layer.json"


def build_rootfs(rootfs: RootFs, folder: Path) -> None:
    """Install a minimal Debian; manuals and package lists are of no use in a container."""
    run(
        [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            "--skip=output/dev",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            f"--include={','.join(rootfs.packages)}",
            rootfs.suite,
            folder / TAR,
        ],
        env={"SOURCE_DATE_EPOCH": "0", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
    )
    write_facts(folder)


def build_layer(layer: Layer, folder: Path) -> None:
    """Write a layer's items into its tar."""
    with tarfile.open(folder / TAR, "w", format=tarfile.PAX_FORMAT) as tar:
        made: set[str] = set()
        for item in layer.items:
            add_parents(tar, item.path, made)
            add_item(tar, item, made)
    write_facts(folder)


def add_item(tar: tarfile.TarFile, item: Item, made: set[str]) -> None:
    """Add one item; a folder is added with all that is below it."""
    if item.link:
        entry = header(item.path, tarfile.SYMTYPE, 0o777, item.owner)
        entry.linkname = item.link
        tar.addfile(entry)
    elif item.source is None:
        add_folder(tar, item.path, item.owner, made)
    else:
        origin = item.source if isinstance(item.source, Path) else item.source.artifact.folder
        add_tree(tar, origin / item.member if item.member else origin, item, made)


def add_tree(tar: tarfile.TarFile, origin: Path, item: Item, made: set[str]) -> None:
    """Add a file, or a folder's files under the item's path."""
    if not origin.is_dir():
        add_file(tar, origin, item.path, item)
        return
    add_folder(tar, item.path, item.owner, made)
    for path in sorted(origin.rglob("*")):
        name = f"{item.path}/{path.relative_to(origin).as_posix()}"
        if path.is_dir():
            add_folder(tar, name, item.owner, made)
        else:
            add_file(tar, path, name, item)


def add_file(tar: tarfile.TarFile, origin: Path, name: str, item: Item) -> None:
    """Add one regular file, edited when the item says so; binaries are streamed."""
    mode = 0o755 if origin.stat().st_mode & 0o111 else 0o644
    entry = header(name, tarfile.REGTYPE, mode, item.owner)
    if item.edit:
        data = item.edit(origin.read_text()).encode()
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
        return
    entry.size = origin.stat().st_size
    with origin.open("rb") as handle:
        tar.addfile(entry, handle)


def add_parents(tar: tarfile.TarFile, name: str, made: set[str]) -> None:
    """Add the folders above a path, where the layer below may not have them."""
    for parent in reversed(Path(name).parents):
        if parent.as_posix() != ".":
            add_folder(tar, parent.as_posix(), 0, made)


def add_folder(tar: tarfile.TarFile, name: str, owner: int, made: set[str]) -> None:
    """Add a folder once, unless it is one that every Debian layer has (tmp must keep its mode)."""
    if name in made or name in {"tmp", "usr", "etc", "var", "run", "bin", "sbin", "lib", "usr/bin", "usr/sbin"}:
        return
    made.add(name)
    tar.addfile(header(name, tarfile.DIRTYPE, 0o755, owner))


def header(name: str, kind: bytes, mode: int, owner: int) -> tarfile.TarInfo:
    """A tar entry without anything that differs between two runs."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid, entry.mtime = kind, mode, owner, owner, 0
    return entry


def write_facts(folder: Path) -> None:
    """Note the layer's digest and size beside it; images refer to layers by digest."""
    sha = hashlib.sha256()
    tar = folder / TAR
    with tar.open("rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            sha.update(block)
    (folder / FACTS).write_text(json.dumps({"digest": f"sha256:{sha.hexdigest()}", "size": tar.stat().st_size}))


def facts(layer: Layer | RootFs) -> tuple[str, int]:
    """Digest and size of a built layer."""
    said = json.loads((layer.artifact.folder / FACTS).read_text())
    return str(said["digest"]), int(said["size"])
