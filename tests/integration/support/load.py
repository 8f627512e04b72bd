# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Constant load: what was lost while something changed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from itertools import cycle

from .traffic import Answer, Entry, Target, ask


class Load:
    """Requests without a pause, each on a connection of its own, until it ends."""

    def __init__(self, entry: Entry, targets: Sequence[Target], together: int = 4) -> None:
        self.answers: list[Answer] = []
        self._entry, self._targets, self._over = entry, targets, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,), daemon=True) for number in range(together)]

    def _ask(self, first: int) -> None:
        for target in cycle([*self._targets[first % len(self._targets) :], *self._targets[: first % len(self._targets)]]):
            if self._over.is_set():
                return
            self.answers.append(ask(self._entry, target))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def lost(self) -> list[Answer]:
        """Requests that the application did not answer."""
        return [answer for answer in self.answers if answer.status != 200 or not answer.app]

    def summary(self) -> str:
        """One line: how many there were, and what became of those that were lost."""
        found = Counter(answer.status for answer in self.lost())
        how = f" ({', '.join(f'status {status}: {count}' for status, count in sorted(found.items()))})" if found else ""
        return f"{len(self.answers)} requests, {len(self.lost())} lost{how}"
