# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that write at the same time: who waits for whom, for how long, and what becomes of runs that died."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import ApiUnreachable, Conflict, Forbidden, MeshlbError, NotFound
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.kube.lease import (
    DEADLINE,
    DURATION,
    WATCH,
    Claim,
    lease_body,
    lease_ref,
    moment_of,
)
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import time_in
from ansible_collections.meshlb.istio.plugins.module_utils.runs import lock as locks
from ansible_collections.meshlb.istio.plugins.module_utils.runs.lock import Guarded, Lock, this_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs.waiting import Clock

Obj = dict[str, Any]
EPOCH = 1_900_000_000.0


@dataclass
class Time:
    """A clock that goes on only while somebody sleeps; ``at`` does something at a moment."""

    passed: float = 0.0
    at: dict[float, Callable[[], None]] = field(default_factory=dict)

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        for moment in [moment for moment in sorted(self.at) if moment <= self.passed]:
            self.at.pop(moment)()

    def clock(self) -> Clock:
        return Clock(lambda: self.passed, self.sleep)


@dataclass
class Server:
    """Leases in memory. ``refuse`` names the actions that are forbidden; without ``clock`` no answer has a time."""

    clock: Time = field(default_factory=Time)
    tells_time: bool = True
    refuse: tuple[str, ...] = ()
    leases: dict[str, Obj] = field(default_factory=dict)
    version: int = 0
    log: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=threading.RLock)

    @property
    def server_time(self) -> float | None:
        return EPOCH + self.clock.passed if self.tells_time else None

    def asked(self, action: str) -> None:
        self.log.append(action)
        if action in self.refuse:
            raise Forbidden(f"Not allowed to {action} Lease.")

    def list(self, key: str, namespace: str = "") -> Iterable[Obj]:
        self.asked("list")
        with self.lock:
            return [item for item in self.leases.values() if item["metadata"]["namespace"] == namespace]

    def get(self, ref: ObjectRef) -> Obj:
        raise AssertionError("nobody needs to get a Lease")

    def create(self, body: Obj, dry_run: bool = False) -> Obj:
        self.asked("create")
        return self.put(body)

    def put(self, body: Obj) -> Obj:
        with self.lock:
            self.version += 1
            metadata = {**body["metadata"], "resourceVersion": str(self.version), "uid": f"u-{body['metadata']['name']}"}
            self.leases[metadata["name"]] = {**body, "metadata": metadata}
            return self.leases[metadata["name"]]

    def json_patch(self, ref: ObjectRef, operations: list[Obj], dry_run: bool = False) -> Obj:
        self.asked("patch")
        with self.lock:
            found = self.leases.get(ref.name)
            if found is None:
                raise NotFound(f"{ref} not found.")
            return self.put({**found, "spec": {**found["spec"], "renewTime": operations[0]["value"]}})

    def delete(self, ref: ObjectRef, resource_version: str = "", uid: str = "", dry_run: bool = False) -> None:
        self.asked("delete")
        with self.lock:
            found = self.leases.get(ref.name)
            if found is None:
                raise NotFound(f"{ref} not found.")
            if resource_version not in ("", found["metadata"]["resourceVersion"]):
                raise Conflict(f"{ref} was modified.")
            del self.leases[ref.name]

    def other(self, *namespaces: str, name: str = "aaaa", age: float = 0.0) -> Callable[[], None]:
        """Another run, which renewed its Lease ``age`` seconds ago; gives what it does when it ends."""
        body = lease_body(lease_ref("istio-system", name), Claim("somebody@else", "lb_sidecar", frozenset(namespaces)), 0)
        body["spec"]["renewTime"] = moment_of(EPOCH + self.clock.passed - age)
        self.put(body)
        return lambda: self.leases.pop(body["metadata"]["name"]) and None

    def renewed(self, name: str = "aaaa") -> None:
        ref = lease_ref("istio-system", name)
        self.json_patch(ref, [{"value": moment_of(EPOCH + self.clock.passed)}])


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def taken() -> Iterator[list[Lock]]:
    made: list[Lock] = []
    yield made
    for item in made:
        item.release()


def lock(server: Server, *namespaces: str) -> Lock:
    return Lock(server, "istio-system", Claim("me@here", "service_routing", frozenset(namespaces)), server.clock.clock())


def test_a_lease_says_who_holds_it_and_goes_with_the_run(server: Server) -> None:
    mine = lock(server, "shop", "apps")
    assert mine.acquire(60) == []
    (lease,) = server.leases.values()
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseDurationSeconds"]) == ("me@here", 60)
    assert lease["spec"]["renewTime"] == lease["spec"]["acquireTime"] == moment_of(EPOCH)
    assert lease["metadata"]["annotations"] == {"meshlb.istio/module": "service_routing", "meshlb.istio/namespaces": "apps,shop"}
    mine.demand()
    mine.release()
    assert server.leases == {}


