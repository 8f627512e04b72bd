# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written was planned while nobody else wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Change, ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.kube.lease import Claim, lease_body, lease_ref
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import ref_of
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.common import common_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import Session, deliver, start
from ansible_collections.meshlb.istio.plugins.module_utils.runs.settled import settled
from ansible_collections.meshlb.istio.plugins.module_utils.runs.waiting import Clock

from tests.unit.plugins.module_utils.support.fake_api import FakeApi, Request, obj, serving, status

INGRESS = "Ingress.networking.k8s.io"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/istio-system/leases"


@dataclass(frozen=True)
class Names:
    """A plan that makes a Pod for each Ingress that was read."""

    names: tuple[str, ...]

    @property
    def changes(self) -> list[Change]:
        return [Change(ref_of(obj("Pod", name)), "create", "because", (), obj("Pod", name)) for name in self.names]


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with serving(FakeApi()) as running:
        running.add(obj("Ingress", "one"))
        yield running


def run(fake: FakeApi, clock: Clock | None = None, check_mode: bool = False, left: int = 0, **params: Any) -> tuple[list[str], list[Any]]:
    """A run that plans :class:`Names`; gives what it planned at last, and its findings. ``left`` Leases are there at the end."""
    options = common_options({"host": fake.address, "api_key": "t", **params}, check_mode)

    def decide(session: Session) -> Names:
        return Names(tuple(sorted(ref_of(item).name for item in session.snapshot.all(INGRESS))))

    with settled("a_module", lambda earlier: start(options, [INGRESS], lambda *dummy: [], earlier), decide, ["web"], clock) as now:
        deliver(now.session, now.decision.changes)
        held = [path for path in fake.objects if path.startswith(LEASES)]
        assert now.session.lock is None or f"{LEASES}/{now.session.lock.ref.name}" in held
    assert len([path for path in fake.objects if path.startswith(LEASES)]) == left
    return list(now.decision.names), list(now.findings)


def written(fake: FakeApi) -> list[str]:
    return [item.path for item in fake.requests if item.method == "POST" and not item.dry and not item.path.startswith("/apis/coord")]


def another(fake: FakeApi, *namespaces: str) -> ObjectRef:
    ref = lease_ref("istio-system", "other")
    body = lease_body(ref, Claim("somebody@else", "lb_sidecar", frozenset(namespaces)), 4e9)
    body["metadata"].update(resourceVersion="1", uid="u")
    fake.add(body)
    return ref


def test_after_waiting_a_run_plans_what_is_there_then(fake: FakeApi) -> None:
    other = another(fake)

    def it_ends(seconds: float) -> None:
        fake.add(obj("Ingress", "two"))
        fake.objects.pop(f"{LEASES}/{other.name}", None)

    planned, findings = run(fake, Clock(sleep=it_ends))
    assert planned == ["one", "two"] and len(written(fake)) == 2
    assert [item.code for item in findings] == ["MLB411"] and "somebody@else" in findings[0].message


def test_what_others_wrote_before_there_was_anything_to_wait_for_counts_too(fake: FakeApi) -> None:
    def soon(request: Request) -> None:
        if request.method == "POST" and request.path == LEASES:
            fake.add(obj("Ingress", "two"))

    fake.answer = soon
    assert run(fake) == (["one", "two"], [])


def test_a_run_that_waits_in_vain_writes_nothing_and_names_the_holder(fake: FakeApi) -> None:
    another(fake)
    with pytest.raises(MeshlbError, match="Nothing was written.*somebody@else"):
        run(fake, lock_timeout=0)
    assert written(fake) == []


def test_another_runs_namespaces_are_no_obstacle(fake: FakeApi) -> None:
    another(fake, "shop")
    run(fake, lock_timeout=0, left=1)
    assert len(written(fake)) == 1


@pytest.mark.parametrize("idle", ["check mode", "nothing to write"])
def test_a_run_that_writes_nothing_takes_no_lease(fake: FakeApi, idle: str) -> None:
    if idle == "nothing to write":
        fake.objects.clear()
    run(fake, check_mode=idle == "check mode")
    assert not [item for item in fake.requests if "/leases" in item.path]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_without_the_right_to_leases_a_finding_says_so(fake: FakeApi, method: str) -> None:
    fake.answer = lambda request: status(403, "no") if "/leases" in request.path and request.method == method else None
    planned, findings = run(fake)
    assert planned == ["one"] and len(written(fake)) == 1
    assert [item.code for item in findings] == ["MLB410"] and "istio-system" in findings[0].message


def test_without_the_right_to_delete_a_lease_a_finding_says_so(fake: FakeApi) -> None:
    fake.answer = lambda request: status(403, "no") if "/leases" in request.path and request.method == "DELETE" else None
    assert [item.code for item in run(fake, left=1)[1]] == ["MLB410"]
    assert len(written(fake)) == 1


def test_a_namespace_that_does_not_exist(fake: FakeApi) -> None:
    fake.answer = lambda request: status(404, "namespaces not found") if "/leases" in request.path and request.method == "POST" else None
    assert [item.code for item in run(fake)[1]] == ["MLB410"]
    with pytest.raises(MeshlbError, match="lock_namespace is nowhere"):
        run(fake, lock_namespace="nowhere")


def test_an_api_server_that_fails_stops_the_run_before_its_first_write(fake: FakeApi) -> None:
    fake.answer = lambda request: status(500, "leader changed") if "/leases" in request.path else None
    with pytest.raises(MeshlbError, match="leader changed"):
        run(fake)
    assert written(fake) == []


def test_the_lease_goes_with_a_run_that_fails(fake: FakeApi) -> None:
    fake.answer = lambda request: status(422, "no") if request.method == "POST" and request.path.endswith("/pods") else None
    with pytest.raises(MeshlbError, match="Nothing was written"):
        run(fake)
    assert not [path for path in fake.objects if path.startswith(LEASES)]


def test_a_timeout_is_no_negative_number() -> None:
    with pytest.raises(MeshlbError, match="lock_timeout is -1"):
        common_options({"lock_timeout": -1})
