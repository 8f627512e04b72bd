# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing: rehearsed first, phase by phase, and only onto what was read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply import ownership
from ansible_collections.meshlb.istio.plugins.module_utils.apply.writer import operations, write
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import ApiUnreachable, Unauthorized, WriteError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ABSENT, Change, FieldChange, replace
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import ref_of
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.fake_api import Answer, FakeApi, Request, obj, serving, status
from tests.unit.plugins.module_utils.support.parts import free

PART = "service_routing"
OWN = free(PART, "Odd.x.example")
A = ("metadata", "annotations", "a")


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with serving(FakeApi()) as running:
        yield running


def claim(item: Any, phase: int = 0) -> Change:
    change = ownership.claim(item, OWN, {A: "new"}, ["edge/lb"], "why", phase)
    assert change is not None
    return change


def creation(name: str, phase: int = 0) -> Change:
    body = obj("Odd", name)
    del body["metadata"]["resourceVersion"], body["metadata"]["uid"]
    change, dummy = ownership.create(None, body, OWN, ["edge/lb"], "why", phase)
    assert change is not None
    return change


def writes(fake: FakeApi) -> list[str]:
    return [f"{item.method} {item.path.rpartition('/')[2]}" for item in fake.requests if item.method != "GET" and not item.dry]


def refuse(name: str, code: int = 403, said: str = "", dry: bool = True) -> Any:
    text = said or 'admission webhook "v.example" denied the request: not this one'

    def answer(request: Request) -> Answer | None:
        named = request.path.endswith(name) or (request.body or {} if isinstance(request.body, dict) else {}).get(
            "metadata", {}
        ).get("name") == name
        return status(code, text) if request.method != "GET" and named and (dry or not request.dry) else None

    return answer


def test_phases_follow_each_other_and_everything_is_rehearsed_first(fake: FakeApi) -> None:
    items = [obj("Ingress", "one"), obj("Ingress", "gone")]
    fake.add(*items)
    changes = [ownership.delete(items[1], "why", 2), claim(items[0], 1), creation("made", 0)]
    assert write(fake.api(), changes) == []
    assert writes(fake) == ["POST odds", "PATCH one", "DELETE gone"]
    rehearsed = [item.dry for item in fake.requests if item.method != "GET"]
    assert rehearsed == [True] * 3 + [False] * 3
    assert fake.objects["/apis/networking.k8s.io/v1/namespaces/web/ingresses/one"]["metadata"]["annotations"]["a"] == "new"


def test_what_is_written_can_be_released_again(fake: FakeApi) -> None:
    before = obj("Ingress", "one")
    fake.add(before)
    api = fake.api()
    write(api, [claim(before)])
    change, dummy = ownership.release(api.get(ref_of(before)), OWN)
    assert change is not None
    write(api, [change])
    after = api.get(ref_of(before))
    assert {**after, "metadata": {**after["metadata"], "resourceVersion": "1"}} == before


@pytest.mark.parametrize("changes", [[], [claim(obj("Ingress", "one"))]])
def test_check_mode_sends_nothing(fake: FakeApi, changes: list[Change]) -> None:
    assert write(fake.api(), changes, check_mode=True) == []
    assert fake.requests == []


def test_a_rejection_is_found_before_anything_is_written(fake: FakeApi) -> None:
    items = [obj("Ingress", name) for name in ("one", "two", "three")]
    fake.add(*items)
    fake.answer = refuse("two")
    expected = r"Nothing was written, as 1 of 3 changes would be refused\. Ingress web/two: .*v\.example"
    with pytest.raises(WriteError, match=expected) as caught:
        write(fake.api(), [claim(item) for item in items])
    assert writes(fake) == []
    assert caught.value.details["done"] == []
    assert [item["change"] for item in caught.value.details["failed"]] == ["patch Ingress web/two"]


def in_unit(name: str, unit: str, *waits_for: str, phase: int = 0) -> Change:
    return replace(claim(obj("Ingress", name), phase), unit=unit, waits_for=frozenset(waits_for))


def of_three_units() -> list[Change]:
    """Two units, one of which is refused, and something that may go only after either of them."""
    return [
        in_unit("a", "A"), in_unit("two", "B"), in_unit("b", "B", phase=1), in_unit("c", "A", phase=1),
        in_unit("d", "D", "A", phase=2), in_unit("e", "E", "B", phase=2), in_unit("f", "F", "E", phase=3),
    ]  # fmt: skip


