# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time: a Lease for each run that writes.

A run registers its Lease first and looks for others after that. Of two that do so at once, at least one sees the other. It
withdraws or, if its Lease comes first by name, stays registered and waits. So two runs never hold overlapping Leases.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

from ..apply.writer import Writes
from ..core.errors import Conflict, MeshlbError, NotFound
from ..core.model import ObjectRef
from ..kube import kinds
from ..kube.lease import DEADLINE, RENEWAL, Claim, LeaseState, Watch, lease_body, lease_ref, lease_states, moment_of
from ..kube.objects import Obj
from .waiting import Clock


class Leases(Writes, Protocol):
    """What a lock needs of a client (:class:`kube.client.api.Api`)."""

    @property
    def server_time(self) -> float | None: ...


class Lock:
    """The Lease of one run in one namespace."""

    def __init__(self, api: Leases, namespace: str, claim: Claim, clock: Clock) -> None:
        self._api, self._claim, self._clock = api, claim, clock
        self.ref = lease_ref(namespace, secrets.token_hex(5))
        self._watch = Watch()
        self._registered = False
        self._renewed = 0.0
        self._gone = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self, timeout: float) -> list[str]:
        """Wait until no other run is at work on the same namespaces; gives the runs that were waited for.

        Raises :class:`MeshlbError`, which names the holder, if that takes more than ``timeout`` seconds, and the client's errors.
        """
        deadline = self._clock.now() + timeout
        met: list[str] = []
        try:
            while others := self._rivals():
                met += [str(item.claim) for item in others]
                if self._registered and self.ref.name > min(item.ref.name for item in others):
                    self._withdraw()
                left = deadline - self._clock.now()
                if left <= 0:
                    raise _busy(others[0], timeout)
                self._clock.sleep(min(self._clock.interval, left))
        except BaseException:
            self.release()
            raise
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()
        return list(dict.fromkeys(met))

    def _rivals(self) -> list[LeaseState]:
        """Runs that this one has to wait for. Without any, this one's Lease is registered, and was when it looked."""
        if self._registered:
            self._renew()
        if not self._registered:
            if found := self._others():
                return found
            self._register()
        return self._others()

    def _register(self) -> None:
        # Noted first, because the answer may be lost.
        self._registered = True
        self._api.create(lease_body(self.ref, self._claim, self._now()))
        # Where the right to renew is missing, it is better known now.
        self._touch()

    def _touch(self) -> None:
        asked = self._clock.now()
        self._api.json_patch(self.ref, [{"op": "replace", "path": "/spec/renewTime", "value": moment_of(self._now())}])
        self._renewed = asked

    def _renew(self) -> None:
        try:
            self._touch()
        except NotFound:
            self._registered = False

    def _others(self) -> list[LeaseState]:
        """Live Leases of other runs on the same namespaces; expired ones are removed."""
        found = lease_states(self._api.list(kinds.LEASE, self.ref.namespace))
        return [item for item in found if item.ref != self.ref and self._lives(item) and item.claim.overlaps(self._claim)]

    def _lives(self, lease: LeaseState) -> bool:
        if not self._watch.has_expired(lease, self._clock.now(), self._api.server_time):
            return True
        try:
            self._api.delete(lease.ref, lease.resource_version, lease.uid)
        except NotFound:
            return False
        except Conflict:
            return True
        return False

    def _withdraw(self) -> None:
        self._registered = False
        with suppress(NotFound):
            self._api.delete(self.ref)

    def _now(self) -> float:
        # By the API server's clock, which is the same for all runs.
        found = self._api.server_time
        return time.time() if found is None else found

    def _keep(self) -> None:
        """Renew the Lease until it is released, or lost."""
        while not self._stop.wait(RENEWAL) and not self._gone:
            # One failure is no loss: the next attempt is seconds away, and nothing is written long after the last success.
            with suppress(MeshlbError):
                self._renew()
                self._gone = not self._registered

    def demand(self) -> None:
        """Raise :class:`MeshlbError` where others may take this run for dead, so that it must write no more."""
        if self._gone or self._clock.now() - self._renewed > DEADLINE:
            raise MeshlbError(
                f"This run could not renew its {self.ref} in time, so another run may be at work by now.",
                "Run again, so that the plan is made from what is there now.", self.ref,
            )

    def release(self) -> MeshlbError | None:
        """Give the Lease back; gives the error where that does not work. Then it expires."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(RENEWAL)
        try:
            if self._registered:
                self._withdraw()
        except MeshlbError as error:
            return error
        return None


class Guarded:
    """A client that writes only while its run holds its Lease."""

    def __init__(self, api: Writes, demand: Callable[[], None]) -> None:
        self._api, self._demand = api, demand

    def get(self, ref: ObjectRef) -> Obj:
        return self._api.get(ref)

    def create(self, body: Obj, dry_run: bool = False) -> Obj:
        self._check(dry_run)
        return self._api.create(body, dry_run)

    def json_patch(self, ref: ObjectRef, operations: list[dict[str, Any]], dry_run: bool = False) -> Obj:
        self._check(dry_run)
        return self._api.json_patch(ref, operations, dry_run)

    def delete(self, ref: ObjectRef, resource_version: str = "", uid: str = "", dry_run: bool = False) -> None:
        self._check(dry_run)
        self._api.delete(ref, resource_version, uid, dry_run)

    def list(self, key: str, namespace: str = "") -> Iterable[Obj]:
        return self._api.list(key, namespace)

    def _check(self, dry_run: bool) -> None:
        if not dry_run:
            self._demand()


def this_run() -> str:
    """A name for this process by which somebody can find it: user, host and process id, and a word that no other run has."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}, process {os.getpid()}, {secrets.token_hex(3)}"


def _busy(other: LeaseState, timeout: float) -> MeshlbError:
    since = f" after {timeout:g} seconds of waiting" if timeout else ""
    return MeshlbError(
        f"Nothing was written, as another run is at work{since}: {other.claim}; its {other.ref} says so.",
        "Run again when that one has ended, or raise lock_timeout. The Lease of a run that was killed expires by itself within a minute.",
        other.ref, {"holder": other.claim.holder, "namespaces": sorted(other.claim.namespaces)},
    )
