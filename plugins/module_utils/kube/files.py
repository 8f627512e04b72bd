# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the manifests option: every one is read or told about, and nothing that is no file is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from ..core.errors import ManifestError

ENDINGS = (".yaml", ".yml", ".json")
SKIPPED = frozenset({"kustomization.yaml", "kustomization.yml"})
LARGEST = 100 * 1024 * 1024
"""Bytes of one file."""


def manifest_files(paths: Sequence[str]) -> Iterator[str]:
    """Each file once: those that are named, and those below folders that are named, through links too."""
    seen: set[str] = set()
    for path in paths:
        for file in _files_of(path):
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield file


def _files_of(path: str) -> Iterator[str]:
    if "\0" in path or not os.path.lexists(path):
        raise ManifestError(f"There is no file or folder {path!r}.", "Correct the path in the manifests option.")
    if not os.path.isdir(path):
        yield path
        return
    entered: set[str] = set()
    for folder, folders, names in os.walk(path, onerror=_unreadable, followlinks=True):
        # A link that leads back up would be followed without end.
        real = os.path.realpath(folder)
        folders[:] = [] if real in entered else sorted(folders)
        if real not in entered:
            entered.add(real)
            for name in sorted(names):
                if name.lower().endswith(ENDINGS) and name.lower() not in SKIPPED:
                    yield os.path.join(folder, name)


def _unreadable(error: OSError) -> None:
    message = f"Folder {error.filename} cannot be read: {error.strerror}."
    raise ManifestError(message, "Grant the right to read it, or leave it out.") from error


def text_of(file: str) -> str:
    """What a file holds. Raises :class:`ManifestError` where it is none, is too large, cannot be read, or is no text."""
    try:
        # Without waiting: a pipe that nobody writes to would never be opened.
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as stream:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise ManifestError(f"{file} is no regular file.", "Remove it from the folder, or name the files that are meant.")
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise ManifestError(f"{file} cannot be read: {error.strerror or error}.") from error
    if len(data) > LARGEST:
        raise ManifestError(f"{file} has more than {LARGEST // 1024**2} MiB.", "Divide it, or leave it out.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{file} cannot be read: {error}.") from error