@pytest.mark.parametrize("dry", [True, False])
def test_a_refusal_keeps_from_being_written_only_what_belongs_to_it(fake: FakeApi, dry: bool) -> None:
    changes = of_three_units()
    fake.add(*(obj("Ingress", item.object.name) for item in changes))
    fake.answer = refuse("two", dry=dry)
    phases: list[int] = []
    with pytest.raises(WriteError, match=r"3 of 7 changes were written\. Left out as a whole: B; E; F\. Ingress web/two failed") as caught:
        write(fake.api(), changes, before=phases.append)
    assert [item for item in writes(fake) if item != "PATCH two"] == ["PATCH a", "PATCH c", "PATCH d"]
    assert phases == [0, 1, 2]
    details = caught.value.details
    assert details["units"] == ["B", "E", "F"] and [item["change"] for item in details["failed"]] == ["patch Ingress web/two"]
    assert details["not_tried"] == ["patch Ingress web/b", "patch Ingress web/e", "patch Ingress web/f"]


def test_all_or_nothing_takes_everything_for_one_unit(fake: FakeApi) -> None:
    changes = of_three_units()
    fake.add(*(obj("Ingress", item.object.name) for item in changes))
    fake.answer = refuse("two")
    with pytest.raises(WriteError, match=r"Nothing was written, as 1 of 7 changes would be refused\. Ingress web/two") as caught:
        write(fake.api(), changes, all_or_nothing=True)
    assert writes(fake) == [] and caught.value.details["units"] == []


def test_nothing_more_is_tried_once_the_server_is_gone(fake: FakeApi) -> None:
    changes = [in_unit("a", "A"), in_unit("b", "B", phase=1)]
    fake.add(*(obj("Ingress", item.object.name) for item in changes))
    fake.answer = lambda request: status(401, "Unauthorized") if request.method == "PATCH" and not request.dry else None
    with pytest.raises(WriteError, match=r"0 of 2 changes were written"):
        write(fake.api(), changes, workers=1)
    assert writes(fake) == ["PATCH a"]


def test_a_webhook_without_dry_run_is_a_finding_and_no_obstacle(fake: FakeApi) -> None:
    fake.add(obj("Ingress", "one"))
    special = refuse("one", 400, 'admission webhook "v.example" does not support dry run')
    fake.answer = lambda request: special(request) if request.dry else None
    findings = write(fake.api(), [claim(obj("Ingress", "one"))])
    assert [(item.code, str(item.object)) for item in findings] == [("MLB403", "Ingress web/one")]
    assert writes(fake) == ["PATCH one"]


def test_a_failure_halfway_says_how_far_it_got(fake: FakeApi) -> None:
    items = [obj("Ingress", name) for name in ("a", "b", "c", "d")]
    fake.add(*items)
    fake.answer = refuse("b", dry=False)
    with pytest.raises(WriteError, match=r"1 of 4 changes were written\. Ingress web/b failed: .*not this one") as caught:
        write(fake.api(), [claim(item, phase) for phase, item in enumerate(items)])
    assert "Run again to finish" in caught.value.hint
    assert caught.value.details["done"] == ["patch Ingress web/a"]
    assert caught.value.details["not_tried"] == ["patch Ingress web/c", "patch Ingress web/d"]
    fake.answer = lambda request: None
    live = Snapshot([fake.api().get(ref_of(item)) for item in items])
    again = [ownership.claim(item, OWN, {A: "new"}, ["edge/lb"], "why") for item in live.all("Ingress.networking.k8s.io")]
    assert [change is None for change in again] == [True, False, False, False]
    write(fake.api(), [change for change in again if change])
    assert all(item["metadata"]["annotations"]["a"] == "new" for item in fake.objects.values())


def test_one_worker_stops_at_the_first_failure_of_a_phase(fake: FakeApi) -> None:
    items = [obj("Ingress", name) for name in ("a", "b", "c")]
    fake.add(*items)
    fake.answer = refuse("b", dry=False)
    with pytest.raises(WriteError, match=r"1 of 3 changes were written"):
        write(fake.api(), [claim(item) for item in items], workers=1)
    assert writes(fake) == ["PATCH a", "PATCH b"]


def test_a_change_elsewhere_in_the_object_is_no_obstacle(fake: FakeApi) -> None:
    read = obj("Ingress", "one")
    read["metadata"]["annotations"] = {"other": "x"}
    fake.add(ownership.put(ownership.put(read, ("metadata", "resourceVersion"), "2"), ("status",), {"x": 1}))
    write(fake.api(), [claim(read)])
    live = fake.objects[fake.path(read)]
    assert live["status"] == {"x": 1}
    assert live["metadata"]["annotations"]["a"] == "new"


def test_a_change_of_the_same_field_is_a_conflict(fake: FakeApi) -> None:
    read = obj("Ingress", "one")
    read["metadata"]["annotations"] = {"a": "old"}
    live = ownership.put(ownership.put(read, ("metadata", "resourceVersion"), "2"), A, "theirs")
    fake.add(live)
    with pytest.raises(WriteError, match="/metadata/annotations/a of Ingress web/one was changed by somebody else"):
        write(fake.api(), [claim(read)])
    assert fake.objects[fake.path(read)] == live


