# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors with a readable sentence: which object, which field, what was found; and a hint that says what would be right.

There are subclasses only where a caller treats one differently. They are turned into a module's failure in one place,
``runs.session.outcome``.
"""

from __future__ import annotations

from typing import Any

from .model import ObjectRef
from .printable import one_line


class MeshlbError(Exception):
    """Anything that keeps a run from its result and that its user can do something about.

    ``message`` is one sentence or two, ``hint`` says what would be right, ``details`` holds what a machine may want.
    """

    def __init__(
        self, message: str, hint: str = "", object: ObjectRef | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.object = object
        self.details = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def to_result(self) -> dict[str, Any]:
        """``{msg, hint, object, details}``, as a failed module returns it."""
        return {
            "msg": one_line(str(self)),
            "hint": one_line(self.hint),
            "object": self.object.to_result() if self.object else {},
            "details": self.details,
        }


class MissingLibrary(MeshlbError):
    """A Python package is absent or too old on the machine that runs the module."""


class ManifestError(MeshlbError):
    """A file of manifests cannot be understood; the message names file, document and line."""


class OutOfBounds(MeshlbError):
    """An answer did not end within its bounds of time and bytes; nothing of it is used."""


class WriteError(MeshlbError):
    """A write failed; ``details`` holds ``done``, ``failed`` and ``not_tried``."""


class ApiError(MeshlbError):
    """The API server answered with an error; ``status`` is the HTTP status, 0 where there was no answer."""

    status = 0


class ApiUnreachable(ApiError):
    """No answer: refused, timed out, not resolved, or TLS failed."""


class Unauthorized(ApiError):
    """The credentials were refused or have expired."""

    status = 401


class Forbidden(ApiError):
    """The credentials are good, but may not do this."""

    status = 403


class NotFound(ApiError):
    """There is no such object, or no such kind."""

    status = 404


class Conflict(ApiError):
    """The object was changed (or created) by somebody else in the meantime."""

    status = 409


class Gone(ApiError):
    """A paged list has expired on the server and has to be started again."""

    status = 410


class Rejected(ApiError):
    """The API server or an admission webhook refuses the content; ``webhook`` is the webhook's name, if it was one."""

    status = 422

    def __init__(
        self,
        message: str,
        hint: str = "",
        object: ObjectRef | None = None,
        details: dict[str, Any] | None = None,
        webhook: str = "",
    ) -> None:
        super().__init__(message, hint, object, details)
        self.webhook = webhook


class DryRunUnsupported(ApiError):
    """An admission webhook cannot take part in a dry run."""

    status = 400
