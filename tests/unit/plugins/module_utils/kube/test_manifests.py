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
        (f"{SERVICE.format('x')}---\n{SERVICE.format('x')}", r"a.yaml:6: document 2 is Service default/x, which is already at .*a.yaml:1"),
    ],
)
def test_what_cannot_be_understood_is_said_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_manifests([write(tmp_path, a=text)])


def test_an_object_is_the_same_in_any_version(tmp_path: Path) -> None:
    text = "apiVersion: x.example/{}\nkind: Odd\nmetadata: {{name: o, namespace: n}}\n"
    with pytest.raises(ManifestError, match="Odd n/o"):
        read_manifests([write(tmp_path, a=text.format("v1"), b=text.format("v2"))])


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
