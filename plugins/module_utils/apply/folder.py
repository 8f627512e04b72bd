# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in one folder that somebody else may have filled: nothing is read or written through a link, and nothing beside the folder."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def present_files(folder: str, header: str) -> dict[str, str]:
    """The texts of the regular ``*.yaml`` files in a folder that begin with ``header``, by name. Raises ``OSError``."""
    if not os.path.isdir(folder):
        return {}
    found = {}
    with _opened(folder) as place:
        for name in sorted(os.listdir(folder)):
            text = _text_of(name, place, header) if name.endswith(".yaml") else ""
            if text:
                found[name] = text
    return found


@contextlib.contextmanager
def _opened(folder: str) -> Iterator[int]:
    """The folder itself, so that all that follows stays in it whatever becomes of its path."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield place
    finally:
        os.close(place)


def _text_of(name: str, place: int, header: str) -> str:
    """What a file holds, empty where it is none of ours."""
    if not stat.S_ISREG(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode):
        return ""
    with open(os.open(name, _READ, dir_fd=place), "rb") as stream:
        start = stream.read(len(header.encode()))
        if start != header.encode():
            return ""
        return (start + stream.read()).decode("utf-8", "replace")


def update_folder(folder: str, fresh: Mapping[str, str], stale: Sequence[str], last: str) -> None:
    """Write and remove files. The one called ``last`` is written when all others are there, and before any is removed.

    Raises ``OSError``; whatever ``last`` names is there at any time.
    """
    if not fresh and not stale:
        return
    os.makedirs(folder, exist_ok=True)
    with _opened(folder) as place:
        for name in sorted(fresh, key=lambda item: item == last):
            _write(name, fresh[name], place)
        for name in stale:
            os.remove(name, dir_fd=place)


def _write(name: str, text: str, place: int) -> None:
    """Write a file in one step: a tool that watches the folder never sees half of it."""
    if os.path.basename(name) != name:
        raise ValueError(f"{name!r} is no name of a file")
    new = f".{name}.new"
    # One that a run left behind when it was ended; of a link, the link itself goes.
    with contextlib.suppress(FileNotFoundError):
        os.remove(new, dir_fd=place)
    with open(os.open(new, _NEW, 0o666, dir_fd=place), "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(new, name, src_dir_fd=place, dst_dir_fd=place)
