# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that somebody else wrote, within bounds: what Python's parser gives up on costs a field, and not all that is beside it.

A number of very many digits, and what is nested too deeply, is :data:`shapes.UNREADABLE`: a field that nobody reads may be anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from .shapes import DEEPEST, MOST_DIGITS, UNREADABLE

_SIGN = re.compile(r'["{}\[\]]')
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STANDS_FOR = "-Infinity"

Pairs = list[tuple[str, Any]]


def from_json(text: str, pairs: Callable[[Pairs], Any] | None = None) -> Any:
    """The value of a JSON text. ``pairs`` makes a map of its keys and values. Raises ``ValueError``."""
    try:
        return json.loads(text, object_pairs_hook=pairs)
    except RecursionError:
        return json.loads(_flattened(text), object_pairs_hook=pairs, parse_int=_number)
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            raise
        # A number of more digits than Python turns into one.
        return json.loads(text, object_pairs_hook=pairs, parse_int=_number)


def json_map(text: str) -> dict[str, Any] | None:
    """The map that a text is, such as an annotation's; ``None`` where it is none, or cannot be read as a whole."""
    try:
        found = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else UNREADABLE


def _flattened(text: str) -> str:
    """The text with a sign in place of everything that is nested too deeply."""
    kept: list[str] = []
    depth = position = since = 0
    while True:
        found = _SIGN.search(text, position)
        if found is None:
            break
        sign, position = found.group(), found.end()
        if sign == '"':
            whole = _TEXT.match(text, found.start())
            position = whole.end() if whole else len(text)
        elif sign in "{[":
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(text[since : found.start()])
        else:
            depth -= 1
            if depth == DEEPEST:
                kept.append(_STANDS_FOR)
                since = position
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply, and ends in between")
    return "".join([*kept, text[since:]])
