# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The artifact cache: a folder per artifact, named by a key of everything that went into it."""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meshlab import paths

MARK: Final = ".complete"
KEEP_UNUSED_DAYS: Final = 7


def key_of(*parts: object) -> str:
    """Short key of JSON-like values; equal inputs give equal keys on every machine."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_tree(root: Path, keep: Callable[[Path], bool] = lambda path: True) -> str:
    """Digest of a file, or of all files below a folder with their relative names and executable bits."""
    sha = hashlib.sha256()
    for path in sorted(files_below(root)):
        if not keep(path):
            continue
        name = path.relative_to(root).as_posix() if path != root else path.name
        sha.update(f"{name}\0{os.access(path, os.X_OK)}\0".encode())
        sha.update(hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()


def files_below(root: Path) -> Iterable[Path]:
    """The file itself, or every regular file below a folder (no byte code)."""
    if root.is_file():
        return [root]
    return [path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@dataclass(frozen=True)
class Artifact:
    """Something built once per key."""

    name: str
    key: str

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return paths.built() / f"{self.name}-{self.key}"

    @property
    def ready(self) -> bool:
        """Whether it is complete; an interrupted build never is."""
        return (self.folder / MARK).exists()

    def ensure(self, build: Callable[[Path], None]) -> bool:
        """Build it in a folder aside and move that into place; True when there was something to do."""
        if self.ready:
            return False
        aside = self.folder.with_name(self.folder.name + ".part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        build(aside)
        (aside / MARK).touch()
        shutil.rmtree(self.folder, ignore_errors=True)
        aside.rename(self.folder)
        return True


def prune(in_use: Iterable[Path], now: float | None = None) -> list[str]:
    """Delete artifacts of older keys that nothing asked for lately, and unfinished ones; return their names."""
    keep = {folder.name for folder in in_use}
    limit = (now if now is not None else time.time()) - KEEP_UNUSED_DAYS * 86400
    gone: list[str] = []
    for folder in sorted(paths.built().glob("*")):
        mark = folder / MARK
        if folder.name in keep or (mark.exists() and mark.stat().st_mtime > limit):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        gone.append(folder.name)
    return gone


@contextmanager
def lock(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold an exclusive lock; it goes away with the process, so a killed run leaves none behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
