# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes as files: the same every time, and nobody else's file is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshlb.istio.plugins.module_utils.apply import ownership
from ansible_collections.meshlb.istio.plugins.module_utils.apply.files import HEADER, KUSTOMIZATION, render, write_output
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ABSENT, Change, FieldChange, ObjectRef

from tests.unit.plugins.module_utils.support.parts import free

INGRESS = ObjectRef("networking.k8s.io/v1", "Ingress", "web", "shop")
DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "edge", "lb")
MAPPING = ObjectRef("x.example/v2", "Mapping", "web", "shop")
ANNOTATION = ("metadata", "annotations", "vendor.example/a")


def patch(ref: ObjectRef, *fields: FieldChange) -> Change:
    return Change(ref, "patch", "because", fields)


def creation() -> Change:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "twin", "namespace": "web"}, "spec": {"clusterIP": "None"}}
    change, dummy = ownership.create(None, body, free("service_routing"), ["edge/lb"], "one\ntwo")
    assert change is not None
    return change


CHANGES = [
    patch(INGRESS, FieldChange(ANNOTATION, ABSENT, "")),
    patch(
        DEPLOYMENT,
        FieldChange(("spec", "template", "metadata", "labels", "in"), ABSENT, "true"),
        FieldChange(("spec", "template", "spec", "containers", 0, "args"), ["--a"], ["--a", "--b"]),
    ),
    creation(),
]


def load(text: str) -> Any:
    return yaml.safe_load(text)


def test_there_is_a_file_per_object_and_a_kustomization() -> None:
    files = render(CHANGES)
    assert sorted(files) == [
        "json-patch.deployment.apps_edge_lb.yaml", "kustomization.yaml", "patch.deployment.apps_edge_lb.yaml",
        "patch.ingress.networking.k8s.io_web_shop.yaml", "service_web_twin.yaml",
    ]
    assert all(text.startswith(HEADER) for text in files.values())
    kustomization = load(files[KUSTOMIZATION])
    assert kustomization["kind"] == "Component"
    assert kustomization["resources"] == ["service_web_twin.yaml"]
    target = {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "edge", "name": "lb"}
    assert {"path": "json-patch.deployment.apps_edge_lb.yaml", "target": target} in kustomization["patches"]
    assert {"path": "patch.ingress.networking.k8s.io_web_shop.yaml"} in kustomization["patches"]


def test_the_kustomization_says_how_to_apply_it() -> None:
    gone = {"apiVersion": "x.example/v1", "kind": "Odd", "metadata": {"name": "o", "namespace": "n"}}
    text = render([*CHANGES, ownership.delete(gone, "why", 1)])[KUSTOMIZATION]
    for line in (
        "kubectl apply -f service_web_twin.yaml",
        "kubectl patch --type merge -f patch.deployment.apps_edge_lb.yaml --patch-file patch.deployment.apps_edge_lb.yaml",
        "kubectl patch --type json --namespace edge deployment.v1.apps lb --patch-file json-patch.deployment.apps_edge_lb.yaml",
        "kubectl delete --namespace n odd.v1.x.example o",
        "components:",
    ):
        assert line in text


def test_a_merge_patch_names_its_object_and_removes_by_null() -> None:
    files = render([patch(INGRESS, FieldChange(ANNOTATION, "old", ABSENT), FieldChange(("spec", "new"), ABSENT, {"a": {"b": ""}}))])
    assert load(files["patch.ingress.networking.k8s.io_web_shop.yaml"]) == {
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "shop", "namespace": "web", "annotations": {"vendor.example/a": None}},
        "spec": {"new": {"a": {"b": ""}}},
    }


@pytest.mark.parametrize("text", ["y", "N", "1e3", "0x1", "-1", ".5", "12:30", "yes", "null", "", "2024-01-01"])
def test_texts_that_kubectl_takes_for_something_else_are_quoted(text: str) -> None:
    files = render([patch(INGRESS, FieldChange(("metadata", "annotations", text or "empty"), ABSENT, text))])
    patched = files["patch.ingress.networking.k8s.io_web_shop.yaml"]
    assert f"'{text}'\n" in patched
    assert f"'{text}':" in patched or not text


def test_nothing_is_written_as_a_reference() -> None:
    shared = {"a": {"b": "c"}}
    files = render([patch(MAPPING, FieldChange(("spec", "one"), ABSENT, shared), FieldChange(("spec", "two"), ABSENT, shared))])
    assert "&" not in files["patch.mapping.x.example_web_shop.yaml"]


@pytest.mark.parametrize(
    ("ref", "item", "prefix"),
    [
        (INGRESS, FieldChange(("spec", "tls"), ABSENT, [{"hosts": []}]), "json-patch."),
        (INGRESS, FieldChange(("spec", "a"), ABSENT, {"b": {"c": ["d"]}}), "json-patch."),
        (MAPPING, FieldChange(("spec", "hosts"), ABSENT, ["a"]), "patch."),
        (MAPPING, FieldChange(("spec", "rules", 0, "a"), 1, 2), "json-patch."),
        (ObjectRef("gateway.networking.k8s.io/v1", "HTTPRoute", "web", "r"), FieldChange(("spec", "l"), ABSENT, []), "patch."),
    ],
)
def test_lists_go_where_both_tools_understand_them_alike(ref: ObjectRef, item: FieldChange, prefix: str) -> None:
    names = [name for name in render([patch(ref, item)]) if name != KUSTOMIZATION]
    assert [name.startswith(prefix) for name in names] == [True]


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    folder = str(tmp_path / "deep" / "out")
    assert write_output(folder, CHANGES)[0] is True
    assert write_output(folder, list(reversed(CHANGES))) == (False, sorted(render(CHANGES)))


def test_check_mode_writes_nothing_and_says_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    expected = write_output(str(folder), CHANGES, check_mode=True)
    assert not folder.exists()
    assert write_output(str(folder), CHANGES) == expected


def test_what_is_no_longer_wanted_goes_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("kind: Mine\n")
    (tmp_path / "README.md").write_text(HEADER)
    write_output(str(tmp_path), CHANGES)
    assert write_output(str(tmp_path), CHANGES[:1])[0] is True
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "README.md", "kustomization.yaml", "mine.yaml", "patch.ingress.networking.k8s.io_web_shop.yaml"
    ]
    assert write_output(str(tmp_path), [])[0] is True
    assert sorted(item.name for item in tmp_path.iterdir()) == ["README.md", "kustomization.yaml", "mine.yaml"]
    assert write_output(str(tmp_path), []) == (False, ["kustomization.yaml"])


def test_no_changes_leave_no_traces(tmp_path: Path) -> None:
    assert write_output(str(tmp_path / "out"), []) == (False, [])
    assert not (tmp_path / "out").exists()


def test_a_name_that_somebody_else_uses_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")
    with pytest.raises(MeshlbError, match=r"holds a kustomization\.yaml that this collection did not write"):
        write_output(str(tmp_path), CHANGES)
    assert [item.name for item in tmp_path.iterdir()] == ["kustomization.yaml"]


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MeshlbError, match="output_dir .*file/out' cannot be used"):
        write_output(str(tmp_path / "file" / "out"), CHANGES)
