# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests are tried again for a while, and never for long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import ApiError, ApiUnreachable
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client import patience
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.patience import Patience, seconds_of

from tests.unit.plugins.module_utils.support.fake_api import Answer, FakeApi, Request, serving, status

INGRESS = ObjectRef("networking.k8s.io/v1", "Ingress", "web", "shop")


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def spent(code: int, retry_after: str, reads: bool = True, timeout: float = 60.0) -> list[float]:
    """The pauses that a server gets which never does anything but give this answer."""
    clock = Clock()
    found, pauses = Patience(timeout, reads, clock), []
    while (pause := found.after(code, retry_after)) is not None:
        pauses.append(pause)
        clock.time += pause
    return pauses


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_read_that_fails_is_tried_again_a_few_times(code: int) -> None:
    assert spent(code, "") == [0.25, 0.5, 1.0, 2.0]
    assert spent(code, "", reads=False) == []


@pytest.mark.parametrize("code", [200, 302, 400, 401, 403, 404, 409, 410, 413, 422, 501])
def test_other_answers_are_the_last_word(code: int) -> None:
    assert spent(code, "5") == []


@pytest.mark.parametrize("retry_after", ["86400", "9" * 5000, "Fri, 31 Dec 2099 23:59:59 GMT", "garbage", "", "-5", "0", "1e9", "inf", "²"])
@pytest.mark.parametrize("reads", [True, False])
def test_a_busy_server_gets_time_but_not_all_of_it(retry_after: str, reads: bool) -> None:
    pauses = spent(429, retry_after, reads)
    assert pauses
    assert max(pauses) <= patience.LONGEST_PAUSE
    assert sum(pauses) < 60
    assert sum(spent(429, retry_after, reads, timeout=5.0)) < 5


def test_a_pause_that_is_asked_for_is_made() -> None:
    assert spent(429, "3")[0] == 3.0
    assert spent(503, "3", reads=False)[0] == 3.0


def test_dates_are_understood_in_all_their_forms() -> None:
    later = datetime.now(UTC) + timedelta(seconds=100)
    assert 95 < seconds_of(format_datetime(later)) <= 100
    assert 95 < seconds_of(later.strftime("%a, %d %b %Y %H:%M:%S -0000")) <= 100
    assert seconds_of("Fri, 31 Dec 1999 23:59:59 GMT") == 0.0
    assert seconds_of("Fri, 99 Foo 9999999 99:99:99 GMT") == 0.0


def test_what_may_have_arrived_is_sent_again_only_where_it_changes_nothing() -> None:
    reading, writing = Patience(60.0, True), Patience(60.0, False)
    assert [reading.after_failure(False) is None for dummy in range(3)] == [False, False, True]
    assert writing.after_failure(False) is None
    never_sent = Patience(60.0, False)
    assert [never_sent.after_failure(True) is None for dummy in range(2)] == [False, True]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
    with serving(FakeApi()) as running:
        yield running


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_read_survives_a_server_that_stumbles(fake: FakeApi, code: int) -> None:
    answers: list[Answer | None] = [status(code, "wait"), status(code, "wait"), None]
    fake.answer = lambda request: answers.pop(0) if answers else None
    assert "Pod" in fake.api().discover()


def test_a_write_is_not_repeated_where_it_may_have_been_made(fake: FakeApi) -> None:
    api = fake.api()
    api.discover()
    fake.answer = lambda request: status(500, "who knows")
    fake.requests.clear()
    with pytest.raises(ApiError, match="answers 500"):
        api.json_patch(INGRESS, [])
    assert len(fake.requests) == 1


def test_a_request_ends_in_time(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.25)
    fake.answer = lambda request: status(429, "never")
    with pytest.raises(ApiError, match="answers 429"):
        fake.api(request_timeout=1).discover()
    assert len(fake.requests) == 3


def test_a_server_that_says_nothing_is_left_in_time(fake: FakeApi) -> None:
    begun = datetime.now(UTC)

    def hang(request: Request) -> None:
        fake.lock.acquire(timeout=2.5)

    fake.answer = hang
    with fake.lock, pytest.raises(ApiUnreachable, match="did not answer in time"):
        fake.api(request_timeout=1).discover()
    assert (datetime.now(UTC) - begun).total_seconds() < 5
