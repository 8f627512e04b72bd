# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools whose connections end with the time of the request that they are used for, from the first packet to the last byte of the answer.

A pool's own timeouts begin anew with each byte that comes, so a server that sends one now and then is never done.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .deadline import Deadline, in_time

_ours = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """A block whose requests of this thread, by pools of :func:`with_an_end`, are broken off after ``seconds``.

    What came by then may look like a whole answer: ``passed`` of the deadline says that it is none.
    """
    with Deadline(seconds) as deadline:
        _ours.deadline = deadline
        try:
            yield deadline
        finally:
            _ours.deadline = None


def with_an_end(classes: Mapping[str, Any]) -> dict[str, Any]:
    """The pools by scheme, as urllib3 keeps them, each with connections that are watched."""
    return {scheme: _watched(pool) for scheme, pool in classes.items()}


def _watch(found: Any) -> None:
    deadline = getattr(_ours, "deadline", None)
    if deadline is not None and isinstance(found, socket.socket) and found.fileno() >= 0:
        deadline.watch_copy(found)


def _watched(pool: Any) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        """One that is watched while it is made, too: TLS takes its socket over, and names may take their time to be resolved."""

        def _new_conn(self) -> Any:
            make, deadline = super()._new_conn, getattr(_ours, "deadline", None)
            made = make() if deadline is None else in_time(make, deadline.left, lambda late: late.close())
            _watch(made)
            return made

    class Pool(pool):  # type: ignore[misc]
        """Its connections are kept, so one may have been made for an earlier request."""

        ConnectionCls = Connection

        def _get_conn(self, timeout: float | None = None) -> Any:
            found = super()._get_conn(timeout)
            _watch(getattr(found, "sock", None))
            return found

    return Pool
