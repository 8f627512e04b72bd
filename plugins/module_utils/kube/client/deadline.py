# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An end for a conversation, however slowly the other side goes on: a socket's own timeout begins anew with each byte."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def in_time(work: Callable[[], T], seconds: float, discard: Callable[[T], object] = lambda found: None) -> T:
    """What ``work`` gives, for what nothing else can end: names that are resolved, and programs and packages that wait as they like.

    Raises what it raises, and ``TimeoutError`` after ``seconds``. It then goes on in a thread that no process waits for at its end, and
    what it still gives goes to ``discard``.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return future.result(max(seconds, 0.0))
    except TimeoutError:
        if future.done():
            # It ended just now, or raised a timeout of its own.
            return future.result()
        future.add_done_callback(lambda late: None if late.exception() else discard(late.result()))
        raise TimeoutError("timed out") from None


class Deadline:
    """A block that is left ``seconds`` after it was entered, at the latest, if all it waits for are sockets that it watches.

    At the end the connections are shut down, so that whoever reads from one meets its end. ``passed`` says that this is why.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._watched: list[Any] = []
        self._copies: list[socket.socket] = []
        self._lock = threading.Lock()
        self._ends = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return self._ends - time.monotonic()

    def watch(self, watched: Any) -> None:
        """End this socket too; or what ``watched.sock`` is by then, for a connection that makes its socket later."""
        with self._lock:
            self._watched.append(watched)
        if self.passed:
            self._end()

    def watch_copy(self, made: socket.socket) -> None:
        """End what this socket is connected to, whoever takes the socket over (as TLS does) or lets go of it (as http.client does)."""
        copy = socket.socket(fileno=os.dup(made.fileno()))
        self._copies.append(copy)
        self.watch(copy)

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()
        with self._lock:
            for item in self._copies:
                self._watched.remove(item)
                item.close()

    def _end(self) -> None:
        self.passed = True
        with self._lock:
            for item in self._watched:
                _shut_down(item if isinstance(item, socket.socket) else getattr(item, "sock", None))


def _shut_down(found: Any) -> None:
    if isinstance(found, socket.socket):
        with suppress(OSError):  # closed already, or not yet connected
            # Not the method of a TLS socket, which would turn it into a plain one under its reader's hands.
            socket.socket.shutdown(found, socket.SHUT_RDWR)
