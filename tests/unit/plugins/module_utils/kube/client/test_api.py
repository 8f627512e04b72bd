# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against an API server: discovery, pages, and what is said when something goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import (
    ApiError,
    ApiUnreachable,
    Conflict,
    DryRunUnsupported,
    Forbidden,
    Gone,
    MeshlbError,
    MissingLibrary,
    NotFound,
    Rejected,
    Unauthorized,
)
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.core.parallel import attempt_all
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client import connection as api_connection
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client import errors as api_errors
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.api import open_api
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.channels import MEBIBYTE, Bounds

from tests.unit.plugins.module_utils.support.fake_api import FakeApi, Request, obj, serving, status


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with serving(FakeApi()) as running:
        yield running


INGRESS = ObjectRef("networking.k8s.io/v1", "Ingress", "web", "shop")


def test_discovery_takes_two_requests_once(fake: FakeApi) -> None:
    api = fake.api()
    found = api.discover()
    assert api.discover() is found
    assert fake.named("GET") == ["/api", "/apis"]
    assert (found["Odd.x.example"].api_version, found["Older.x.example"].api_version) == ("x.example/v2", "x.example/v1")
    assert (found["Namespace"].namespaced, found["Pod"].plural) == (False, "pods")


def test_an_old_server_is_asked_for_the_needed_groups_alone(fake: FakeApi) -> None:
    fake.aggregated = False
    found = fake.api().discover({"", "x.example"})
    assert sorted(fake.named("GET")) == ["/api", "/api/v1", "/apis", "/apis/x.example/v1", "/apis/x.example/v2"]
    assert found["Odd.x.example"].api_version == "x.example/v2"
    assert "Ingress.networking.k8s.io" not in found
    assert found["Pod"].plural == "pods"


