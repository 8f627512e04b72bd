# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading manifests, and what is said about those that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import ManifestError
from ansible_collections.meshlb.istio.plugins.module_utils.kube.manifests import read_manifests

SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {}\n"


def write(folder: Path, **files: str) -> str:
    for name, text in files.items():
        file = folder / name.replace("__", "/")
        if not file.suffix:
            file = file.with_suffix(".yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(folder)


def names(*paths: str) -> list[str]:
    return [item["metadata"]["name"] for item in read_manifests(paths).all("Service")]


def test_folders_are_read_in_order_and_only_manifests_in_them(tmp_path: Path) -> None:
    write(tmp_path, b=SERVICE.format("b"), a__z=SERVICE.format("az"), a=SERVICE.format("a"))
    (tmp_path / "notes.txt").write_text("{{ no manifest")
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")
    (tmp_path / "c.json").write_text('{\n\t"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c"}}')
    assert names(str(tmp_path)) == ["a", "b", "c", "az"]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, a=SERVICE.format("a"))
    assert names(str(tmp_path), str(tmp_path / "a.yaml")) == ["a"]


def test_documents_and_lists_are_unpacked(tmp_path: Path) -> None:
    text = f"---\n# nothing\n---\n{SERVICE.format('one')}---\n" + (
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: two}}\n---\n"
        "apiVersion: v1\nkind: ServiceList\nitems:\n- {metadata: {name: three}}\n"
    )
    assert names(write(tmp_path, all=text)) == ["one", "two", "three"]


def test_the_snapshot_is_not_live_and_keeps_unknown_kinds(tmp_path: Path) -> None:
    snapshot = read_manifests([write(tmp_path, a="apiVersion: x.example/v1\nkind: Odd\nmetadata: {name: o}\n")])
    assert not snapshot.source.live
    assert snapshot.get("Odd.x.example", "default", "o") is not None


def test_a_namespace_is_filled_in_where_there_must_be_one(tmp_path: Path) -> None:
    text = (
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n---\n"
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: wides.x.example}\n"
        "spec: {scope: Cluster, group: x.example, names: {kind: Wide}}\n---\n"
        "apiVersion: x.example/v1\nkind: Wide\nmetadata: {name: w}\n"
    )
    snapshot = read_manifests([write(tmp_path, a=text, b=SERVICE.format("s"))])
    assert snapshot.get("Namespace", "", "n") is not None
    assert snapshot.get("Wide.x.example", "", "w") is not None
    assert snapshot.get("Service", "default", "s") is not None


def test_scalars_are_read_as_kubernetes_does(tmp_path: Path) -> None:
    text = SERVICE.format("s") + "  creationTimestamp: 2024-05-01T10:00:00Z\n  annotations: {empty: '', eq: =}\n"
    metadata = read_manifests([write(tmp_path, a=text)]).all("Service")[0]["metadata"]
    assert metadata["creationTimestamp"] == "2024-05-01T10:00:00Z"
    assert metadata["annotations"] == {"empty": "", "eq": "="}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "a.yaml:1: document 1 is a list, not a Kubernetes object"),
        (f"{SERVICE.format('x')}---\njust text\n", "a.yaml:6: document 2 is a text, not a Kubernetes object"),
        ("kind: Service\nmetadata: {name: x}\n", "document 1 has nothing in apiVersion"),
        ("apiVersion: v1\nmetadata: {name: x}\n", "document 1 has nothing in kind"),
        (f"{SERVICE.format('x')}---\n\n\napiVersion: v1\nkind: Pod\nmetadata: {{}}\n", "a.yaml:8: document 2 has nothing in metadata.name"),
        ("apiVersion: v1\nkind: Pod\nmetadata: text\n", "has nothing in metadata.name"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: 5}\n", "has 5 in metadata.name"),
        (f"{SERVICE.format('x')}---\na: [1\nb: 2\n", "document 2 is not valid YAML"),
        ("a: b: c\n", "a.yaml:1: document 1 is not valid YAML: mapping values are not allowed"),
        ("# nothing\n", "No Kubernetes object was found in"),
        (
            f"{SERVICE.format('x')}---\n{SERVICE.format('x')}spec: {{}}\n",
            r"a.yaml:6: document 2 is Service default/x, which is already at .*a.yaml:1, and differs",
        ),
    ],
)
def test_what_cannot_be_understood_is_said_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_manifests([write(tmp_path, a=text)])


def test_an_object_is_the_same_in_any_version(tmp_path: Path) -> None:
    text = "apiVersion: x.example/{}\nkind: Odd\nmetadata: {{name: o, namespace: n}}\n"
    with pytest.raises(ManifestError, match="Odd n/o"):
        read_manifests([write(tmp_path, a=text.format("v1"), b=text.format("v2"))])


