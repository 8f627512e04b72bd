# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RFC 6901 JSON pointers: paths into an object, as text."""

from __future__ import annotations

from collections.abc import Iterable

Steps = tuple[str, ...]


def pointer(path: Iterable[str | int]) -> str:
    """The pointer of a path."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def steps_of(text: str) -> Steps:
    """The steps of a pointer, all of them as text."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])
