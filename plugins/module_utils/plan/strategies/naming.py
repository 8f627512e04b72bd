# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Valid names for what is made, out of texts that need not be valid."""

from __future__ import annotations

import hashlib
import re

_HASHED = re.compile(r".{40,}-[0-9a-f]{8}")


def is_hashed(name: str) -> bool:
    """Whether :func:`object_name` may have cut a text to make this name."""
    return _HASHED.fullmatch(name) is not None


def object_name(text: str, limit: int = 63) -> str:
    """A valid object name that says what it is for; one that is cut or not spelled alike ends in a hash, so as to stay distinct."""
    cleaned = re.sub(r"[^a-z0-9.-]+", "-", text.lower().replace("*", "wildcard")).strip("-.")
    if cleaned == text and len(cleaned) <= limit:
        return cleaned
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{cleaned[: limit - 9].rstrip('-.')}-{digest}"