VALUES, CHART, SCHEMA = "replicas: 2\n", "apiVersion: v2\nname: shop\nversion: 1.0.0\n", '{"type": "object"}'
KIND = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: []\n"
PATCH = "- {op: remove, path: /spec}\n"


def remarks(*paths: str, namespace: str = "") -> dict[str, str]:
    return {item.code: item.message for item in read_manifests(paths, default_namespace=namespace).source.remarks}


def test_what_is_no_object_is_left_out_and_named(tmp_path: Path) -> None:
    files = {"values": VALUES, "Chart": CHART, "patch": PATCH, "kind": KIND, "ok": SERVICE.format("ok"), "values.schema.json": SCHEMA}
    folder = write(tmp_path, **files)
    assert names(folder) == ["ok"]
    told = remarks(folder)["MLB150"]
    assert told.startswith("5 document(s)")
    assert all(name in told for name in ("values.yaml:1", "Chart.yaml:1", "patch.yaml:1", "kind.yaml:1", "values.schema.json:1"))


def test_a_folder_without_any_object_is_an_error_that_names_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"No Kubernetes object was found in .*values.yaml:1: document 1 has nothing in apiVersion"):
        read_manifests([write(tmp_path, values=VALUES)])


@pytest.mark.parametrize(
    "text",
    [
        "{{- if .Values.on }}\napiVersion: v1\nkind: Service\n{{- end }}\n",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n  labels: {{- include x . }}\n",
        "apiVersion: v1\nkind: Service\nmetadata: {name: '{{ .Release.Name }}'}\n",
    ],
)
def test_a_template_beside_manifests_is_told_and_hides_nothing(tmp_path: Path, text: str) -> None:
    folder = write(tmp_path, chart__templates__service=text, ok=SERVICE.format("ok"))
    assert names(folder) == ["ok"]
    assert "templates/service.yaml:" in remarks(folder)["MLB117"]


def test_what_is_broken_beside_an_expression_in_a_text_stays_an_error(tmp_path: Path) -> None:
    text = SERVICE.format("x") + "  annotations: {rule: 'up{{ $labels }}'}\n" + "\n" * 9 + "a: [1\n"
    with pytest.raises(ManifestError, match="is not valid YAML"):
        read_manifests([write(tmp_path, a=text)])


def test_objects_that_are_alike_count_once_and_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path, one__a=SERVICE.format("a"), two__a="---\n" + SERVICE.format("a") + "  namespace: default\n")
    assert names(folder) == ["a"]
    assert "one/a.yaml:1" in remarks(folder)["MLB152"]
    assert "two/a.yaml:2" in remarks(folder)["MLB152"]


def test_generated_names_are_read_and_tell_objects_apart(tmp_path: Path) -> None:
    job = "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: migrate-, namespace: n}\n"
    made = SERVICE.replace("name: {}", "generateName: made-")
    found = names(write(tmp_path, a=f"{job}---\n{job}---\n{made}---\n{made}", b=SERVICE.format("b")))
    assert [item.startswith("made-") for item in found] == [True, True, False]
    assert len(set(found)) == 3


def test_a_namespace_that_nobody_wrote_is_told_or_given(tmp_path: Path) -> None:
    folder = write(tmp_path, a=SERVICE.format("a"), b="apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n")
    assert "Service a" in remarks(folder)["MLB151"]
    assert remarks(folder, namespace="shop") == {}
    assert read_manifests([folder], default_namespace="shop").get("Service", "shop", "a") is not None


def test_nothing_is_said_where_every_namespace_is_written(tmp_path: Path) -> None:
    odd = "apiVersion: x.example/v1\nkind: Odd\nmetadata: {name: o}\n"
    assert remarks(write(tmp_path, a=SERVICE.format("a") + "  namespace: n\n", b=odd)) == {}


def test_a_template_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read_manifests([write(tmp_path, a="{{- if .Values.x }}\napiVersion: v1\n{{- end }}\n")])
    assert "helm template" in caught.value.hint


@pytest.mark.parametrize("name", ["missing", "missing.yaml"])
def test_a_path_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ManifestError, match=f"There is no file or folder '.*{name}'"):
        read_manifests([str(tmp_path / name)])


@pytest.mark.parametrize(("name", "text"), [("a.json", "{"), ("a.yaml", "a: \0")])
def test_the_place_is_in_the_details_too(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ManifestError) as caught:
        read_manifests([str(tmp_path)])
    assert caught.value.details["document"] == 1
    assert caught.value.details["file"].endswith(name)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match=r"a\.yaml cannot be read"):
        read_manifests([str(tmp_path)])