def test_an_object_that_keeps_changing_is_given_up(fake: FakeApi) -> None:
    read = obj("Ingress", "one")
    fake.add(read)

    def restless(request: Request) -> None:
        with fake.lock:
            fake.version += 1
            fake.add(ownership.put(read, ("metadata", "resourceVersion"), str(fake.version)))

    fake.answer = restless
    with pytest.raises(WriteError, match="Ingress web/one"):
        write(fake.api(), [claim(read)])
    assert len(fake.named("PATCH")) == 5


def test_a_rejection_of_an_unchanged_object_is_not_tried_again(fake: FakeApi) -> None:
    fake.add(obj("Ingress", "one"))
    fake.answer = refuse("one", 422, "spec.rules: Required value")
    with pytest.raises(WriteError, match=r"the change would be refused.*spec\.rules: Required value"):
        write(fake.api(), [claim(obj("Ingress", "one"))])
    assert len(fake.named("PATCH")) == 1


def test_an_object_that_was_created_by_a_lost_request_is_accepted(fake: FakeApi) -> None:
    change = creation("made")
    assert change.body is not None
    fake.add({**change.body, "metadata": {**change.body["metadata"], "resourceVersion": "5"}})
    assert write(fake.api(), [change]) == []
    fake.add(obj("Odd", "made"))
    with pytest.raises(WriteError, match="already exists"):
        write(fake.api(), [change])


@pytest.mark.parametrize(
    ("edit", "deleted"),
    [({}, True), ({"status": {"x": 1}}, True), ({"spec": {"theirs": 1}}, False)],
)
def test_only_what_was_read_is_deleted(fake: FakeApi, edit: Any, deleted: bool) -> None:
    read = obj("Odd", "made")
    fake.add({**ownership.put(read, ("metadata", "resourceVersion"), "2"), **edit})
    if deleted:
        write(fake.api(), [ownership.delete(read, "why")])
        write(fake.api(), [ownership.delete(read, "why")])  # gone already
    else:
        with pytest.raises(WriteError, match="precondition"):
            write(fake.api(), [ownership.delete(read, "why")])
    assert (fake.objects == {}) is deleted


def test_several_changes_of_one_object_build_on_each_other(fake: FakeApi) -> None:
    read = obj("Ingress", "one")
    read["metadata"]["annotations"] = {"other": "x"}
    fake.add(read)
    first = Change(ref_of(read), "patch", "one", (FieldChange(A, ABSENT, "1"),), phase=0, resource_version="1")
    second = Change(ref_of(read), "patch", "two", (FieldChange(A, "1", "2"),), phase=1, resource_version="1")
    write(fake.api(), [second, first])
    assert fake.objects[fake.path(read)]["metadata"]["annotations"]["a"] == "2"


@pytest.mark.parametrize(("code", "kind"), [(401, Unauthorized), (0, ApiUnreachable)])
def test_a_lost_connection_is_said_as_such(code: int, kind: type[Exception]) -> None:
    with serving(FakeApi()) as fake:
        api = fake.api()
        if code:
            fake.answer = lambda request: status(code, "no")
            with pytest.raises(kind):
                write(api, [claim(obj("Ingress", "one"))])
            return
    with pytest.raises(kind):
        write(api, [claim(obj("Ingress", "one"))])


def test_no_more_than_so_many_writes_are_under_way(fake: FakeApi) -> None:
    items = [obj("Ingress", f"i{number}") for number in range(6)]
    fake.add(*items)
    together, under_way, most = threading.Barrier(3), [0], [0]

    def count(request: Request) -> None:
        if request.method != "PATCH":
            return
        with fake.lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        together.wait(10)
        with fake.lock:
            under_way[0] -= 1

    fake.answer = count
    write(fake.api(workers=3), [claim(item) for item in items], workers=3)
    assert most[0] == 3


def test_operations_keep_list_positions_valid() -> None:
    fields = (
        FieldChange(("spec", "l", 0, "a"), 1, 2),
        FieldChange(("spec", "l", 1), {"x": 1}, ABSENT),
        FieldChange(("spec", "l", 2), {"y": 1}, ABSENT),
        FieldChange(("spec", "l", 3), {"z": 1}, {"z": 2}),
    )
    change = replace(claim(obj("Ingress", "one")), fields=fields)
    assert [(item["op"], item["path"]) for item in operations(change, "7")] == [
        ("test", "/metadata/resourceVersion"), ("add", "/spec/l/0/a"), ("replace", "/spec/l/3"),
        ("remove", "/spec/l/2"), ("remove", "/spec/l/1"),
    ]
