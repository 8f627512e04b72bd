# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is no answer of an API server is an error that says so; it never passes for an empty list, or for a server without kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import ApiError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ObjectRef

from tests.unit.plugins.module_utils.support.fake_api import Answer, FakeApi, Request, obj, serving

ODD = "Odd.x.example"
V2 = {"apiVersion": "x.example/v2"}


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with serving(FakeApi()) as running:
        yield running


def answering(fake: FakeApi, path: str, body: Any) -> None:
    fake.answer = lambda request: (200, body) if request.path == path else None


NO_LISTS: list[tuple[Any, str]] = [
    ({}, "an object that says no kind, which is no list"),
    ([], "a bare list"),
    ([1, 2], "a bare list"),
    (None, "null"),
    ("text", "a text"),
    (7, "a number"),
    (True, "true or false"),
    (b"", "no JSON"),
    (b"<html>log in</html>", "no JSON"),
    (b"[" * 100_000, "no JSON"),
    ({"kind": "Status", "status": "Failure"}, "an object of kind Status, which is no list"),
    ({"kind": "Odd", **V2, "metadata": {"name": "x"}}, "an object of kind Odd, which is no list"),
    ({"kind": "OddList", **V2}, "kind OddList without a list of items"),
    ({"kind": "OddList", **V2, "items": None}, "kind OddList without a list of items"),
    ({"kind": "OddList", **V2, "items": {}}, "kind OddList without a list of items"),
    ({"kind": "OddList", **V2, "items": "none"}, "kind OddList without a list of items"),
    ({"kind": "OddList", **V2, "items": [None]}, "items[0] is no object: null"),
    ({"kind": "OddList", **V2, "items": [{"metadata": {"name": "a"}}, "b"]}, "items[1] is no object: a text"),
    ({"kind": "OddList", **V2, "items": [{"metadata": None}]}, "items[0] is no object"),
    ({"kind": "OddList", **V2, "metadata": {"continue": 5}, "items": []}, "metadata.continue is no text"),
    ({"kind": "PodList", "apiVersion": "v1", "items": []}, "kind PodList of the core group"),
    ({"kind": ["List"], "items": []}, "which is no list"),
]


@pytest.mark.parametrize(("body", "expected"), NO_LISTS, ids=range(len(NO_LISTS)))
def test_what_is_no_list_is_not_an_empty_list(fake: FakeApi, body: Any, expected: str) -> None:
    answering(fake, "/apis/x.example/v2/odds", body)
    with pytest.raises(ApiError) as caught:
        fake.api().list(ODD)
    assert expected in caught.value.message
    assert f"does not answer as a Kubernetes API server (list {ODD})" in caught.value.message


@pytest.mark.parametrize("body", [
    {"kind": "OddList", **V2, "items": []}, {"kind": "List", "apiVersion": "v1", "items": []},
    {"kind": "StrangeNamesList", **V2, "metadata": None, "items": []},
])
def test_an_empty_list_is_one(fake: FakeApi, body: Any) -> None:
    answering(fake, "/apis/x.example/v2/odds", body)
    assert fake.api().list(ODD) == []


def paged(*tokens: str, uid: str = "") -> Any:
    """Pages in turn, for ever; uid: each begins with this object."""
    turn = [0]

    def answer(request: Request) -> Answer | None:
        if not request.path.endswith("/odds"):
            return None
        turn[0] += 1
        token = tokens[turn[0] % len(tokens)] or str(turn[0])
        items = [{"metadata": {"name": "x", "uid": uid}}] if uid else []
        return 200, {"kind": "OddList", **V2, "metadata": {"continue": token}, "items": items}

    return answer


@pytest.mark.parametrize("pages", [paged("same"), paged("one", "two"), paged("one", "two", "three"), paged(""), paged("", uid="u")])
def test_pages_that_repeat_are_not_followed_for_ever(fake: FakeApi, pages: Any) -> None:
    fake.answer = pages
    with pytest.raises(ApiError, match=r"gives the same page again, or never ends"):
        fake.api().list(ODD)
    assert len(fake.requests) < 120


def test_an_object_without_metadata_is_none(fake: FakeApi) -> None:
    path = fake.path(obj("Ingress", "shop"))
    for body in ({}, {"kind": "Status"}, {"kind": "Ingress", "metadata": []}):
        answering(fake, path, body)
        with pytest.raises(ApiError, match="without metadata"):
            fake.api().get(ObjectRef("networking.k8s.io/v1", "Ingress", "web", "shop"))


NEW, OLD = "APIGroupDiscoveryList", "APIGroupList"
NAMELESS = {"responseKind": {"kind": "X"}}
ODDLY_TYPED = {"resource": "x", "responseKind": {"kind": 7}, "verbs": 7}
BROKEN: list[tuple[str, Any]] = [
    ("/apis", {}), ("/apis", None), ("/apis", []), ("/apis", "text"), ("/apis", {"kind": "Status"}),
    ("/apis", {"kind": NEW}),
    ("/apis", {"kind": NEW, "items": None}),
    ("/apis", {"kind": NEW, "items": [None]}),
    ("/apis", {"kind": NEW, "items": [{}]}),
    ("/apis", {"kind": NEW, "items": [{"versions": [{}]}]}),
    ("/apis", {"kind": NEW, "items": [{"versions": [None]}]}),
    ("/apis", {"kind": NEW, "items": [{"versions": [{"version": "v1", "resources": {}}]}]}),
    ("/apis", {"kind": NEW, "items": [{"versions": [{"version": "v1", "resources": [None]}]}]}),
    ("/apis", {"kind": NEW, "items": [{"versions": [{"version": "v1", "resources": [NAMELESS]}]}]}),
    ("/apis", {"kind": NEW, "items": [{"metadata": {"name": "x"}, "versions": [{"version": "v1", "resources": [ODDLY_TYPED]}]}]}),
    ("/apis", {"kind": NEW, "items": [{"metadata": {"name": 5}, "versions": []}]}),
    ("/api", {"kind": NEW, "items": [{"versions": "v1"}]}),
    ("/apis", {"kind": OLD, "groups": [{"name": "x.example"}]}),
    ("/apis", {"kind": OLD, "groups": [{"name": "x.example", "versions": [{}]}]}),
    ("/apis", {"kind": OLD, "groups": [None]}),
    ("/api/v1", {"kind": "APIResourceList"}), ("/api/v1", {"groupVersion": "v1", "resources": [None]}),
    ("/api/v1", {"groupVersion": "v1", "resources": [{"name": "pods"}]}),
]


@pytest.mark.parametrize(("path", "body"), BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("aggregated", [True, False])
def test_a_broken_discovery_is_an_error(fake: FakeApi, path: str, body: Any, aggregated: bool) -> None:
    fake.aggregated = aggregated and path != "/api/v1"
    answering(fake, path, body)
    with pytest.raises(ApiError, match=r"does not answer as a Kubernetes API server \(discover"):
        fake.api().discover({"", "x.example"})
