# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbered steps with their durations, so that a 20-minute build never looks stuck."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Step:
    """Handle given to the body of a step, for the remark at the end of its line."""

    def __init__(self) -> None:
        self.remark = ""


class Progress:
    """Prints 'step k of n' lines on standard error; the total is known before the first step."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        self.total = total
        self.done = 0
        self.quiet = quiet
        self.begun = time.monotonic()

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """One step: its name is shown at once, its duration when it ends (also when it fails)."""
        self.done += 1
        width = len(str(self.total))
        self._write(f"[{self.done:>{width}}/{self.total}] {what} ... ")
        begun = time.monotonic()
        handle = Step()
        try:
            yield handle
        except BaseException:
            self._write(f"failed after {time.monotonic() - begun:.1f} s\n")
            raise
        remark = f" ({handle.remark})" if handle.remark else ""
        self._write(f"{time.monotonic() - begun:.1f} s{remark}\n")

    def note(self, text: str) -> None:
        """A line between two steps."""
        self._write(text + "\n")

    @property
    def elapsed(self) -> float:
        """Seconds since the first step was announced."""
        return time.monotonic() - self.begun

    def _write(self, text: str) -> None:
        if not self.quiet:
            sys.stderr.write(text)
            sys.stderr.flush()
