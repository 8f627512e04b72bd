# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often, and for how long, a request is tried again. Only the clock is asked; whoever calls does the waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

REQUEST_TIMEOUT = 60.0
"""Seconds that one request may take, with all its attempts, where nobody says otherwise."""
THROTTLED = 429
BROKEN = frozenset({500, 502, 503, 504})
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
ATTEMPTS = 5
"""Of a request that the server fails to answer. One that it puts off is tried for as long as there is time."""


@dataclass
class Patience:
    """What one request may still cost. ``reads``: it changes nothing, so it may be sent again whatever became of it."""

    timeout: float
    reads: bool
    now: Callable[[], float] = time.monotonic
    attempts: int = 0
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.now()

    @property
    def left(self) -> float:
        """Seconds until the request has to be done."""
        return self.timeout - (self.now() - self.began)

    def after(self, status: int, retry_after: str) -> float | None:
        """Seconds to wait before the request is sent again, ``None`` where this answer is the last word."""
        if status == THROTTLED or (status == 503 and retry_after):
            return self._pause(seconds_of(retry_after), endless=status == THROTTLED)
        if status in BROKEN and self.reads:
            return self._pause(0.0)
        return None

    def after_failure(self, before_it_was_sent: bool) -> float | None:
        """The same where there was no answer. What may have arrived is sent again only if it changes nothing."""
        if before_it_was_sent:
            return self._pause(0.0, most=2)
        return self._pause(0.0, most=3) if self.reads else None

    def _pause(self, asked: float, *, most: int = ATTEMPTS, endless: bool = False) -> float | None:
        self.attempts += 1
        pause: float = min(max(asked, FIRST_PAUSE * 2.0 ** min(self.attempts - 1, 10)), LONGEST_PAUSE)
        if (self.attempts >= most and not endless) or pause >= self.left:
            return None
        return pause


def seconds_of(retry_after: str) -> float:
    """The pause that a Retry-After header asks for, in seconds or up to a date; 0 where it says neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[-12:]) if len(text) <= 12 else LONGEST_PAUSE
    date = http_date(text)
    return 0.0 if date is None else max(0.0, date - datetime.now(UTC).timestamp())


def http_date(text: str) -> float | None:
    """The time that a header names, in seconds since 1970; ``None`` where it names none."""
    try:
        date = parsedate_to_datetime(text)
        # A date without a zone is taken for UTC, as HTTP has it.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
