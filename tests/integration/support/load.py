# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Constant load: what was lost while something changed."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle, takewhile

from .traffic import Answer, Entry, Target, ask, connect, exchange, unanswered

# Seconds between a client's requests: without it the clients take the processors that the load balancer and the run need.
PAUSE = 0.02
# A connection that is closed while nobody uses it; whoever sends on it at that moment gets no answer.
CLOSED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class Load:
    """Requests all the time until it ends: half of the clients make a connection for each, the others keep theirs."""

    def __init__(self, entry: Entry, targets: Sequence[Target], together: int = 4) -> None:
        self.answers: list[Answer] = []
        self.kept: list[Answer] = []
        """Answers on connections that are kept."""
        self.resent: list[Target] = []
        """Requests on a kept connection that was closed before a byte of an answer: they were sent again, as HTTP clients do."""
        self._entry, self._targets, self._over = entry, targets, threading.Event()
        clients = [self._ask, self._ask_again] * together
        self._threads = [threading.Thread(target=client, args=(number,), daemon=True) for number, client in enumerate(clients)]

    def _in_turn(self, first: int) -> Iterator[Target]:
        start = first % len(self._targets)
        return takewhile(lambda target: not self._over.wait(PAUSE), cycle([*self._targets[start:], *self._targets[:start]]))

    def _ask(self, first: int) -> None:
        for target in self._in_turn(first):
            self.answers.append(ask(self._entry, target))

    def _ask_again(self, first: int) -> None:
        connection = connect(self._entry)
        for target in self._in_turn(first):
            used = connection.sock is not None
            try:
                answer = exchange(connection, target)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                answer = self._again(target) if used and isinstance(error, CLOSED) else unanswered(error)
            self.kept.append(answer)
        connection.close()

    def _again(self, target: Target) -> Answer:
        self.resent.append(target)
        return ask(self._entry, target)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def count(self) -> int:
        """How many requests there have been so far."""
        return len(self.answers) + len(self.kept)

    def lost(self) -> list[Answer]:
        """Requests that the application did not answer."""
        return [answer for answer in (*self.answers, *self.kept) if answer.status != 200 or not answer.app]

    def causes(self) -> Counter[str]:
        """What came instead of an answer, and how often."""
        return Counter(answer.error or f"status {answer.status}" for answer in self.lost())

    def summary(self) -> str:
        """One line: how many there were, and what became of those that were lost."""
        found = self.causes()
        how = f" ({', '.join(f'{what}: {count}' for what, count in sorted(found.items()))})" if found else ""
        kept = f"{len(self.kept)} on kept connections, of which {len(self.resent)} were sent again"
        return f"{len(self.answers)} requests, and {kept}; {len(self.lost())} lost{how}"
