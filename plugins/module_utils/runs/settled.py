# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding so that nobody else writes in between: what is written was planned while the run held its Lease.

A run that has nothing to write takes no Lease. That is safe: whatever others write at the same time, the cluster then is as if
this run had come before them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ..core.errors import Forbidden, MeshlbError, NotFound
from ..core.findings import finding
from ..core.model import Change, Finding, replace
from ..istio.mesh import read_mesh
from ..kube.lease import Claim
from .lock import Lock, this_run
from .session import Session
from .waiting import Clock


class HasChanges(Protocol):
    """What a run decided, as far as it matters here: whether there is anything to write."""

    @property
    def changes(self) -> Sequence[Change]: ...


Decision = TypeVar("Decision", bound=HasChanges)


@dataclass(frozen=True)
class Settled(Generic[Decision]):
    """What was read, and what was decided from it; ``findings`` are about other runs, and complete once all is done."""

    session: Session
    decision: Decision
    findings: Sequence[Finding] = ()


@contextmanager
def settled(
    module: str,
    read: Callable[[Session | None], Session],
    decide: Callable[[Session], Decision],
    namespaces: Iterable[str] = (),
    clock: Clock | None = None,
) -> Iterator[Settled[Decision]]:
    """What a run decides, for as long as it is carried out.

    A run that has something to write waits for its turn, then reads and decides again. ``namespaces`` are those that it is
    limited to. Raises :class:`MeshlbError` where another run does not end in time, and whatever reading and deciding raise.
    """
    session = read(None)
    decision = decide(session)
    if session.api is None or not session.writes_to_cluster or not decision.changes:
        yield Settled(session, decision)
        return
    namespace = session.options.lock_namespace or read_mesh(session.snapshot).root_namespace
    lock = Lock(session.api, namespace, Claim(this_run(), module, frozenset(namespaces)), clock or Clock())
    findings, held = _acquire(lock, session, namespace)
    if not held:
        yield Settled(session, decision, findings)
        return
    try:
        # Others may have written since this run read, even where there was nobody to wait for.
        session = replace(read(session), lock=lock)
        yield Settled(session, decide(session), findings)
    finally:
        left = lock.release()
        if isinstance(left, Forbidden):
            findings.append(_without_lease(namespace, left))


def _acquire(lock: Lock, session: Session, namespace: str) -> tuple[list[Finding], bool]:
    try:
        waited_for = lock.acquire(session.options.lock_timeout)
    except NotFound as error:
        if session.options.lock_namespace:
            message = f"lock_namespace is {namespace}, and no Lease can be made there: {error.message}"
            raise MeshlbError(message, "Name a namespace that exists.") from error
        return [_without_lease(namespace, error)], False
    except Forbidden as error:
        return [_without_lease(namespace, error)], False
    return [finding("MLB411", f"this run waited for {item}") for item in waited_for], True


def _without_lease(namespace: str, error: MeshlbError) -> Finding:
    message = f"Leases in {namespace} do not keep this run and others apart as they should: {error.message}"
    return finding("MLB410", message, details={"namespace": namespace})
