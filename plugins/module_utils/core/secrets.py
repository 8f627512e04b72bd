# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials that a run met, and texts without them: what nobody wrote for people (an error of some library) may quote anything."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SHORTEST = 4
_MET: set[str] = set()
_BY_THEIR_LOOKS = re.compile(
    r"(?<=Bearer )\S+|(?<=Basic )\S+|eyJ[\w-]{8,}(?:\.[\w-]+)*|(?<=://)[^/@\s'\"]+(?=@)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?|LS0tLS1CRUdJTi[\w+/=]+"
)
_HIDDEN = "(hidden)"


def note_secret(text: object) -> None:
    """Remember a credential, so that :func:`without_secrets` knows it wherever it appears."""
    if isinstance(text, str) and len(text) >= _SHORTEST:
        _MET.add(text)


def note_secrets(found: object) -> None:
    """The same for every text of a section with credentials, such as a kubeconfig's user."""
    if isinstance(found, Mapping):
        for name, value in found.items():
            # A program that logs in, and its arguments, are in people's messages; so is who somebody is.
            if name not in ("exec", "username", "as", "as-groups", "name"):
                note_secrets(value)
    else:
        note_secret(found)


def without_secrets(text: str) -> str:
    """A text in which credentials are hidden: those that were noted, and what looks like one."""
    for secret in sorted(_MET, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return _BY_THEIR_LOOKS.sub(_HIDDEN, text)
