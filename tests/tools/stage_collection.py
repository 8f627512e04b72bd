# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lays the checkout out as Ansible wants to find a collection: <tree>/ansible_collections/meshlb/istio.

Two kinds of tree: `link` points at the checkout, for what only reads it (pytest, mypy, playbooks, molecule), so an edit
shows at once; `copy` holds the files that git would commit, for what walks the whole folder (ansible-test, the build), so
that left-overs of other tools are not taken for the project's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("link", "copy")


def cache_folder() -> Path:
    """The folder outside the checkout in which tools and trees are kept."""
    own = os.environ.get("MESHLB_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meshlb"


def tree_folder(root: Path, kind: str) -> Path:
    """Where a checkout's tree is: two checkouts on one machine must not share one."""
    key = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    return cache_folder() / f"tree-{key}" / kind


def committed_files(root: Path) -> Iterator[Path]:
    """Every file that git tracks or would add, relative to the checkout."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    for name in filter(None, listing.split("\0")):
        # A tracked file that somebody has deleted is still listed.
        if os.path.lexists(root / name):
            yield Path(name)


def differs(source: Path, target: Path) -> bool:
    """True unless the target is what copying the source would make of it."""
    if not os.path.lexists(target) or source.is_symlink() or target.is_symlink():
        return True
    old, new = target.stat(), source.stat()
    return (old.st_size, old.st_mtime_ns, old.st_mode) != (new.st_size, new.st_mtime_ns, new.st_mode)


def copy_file(source: Path, target: Path) -> None:
    """Copies one file or link, with its times, so that the next run can tell that nothing changed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        target.unlink()
    shutil.copy2(source, target, follow_symlinks=False)


def mirror(root: Path, target: Path) -> None:
    """Makes target hold exactly the files that git would commit."""
    if target.is_symlink():
        target.unlink()
    wanted = set(committed_files(root))
    # What is gone goes first: a file may now stand where a folder stood, and the other way round.
    for folder, subfolders, names in os.walk(target, topdown=False):
        for entry in names + [sub for sub in subfolders if (Path(folder) / sub).is_symlink()]:
            path = Path(folder) / entry
            if path.relative_to(target) not in wanted:
                path.unlink()
        if not os.listdir(folder):
            os.rmdir(folder)
    for name in wanted:
        if differs(root / name, target / name):
            copy_file(root / name, target / name)


def point(link: Path, target: Path) -> None:
    """Makes link lead to target, whatever it was before; another run may be doing the same."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.readlink() == target:
        return
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.symlink_to(target)
    fresh.replace(link)


def stage(kind: str, root: Path = ROOT) -> Path:
    """Lays out the tree and returns the folder to put on ANSIBLE_COLLECTIONS_PATH."""
    tree = tree_folder(root, kind)
    collections = tree / "ansible_collections"
    if kind == "link":
        point(collections / "meshlb" / "istio", root)
    else:
        mirror(root, collections / "meshlb" / "istio")
    # The ansible package brings the collections that this one depends on.
    installed = Path(sysconfig.get_path("purelib")) / "ansible_collections" / "kubernetes"
    if installed.is_dir():
        point(collections / "kubernetes", installed)
    return tree


def main() -> int:
    """Prints the folder for ANSIBLE_COLLECTIONS_PATH."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("kind", choices=KINDS, nargs="?", default="link")
    parser.add_argument("--where", action="store_true", help="only print the folder that holds this checkout's trees")
    options = parser.parse_args()
    folder = tree_folder(ROOT, options.kind).parent if options.where else stage(options.kind)
    sys.stdout.write(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