@pytest.mark.parametrize(("mine", "others", "waits"), [
    ((), (), True), (("a",), (), True), ((), ("a",), True), (("a", "b"), ("b", "c"), True), (("a",), ("b", "c"), False),
])  # fmt: skip
def test_only_runs_on_the_same_namespaces_wait_for_each_other(
    server: Server, mine: tuple[str, ...], others: tuple[str, ...], waits: bool
) -> None:
    server.other(*others)
    if not waits:
        lock(server, *mine).acquire(0)
        return
    with pytest.raises(MeshlbError, match="Nothing was written") as error:
        lock(server, *mine).acquire(0)
    assert "somebody@else (lb_sidecar" in error.value.message and "Lease istio-system/meshlb-run-aaaa" in error.value.message
    assert list(server.leases) == ["meshlb-run-aaaa"]


def test_the_loser_waits_as_long_as_it_was_told_and_no_longer(server: Server) -> None:
    server.other()
    server.clock.at = {float(moment): server.renewed for moment in range(1, 100, 5)}
    with pytest.raises(MeshlbError, match="after 30 seconds of waiting"):
        lock(server).acquire(30)
    assert server.clock.passed == 30


def test_a_run_goes_on_when_the_other_has_ended(server: Server, taken: list[Lock]) -> None:
    server.clock.at = {7.0: server.other()}
    taken.append(lock(server))
    assert taken[0].acquire(60) == ["somebody@else (lb_sidecar, all namespaces)"]
    assert server.clock.passed == 7 and len(server.leases) == 1


@pytest.mark.parametrize("tells_time", [True, False])
def test_a_run_that_was_killed_is_waited_for_until_its_lease_has_expired(server: Server, tells_time: bool, taken: list[Lock]) -> None:
    server.tells_time = tells_time
    server.other()
    taken.append(lock(server))
    # The default of lock_timeout is enough, whoever's clock it is.
    taken[0].acquire(DURATION)
    assert server.clock.passed == pytest.approx(DURATION, abs=1)


def test_a_lease_from_long_ago_is_looked_at_for_two_renewals(server: Server, taken: list[Lock]) -> None:
    server.other(age=3600)
    taken.append(lock(server))
    taken[0].acquire(60)
    assert WATCH <= server.clock.passed <= WATCH + 1


@pytest.mark.parametrize("age", [3600.0, -3600.0])
def test_a_holder_with_a_wrong_clock_is_alive_while_it_renews(server: Server, age: float) -> None:
    server.other(age=age)
    server.clock.at = {float(moment): lambda: server.other(age=age) and None for moment in range(5, 300, 5)}
    with pytest.raises(MeshlbError, match="somebody@else"):
        lock(server).acquire(200)


