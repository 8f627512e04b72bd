# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what somebody else wrote: an error that one object causes is that object's, and ends nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

DATA_ERRORS = (TypeError, ValueError, AttributeError, LookupError, RecursionError)
"""What code raises that meets data of another form than it knows. Anything else is not the data's fault, and is not caught."""


class NotUnderstood(ValueError):
    """What an object says is not understood, or is more than is followed. ``code`` is the finding's."""

    def __init__(self, message: str, code: str = "MLB115") -> None:
        super().__init__(message)
        self.code = code


def attempt(read: Callable[[], Iterable[T]]) -> tuple[list[T], Exception | None]:
    """What is read, or nothing and the error that the data caused."""
    try:
        return list(read()), None
    except DATA_ERRORS as error:
        return [], error


def why(error: Exception) -> str:
    """An error of the data in a sentence; one that was not foreseen says so."""
    if isinstance(error, NotUnderstood):
        return str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"it has a form that this collection did not expect ({type(error).__name__}: {str(error)[:200]}); please report it"
