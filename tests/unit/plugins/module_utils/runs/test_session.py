# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules do around their own work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshlb.istio.plugins.doc_fragments.common import ModuleDocFragment
from ansible_collections.meshlb.istio.plugins.module_utils.apply import ownership
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import Forbidden, MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.findings import finding
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Change, ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.runs import arguments
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import deliver, outcome, report, start

from tests.unit.plugins.module_utils.support.fake_api import FakeApi, obj, serving

REF = ObjectRef("v1", "Service", "web", "shop")


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with serving(FakeApi()) as running:
        running.add(obj("Ingress", "shop"))
        yield running


def change() -> Change:
    found = ownership.claim(obj("Ingress", "shop"), "part", {("metadata", "annotations", "a"): "1"}, ["edge/lb"], "because")
    assert found is not None
    return found


def test_a_cluster_is_read_and_written(fake: FakeApi) -> None:
    session = start({"host": fake.address, "api_key": "t", "workers": 2}, False, ["Ingress.networking.k8s.io"], lambda first, registry: [])
    assert session.snapshot.count("Ingress.networking.k8s.io") == 1
    assert deliver(session, [change()]) == (True, [], [])
    written = next(item for path, item in fake.objects.items() if path.endswith("ingresses/shop"))
    assert written["metadata"]["annotations"]["a"] == "1"


def test_manifests_are_read_and_files_are_written(tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n")
    params: dict[str, Any] = {"manifests": [str(tmp_path / "in.yaml")]}
    session = start(params, False, [], lambda first, registry: [])
    assert session.api is None
    assert deliver(session, [change()]) == (True, [], [])
    assert [item.name for item in tmp_path.iterdir()] == ["in.yaml"]
    session = start({**params, "output_dir": str(tmp_path / "out")}, False, [], lambda first, registry: [])
    changed, dummy, files = deliver(session, [change()])
    assert changed
    assert files == ["kustomization.yaml", "patch.ingress.networking.k8s.io_web_shop.yaml"]
    assert deliver(session, [change()])[0] is False


@pytest.mark.parametrize("workers", [-1, 101])
def test_so_many_workers_make_no_sense(workers: int) -> None:
    with pytest.raises(MeshlbError, match=f"workers is {workers}"):
        start({"workers": workers}, False, [], lambda first, registry: [])


def test_a_report_is_sorted_and_says_each_thing_once() -> None:
    remarks = [finding("MLB401", "b"), finding("MLB105", "a", REF), finding("MLB401", "b")]
    result = report([change()], remarks, True, True, routes=[])
    assert [item["code"] for item in result["findings"]] == ["MLB105", "MLB401"]
    assert (result["changed"], result["routes"]) == (True, [])
    assert result["diff"] == [
        {
            "before_header": "Ingress web/shop", "after_header": "Ingress web/shop (because)",
            "before": result["changes"][0]["before"], "after": result["changes"][0]["after"],
        }
    ]
    assert "diff" not in report([], [], False, False)


def test_an_error_becomes_a_failure_with_hint_and_object() -> None:
    def fail() -> dict[str, Any]:
        raise Forbidden("Not allowed to list Pod.", "Grant it.", REF, {"status": 403})

    assert outcome(fail) == (
        False,
        {"msg": "Not allowed to list Pod. Grant it.", "hint": "Grant it.", "object": REF.to_result(), "details": {"status": 403}},
    )
    assert outcome(lambda: {"changed": False}) == (True, {"changed": False})


def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        outcome(lambda: {"x": 1 // 0})


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