def test_a_lease_that_is_renewed_at_the_last_moment_stays(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.other()
    delete = server.delete

    def renewed_before(ref: ObjectRef, resource_version: str = "", uid: str = "", dry_run: bool = False) -> None:
        server.renewed()
        delete(ref, resource_version, uid, dry_run)

    monkeypatch.setattr(server, "delete", renewed_before)
    with pytest.raises(MeshlbError, match="somebody@else"):
        lock(server).acquire(70)


@pytest.mark.parametrize("missing", ["list", "create", "patch"])
def test_a_missing_right_is_known_before_anything_is_planned_on_it(server: Server, missing: str) -> None:
    server.refuse = (missing,)
    with pytest.raises(Forbidden):
        lock(server).acquire(60)
    assert server.leases == {}


@pytest.mark.parametrize(("name", "stays"), [("aaaa", False), ("cccc", True)])
def test_of_two_at_once_the_first_by_name_stays_registered(
    server: Server, taken: list[Lock], monkeypatch: pytest.MonkeyPatch, name: str, stays: bool
) -> None:
    monkeypatch.setattr(locks.secrets, "token_hex", lambda length: "bbbb")
    create, states, mine = server.create, [], lock(server)

    def at_once(body: Obj, dry_run: bool = False) -> Obj:
        monkeypatch.setattr(server, "create", create)
        ends = server.other(name=name)
        server.clock.at = {2.0: lambda: states.append("meshlb-run-bbbb" in server.leases), 3.0: ends}
        return create(body, dry_run)

    monkeypatch.setattr(server, "create", at_once)
    taken.append(mine)
    mine.acquire(60)
    assert states == [stays] and list(server.leases) == ["meshlb-run-bbbb"]


def test_a_run_that_lost_its_lease_writes_no_more(server: Server, monkeypatch: pytest.MonkeyPatch, taken: list[Lock]) -> None:
    monkeypatch.setattr(locks, "RENEWAL", 0.01)
    mine = lock(server)
    taken.append(mine)
    mine.acquire(60)
    guarded = Guarded(server, mine.demand)
    guarded.create(lease_body(lease_ref("x", "y"), Claim("a", "b"), 0))
    server.leases.clear()
    until = time.monotonic() + 5
    with pytest.raises(MeshlbError, match="could not renew"):
        while time.monotonic() < until:
            guarded.create(lease_body(lease_ref("x", "y"), Claim("a", "b"), 0))
            time.sleep(0.01)
    # Rehearsals write nothing, so they go on.
    guarded.create(lease_body(lease_ref("x", "y"), Claim("a", "b"), 0), dry_run=True)
    for write in (lambda: guarded.json_patch(mine.ref, []), lambda: guarded.delete(mine.ref)):
        with pytest.raises(MeshlbError, match="could not renew"):
            write()


def test_a_run_that_cannot_renew_for_long_writes_no_more(server: Server, taken: list[Lock]) -> None:
    taken.append(lock(server))
    taken[0].acquire(60)
    server.refuse = ("patch",)
    server.clock.passed += DEADLINE - 1
    taken[0].demand()
    server.clock.passed += 2
    with pytest.raises(MeshlbError, match="could not renew"):
        taken[0].demand()


def test_renewals_go_on_while_the_run_works_whatever_one_of_them_comes_to(
    server: Server, monkeypatch: pytest.MonkeyPatch, taken: list[Lock]
) -> None:
    monkeypatch.setattr(locks, "RENEWAL", 0.01)
    mine = lock(server)
    taken.append(mine)
    mine.acquire(60)
    patch, failures = server.json_patch, iter([ApiUnreachable("No answer.")] * 2)

    def sometimes(ref: ObjectRef, operations: list[Obj], dry_run: bool = False) -> Obj:
        for error in failures:
            raise error
        return patch(ref, operations, dry_run)

    monkeypatch.setattr(server, "json_patch", sometimes)
    server.clock.passed = 30
    until = time.monotonic() + 5
    while server.leases[mine.ref.name]["spec"]["renewTime"] != moment_of(EPOCH + 30) and time.monotonic() < until:
        time.sleep(0.01)
    server.clock.passed = 60
    mine.demand()


def test_what_a_failed_release_leaves_expires(server: Server) -> None:
    mine = lock(server)
    mine.acquire(60)
    server.refuse = ("delete",)
    mine.release()
    assert len(server.leases) == 1


def test_never_two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many runs on a few namespaces, all at once: no two that overlap hold their Leases at the same time, and all get their turn."""
    server = Server()
    clock = Clock(time.monotonic, lambda seconds: time.sleep(0.002), 0.002)
    selections = [frozenset(item) for item in ([], ["a"], ["b"], ["a", "b"], ["b", "c"], ["c"]) for dummy in range(3)]
    held: list[frozenset[str]] = []
    wrong: list[tuple[frozenset[str], ...]] = []
    guard = threading.Lock()

    def run(namespaces: frozenset[str]) -> None:
        mine = Lock(server, "istio-system", Claim("x", "y", namespaces), clock)
        mine.acquire(30)
        with guard:
            wrong.extend((namespaces, other) for other in held if not namespaces or not other or namespaces & other)
            held.append(namespaces)
        time.sleep(0.003)
        with guard:
            held.remove(namespaces)
        mine.release()
        done.append(namespaces)

    done: list[frozenset[str]] = []
    threads = [threading.Thread(target=run, args=(item,)) for item in selections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == [] and len(done) == len(selections) and server.leases == {}


def test_what_a_lease_may_say_besides() -> None:
    assert time_in("") is None and time_in("tomorrow") is None
    assert time_in(moment_of(EPOCH)) == EPOCH
    assert time_in("2024-01-01T00:00:00.000000Z") == 1704067200.0


def test_an_odd_lease_counts_for_all_namespaces(server: Server) -> None:
    server.put({"metadata": {"name": "odd", "namespace": "istio-system", "labels": {"app.kubernetes.io/managed-by": "meshlb.istio"}}})
    server.put({"metadata": {"name": "istio-leader", "namespace": "istio-system"}, "spec": {"holderIdentity": "istiod"}})
    with pytest.raises(MeshlbError, match=r"odd \(another tool, all namespaces\)"):
        lock(server, "shop").acquire(0)


def test_the_name_of_a_run_leads_to_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks.os, "getpid", lambda: 4711)
    assert "process 4711" in this_run() and this_run() != this_run()

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(locks.getpass, "getuser", nobody)
    with suppress(AttributeError):
        assert this_run().startswith("uid ")
