# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules do around their own work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.meshlb.istio.plugins.doc_fragments.common import ModuleDocFragment
from ansible_collections.meshlb.istio.plugins.module_utils.apply import ownership
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import Forbidden
from ansible_collections.meshlb.istio.plugins.module_utils.core.findings import finding
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Change, ObjectRef, replace
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import ref_of
from ansible_collections.meshlb.istio.plugins.module_utils.runs import arguments
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.common import CommonOptions, common_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.results import Report
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import (
    Delivery,
    Session,
    _about_connection,
    deliver,
    outcome,
    read_again,
    start,
)

from tests.unit.plugins.module_utils.support.fake_api import FakeApi, obj, serving
from tests.unit.plugins.module_utils.support.parts import free

REF = ObjectRef("v1", "Service", "web", "shop")


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with serving(FakeApi()) as running:
        running.add(obj("Ingress", "shop"))
        yield running


def change() -> Change:
    found = ownership.claim(obj("Ingress", "shop"), free("part"), {("metadata", "annotations", "a"): "1"}, ["edge/lb"], "because")
    assert found is not None
    return found


def started(fake: FakeApi) -> Session:
    options = common_options({"host": fake.address, "api_key": "t", "workers": 2})
    return start(options, ["Ingress.networking.k8s.io"], lambda first, registry: [])


def test_a_cluster_is_read_and_written(fake: FakeApi) -> None:
    session = started(fake)
    assert session.snapshot.count("Ingress.networking.k8s.io") == 1
    assert deliver(session, [change()]) == Delivery(changed=True)
    written = next(item for path, item in fake.objects.items() if path.endswith("ingresses/shop"))
    assert written["metadata"]["annotations"]["a"] == "1"


def test_manifests_are_read_and_files_are_written(tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n")
    options = CommonOptions(manifests=(str(tmp_path / "in.yaml"),))
    session = start(options, [], lambda first, registry: [])
    assert session.api is None
    # Manifests alone are read and nothing else.
    assert deliver(session, [change()]) == Delivery(changed=False)
    assert [item.name for item in tmp_path.iterdir()] == ["in.yaml"]
    session = start(replace(options, output_dir=str(tmp_path / "out")), [], lambda first, registry: [])
    written = deliver(session, [change()])
    assert written.changed
    assert written.files == ("kustomization.yaml", "patch.ingress.networking.k8s.io_web_shop.yaml")
    assert deliver(session, [change()]).changed is False


def test_only_what_is_named_is_read_again(fake: FakeApi) -> None:
    fake.add(obj("Ingress", "old"))
    session = started(fake)
    fake.add(obj("Ingress", "shop", spec={"new": True}), obj("Ingress", "unnamed"))
    fake.objects = {path: item for path, item in fake.objects.items() if not path.endswith("/old")}
    fake.requests.clear()
    refs = [ref_of(obj("Ingress", "shop")), ref_of(obj("Ingress", "old")), ref_of(obj("Pod", "nobody-asked-for"))]
    again = read_again(session, [*refs, ObjectRef("y.example/v1", "Unserved", "web", "x")]).snapshot
    assert {item["metadata"]["name"]: item.get("spec") for item in again.all("Ingress.networking.k8s.io")} == {"shop": {"new": True}}
    root = "/apis/networking.k8s.io/v1/namespaces/web/ingresses"
    assert sorted(fake.named("GET")) == ["/api/v1/namespaces/web/pods/nobody-asked-for", f"{root}/old", f"{root}/shop"]


def test_what_could_not_be_read_is_not_read_again(fake: FakeApi) -> None:
    refused = {"kind": "Status", "message": "no", "code": 403}
    fake.answer = lambda request: (403, refused) if request.path.endswith("/ingresses") else None
    options = common_options({"host": fake.address, "api_key": "t"})
    session = start(options, ["Ingress.networking.k8s.io", "Pod"], lambda first, registry: [])
    fake.requests.clear()
    assert read_again(session, [ref_of(obj("Ingress", "shop"))]).snapshot.all("Ingress.networking.k8s.io") == []
    assert fake.requests == []


def test_an_answer_that_is_no_answer_stops_the_second_reading(fake: FakeApi) -> None:
    session = started(fake)
    fake.answer = lambda request: (403, {"kind": "Status", "message": "no", "code": 403})
    with pytest.raises(Forbidden):
        read_again(session, [ref_of(obj("Ingress", "shop"))])


def test_a_report_is_sorted_and_says_each_thing_once() -> None:
    remarks = [finding("MLB401", "b"), finding("MLB105", "a", REF), finding("MLB401", "b")]
    report = Report(changed=True, changes=[change()], findings=remarks, files=["a.yaml"])
    result = report.to_result(diff=True)
    assert [item["code"] for item in result["findings"]] == ["MLB105", "MLB401"]
    assert (result["changed"], result["files"]) == (True, ["a.yaml"])
    assert result["diff"] == [
        {
            "before_header": "Ingress web/shop", "after_header": "Ingress web/shop (because)",
            "before": result["changes"][0]["before"], "after": result["changes"][0]["after"],
        }
    ]
    assert Report(changed=False, changes=[], findings=[]).to_result(diff=False) == {"changed": False, "changes": [], "findings": []}


def test_an_error_becomes_a_failure_with_hint_and_object() -> None:
    def fail() -> dict[str, Any]:
        raise Forbidden("Not allowed to list Pod.", "Grant it.", REF, {"status": 403})

    assert outcome(fail) == (
        False,
        {"msg": "Not allowed to list Pod. Grant it.", "hint": "Grant it.", "object": REF.to_result(), "details": {"status": 403}},
    )
    assert outcome(lambda: {"changed": False}) == (True, {"changed": False})


def test_a_defect_is_not_hidden() -> None:
    succeeded, result = outcome(lambda: {"x": 1 // 0}, "lb_info", 0)
    assert not succeeded and "ZeroDivisionError" in result["msg"] and result["details"]["defect"] is True
    with pytest.raises(KeyboardInterrupt):
        outcome(_interrupted)


def _interrupted() -> dict[str, Any]:
    raise KeyboardInterrupt


def test_argument_specs_are_copies_with_the_connection_options() -> None:
    spec = arguments.argument_spec("state", own={"type": "str"})
    assert {"kubeconfig", "context", "api_key", "state", "own"} <= spec.keys()
    assert "workers" not in spec
    spec["state"]["default"] = "x"
    assert arguments.argument_spec("state")["state"]["default"] == "present"
    assert arguments.module_kwargs(spec)["supports_check_mode"] is True


def test_shared_options_are_documented_as_they_are() -> None:
    for name, spec in arguments.COMMON.items():
        documented = yaml.safe_load(getattr(ModuleDocFragment, name.upper()))["options"][name]
        assert {key: value for key, value in documented.items() if key != "description"} == spec


@pytest.mark.parametrize("why", ["", "its certificate is not checked"])
def test_a_server_that_may_be_another_is_told(why: str) -> None:
    found = list(_about_connection(SimpleNamespace(server="https://api.example.com", context="c", unsafe=why)))  # type: ignore[arg-type]
    assert [item.code for item in found] == (["MLB123"] if why else [])
    assert all("https://api.example.com" in item.message and why in item.message for item in found)