def test_lists_are_read_in_pages_and_completed(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.meshlb.istio.plugins.module_utils.kube.client.api.PAGE", 2)
    fake.add(*(obj("Odd", f"o{number}") | {"apiVersion": "x.example/v2"} for number in range(5)))
    fake.objects["/apis/x.example/v2/namespaces/web/odds/o0"]["metadata"]["managedFields"] = [{}]
    found = fake.api().list("Odd.x.example")
    assert [item["metadata"]["name"] for item in found] == [f"o{number}" for number in range(5)]
    assert {(item["apiVersion"], item["kind"]) for item in found} == {("x.example/v2", "Odd")}
    assert "managedFields" not in found[0]["metadata"]
    assert len(fake.named("GET")) == 2 + 3


def test_an_expired_page_starts_the_list_again(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.meshlb.istio.plugins.module_utils.kube.client.api.PAGE", 2)
    fake.add(*(obj("Pod", f"p{number}") for number in range(3)))
    fake.answer = lambda request: status(410, "expired") if "continue" in request.query else None
    assert len(fake.api().list("Pod")) == 3
    assert "limit" not in fake.requests[-1].query
    fake.answer = lambda request: status(410, "expired")
    with pytest.raises(Gone):
        fake.api().list("Pod")


def test_one_namespace_can_be_listed(fake: FakeApi) -> None:
    fake.add(obj("Pod", "a", "one"), obj("Pod", "b", "two"))
    assert [item["metadata"]["name"] for item in fake.api().list("Pod", "two")] == ["b"]


def test_writes_name_their_manager_and_can_be_rehearsed(fake: FakeApi) -> None:
    api = fake.api()
    body = obj("Ingress", "shop")
    api.create(body, dry_run=True)
    assert fake.requests[-1].query == {"fieldManager": "meshlb.istio", "dryRun": "All"}
    with pytest.raises(NotFound, match="Could not read Ingress web/shop"):
        api.get(INGRESS)
    api.create(body)
    with pytest.raises(Conflict, match="Could not create Ingress web/shop"):
        api.create(body)
    api.json_patch(INGRESS, [{"op": "add", "path": "/spec", "value": {}}])
    assert fake.requests[-1].headers["Content-Type"] == "application/json-patch+json"
    live = api.get(INGRESS)
    assert live["spec"] == {}
    with pytest.raises(Conflict):
        api.delete(INGRESS, resource_version="1")
    api.delete(INGRESS, live["metadata"]["resourceVersion"], live["metadata"]["uid"], dry_run=True)
    api.delete(INGRESS, live["metadata"]["resourceVersion"], live["metadata"]["uid"])
    assert fake.objects == {}


def test_a_kind_that_is_not_served_is_named(fake: FakeApi) -> None:
    with pytest.raises(NotFound, match=r"has no kind Gone\.y\.example"):
        fake.api().list("Gone.y.example")


def test_credentials_are_sent_and_never_said(fake: FakeApi) -> None:
    fake.answer = lambda request: status(401, "Unauthorized")
    with pytest.raises(Unauthorized, match="credentials were refused or have expired") as caught:
        fake.api().discover()
    assert fake.requests[0].headers["Authorization"] == "Bearer token"
    assert "token " not in str(caught.value.to_result()["details"])


def test_names_and_passwords_are_sent_too(fake: FakeApi) -> None:
    open_api({"host": fake.address, "username": "u", "password": "p"}).discover()
    assert fake.requests[0].headers["Authorization"] == "Basic dTpw"


def test_impersonation_is_passed_on(fake: FakeApi) -> None:
    api = fake.api(impersonate_user="jane", impersonate_groups=["dev", "ops"])
    api.discover()
    assert fake.requests[0].headers["Impersonate-User"] == "jane"
    assert "Impersonate-Group" in fake.requests[0].headers
    with pytest.raises(MeshlbError, match="impersonated"):
        api.exec("web", "p", "c", ["x"], Bounds(30, MEBIBYTE))


def test_a_busy_server_is_given_its_time(fake: FakeApi) -> None:
    answers = [status(429, "too many requests"), None]
    fake.answer = lambda request: answers.pop(0) if answers else None
    fake.add(obj("Ingress", "shop"))
    assert "Pod" in fake.api().discover()
    assert fake.named("GET").count("/api") == 2


REFUSALS: list[tuple[int, str, type[ApiError], str]] = [
    (401, "Unauthorized", Unauthorized, "the credentials were refused or have expired (change Ingress web/shop)"),
    (403, 'ingresses is forbidden: User "jane" cannot patch', Forbidden, 'Not allowed to change Ingress web/shop: ingresses is'),
    (404, 'ingresses "shop" not found', NotFound, "Could not change Ingress web/shop"),
    (409, "the object has been modified", Conflict, "the object has been modified."),
    (410, "too old", Gone, "too old"),
    (422, "spec.rules: Required value", Rejected, "spec.rules: Required value"),
    (500, "etcdserver: no leader", ApiError, "answers 500 (change Ingress web/shop): etcdserver: no leader."),
    (
        400, 'admission webhook "v.example" denied the request: host is taken', Rejected,
        "The admission webhook v.example refused to change Ingress web/shop: host is taken.",
    ),
    (403, 'admission webhook "v.example" denied the request without explanation', Rejected, "it gave no explanation."),
    (400, 'admission webhook "v.example" does not support dry run', DryRunUnsupported, "v.example does not support dry runs"),
    (
        500, 'Internal error occurred: failed calling webhook "v.example": connection refused', Rejected,
        "The admission webhook v.example could not be called, so the API server did not change Ingress web/shop",
    ),
]


@pytest.mark.parametrize(("code", "said", "kind", "expected"), REFUSALS)
def test_a_refusal_is_a_sentence(code: int, said: str, kind: type[ApiError], expected: str) -> None:
    text = f'{{"kind": "Status", "message": {said!r}}}'.replace("'", '"') if '"' not in said else None
    error = api_errors.refusal(code, text or said, "change Ingress web/shop", "https://api", INGRESS)
    assert error.__class__ is kind
    assert error.status in (code, kind.status)
    assert expected in error.message
    assert error.object == INGRESS


def test_a_page_that_is_no_api_is_said(fake: FakeApi) -> None:
    fake.answer = lambda request: (200, b"<html>log in</html>")
    with pytest.raises(ApiError, match="does not answer as a Kubernetes API server"):
        fake.api().discover()


class Cause(Exception):
    """Named like the HTTP library's errors in the table."""


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("NewConnectionError", "HTTPSConnection(host='h', port=1): Failed to establish a new connection: [Errno 111] Connection refused",
         "Cannot reach the API server https://api: Connection refused."),
        ("NameResolutionError", "Failed to resolve 'h' ([Errno -2] Name or service not known)", "its name cannot be resolved"),
        ("ConnectTimeoutError", "Connection to h timed out. (connect timeout=10)", "it did not answer in time"),
        ("ProxyError", "Unable to connect to proxy", "the proxy cannot be reached"),
        ("SSLError", "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)",
         "TLS with the API server https://api failed: certificate verify failed: self-signed certificate."),
        ("SSLError", "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "failed: wrong version number."),
        ("SSLError", "[SSL] PEM lib (_ssl.c:3900)", "failed: PEM lib."),
    ],
)
def test_no_answer_is_a_sentence_too(name: str, text: str, expected: str) -> None:
    cause = type(name, (Cause,), {})(text)
    error = Exception("outer")
    error.reason = cause  # type: ignore[attr-defined]
    found = api_errors.unreachable(error, "https://api")
    assert expected in found.message
    assert found.hint


def test_a_closed_port_is_unreachable(fake: FakeApi) -> None:
    with pytest.raises(ApiUnreachable, match=r"Cannot reach the API server http://127.0.0.1:1: Connection refused"):
        open_api({"host": "http://127.0.0.1:1", "api_key": "x"}).discover()


def test_connection_options_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "kubeconfig")
    with pytest.raises(MeshlbError, match=r"do not lead to a cluster \(kubeconfig .*kubeconfig\)"):
        open_api({"kubeconfig": missing})
    with pytest.raises(MeshlbError, match="ca_cert is .* no file that can be read"):
        open_api({"host": "https://api", "api_key": "x", "ca_cert": missing})


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [("kubernetes", None, "package kubernetes cannot be imported"), ("AUTH_ARG_SPEC", None, r"collection kubernetes\.core")],
)
def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, attribute: str, value: Any, expected: str) -> None:
    monkeypatch.setattr(api_connection, attribute, value)
    with pytest.raises(MissingLibrary, match=expected) as caught:
        api_connection.require_libraries()
    assert "nstall" in caught.value.hint


def test_a_package_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_connection.kubernetes, "__version__", "24.2.0")
    with pytest.raises(MissingLibrary, match=r"is 24\.2\.0; 28\.1 or newer"):
        api_connection.require_libraries()


def test_no_more_requests_than_workers_are_under_way(fake: FakeApi) -> None:
    api = fake.api(workers=3)
    api.discover()
    together, under_way, most = threading.Barrier(3), [0], [0]

    def count(request: Request) -> None:
        with fake.lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        together.wait(10)
        with fake.lock:
            under_way[0] -= 1

    fake.answer = count
    attempt_all(lambda number: api.list("Pod", str(number)), range(9), 3)
    assert most[0] == 3
