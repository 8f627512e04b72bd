# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts from a cluster, a webhook or a program, made safe to print.

A terminal obeys control characters, and characters of direction make a line look like another one. Each is replaced by its
escape, as in a string of Python, so that a reader sees that it was there. Other characters stay.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

_LAYOUT = frozenset("\n\t")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of control, format (which has those of direction), half, and line-separating characters."""
_LETTERS = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    """A text whose lines and columns are its own, and that holds nothing that a terminal obeys."""
    return text if text.isprintable() else "".join(char if char in _LAYOUT else _shown(char) for char in text)


def one_line(text: str) -> str:
    """The same on a single line, so that no part of it passes for another line of the output."""
    return text if text.isprintable() else "".join(map(_shown, " ".join(text.split("\n"))))


def listed(items: Collection[object], most: int, separator: str = ", ") -> str:
    """The first of many for a message, and how many more there are."""
    more = len(items) - most
    shown = separator.join(map(str, islice(items, most)))
    return shown if more <= 0 else f"{shown}{'' if separator == ', ' else separator.rstrip()} and {more} more"


def clipped(text: str, most: int = 200) -> str:
    """A part of a sentence, no longer than it can be read."""
    return text if len(text) <= most else f"{text[:most]}..."


def _shown(char: str) -> str:
    if char.isprintable() or unicodedata.category(char) not in _UNSEEN:
        return char
    code = ord(char)
    return _LETTERS.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def printable_result(value: Any) -> Any:
    """A result of a module in which every text is printable, keys of maps too."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable_result(key): printable_result(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [printable_result(item) for item in value]
    return value
