# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading single objects without tripping over what is not there."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ABSENT
from ansible_collections.meshlb.istio.plugins.module_utils.kube import objects

from tests.unit.plugins.module_utils.support.cluster import container, pod, workload

TREE: dict[str, Any] = {"a": {"b": [{"c": 1}, None]}, "empty": "", "none": None}


@pytest.mark.parametrize(
    ("path", "dug", "value"),
    [
        (("a", "b", 0, "c"), 1, 1), (("a", "b", 1), "-", None), (("a", "b", 2), "-", ABSENT), (("a", "b", -2, "c"), 1, ABSENT),
        (("empty",), "", ""), (("none",), "-", None), (("x",), "-", ABSENT), (("a", "x"), "-", ABSENT), (("empty", "x"), "-", ABSENT),
        (("a", 0), "-", ABSENT), ((), TREE, TREE),
    ],
)  # fmt: skip
def test_paths(path: tuple[str | int, ...], dug: object, value: object) -> None:
    assert objects.dig(TREE, *path, default="-") == dug
    found = objects.value_at(TREE, path)
    assert found is value if value is ABSENT else found == value


def test_metadata_that_is_not_there() -> None:
    assert (objects.name_of({}), objects.namespace_of({}), objects.labels_of({}), objects.annotations_of({})) == ("", "", {}, {})
    assert objects.annotations_of({"metadata": {"annotations": None}}) == {}
    assert objects.created_at({}) > "2999" and objects.created_at({"metadata": {"creationTimestamp": None}}) > "2999"


def test_kind_keys() -> None:
    assert objects.kind_key("v1", "Service") == "Service"
    assert objects.kind_key("networking.k8s.io/v1", "Ingress") == "Ingress.networking.k8s.io"


def test_templates_and_containers() -> None:
    running = pod("shop")
    assert objects.pod_template(running) is running and objects.pod_template({"kind": "Deployment"}) == {}
    template = workload("shop")["spec"]["template"]
    template["spec"]["initContainers"] = [{"name": "once"}, {"name": "native", "restartPolicy": "Always"}]
    assert [item["name"] for item in objects.containers_of(template)] == ["main", "native"]


@pytest.mark.parametrize(
    ("args", "value"),
    [
        ((), None), (("--flag=x",), "x"), (("-flag=x",), "x"), (("--flag", "x"), "x"), (("--flag", "--other"), ""), (("--flag",), ""),
        (("--flag=",), ""), (("--flag=a=b",), "a=b"), (("--flags=x",), None), (("flag=x",), None), (("--old=x",), "x"),
        (("--flag=x", "--flag=y"), "y"), (("run", "--flag=x"), "x"),
    ],
)  # fmt: skip
def test_arguments(args: tuple[str, ...], value: str | None) -> None:
    assert objects.argument(container("c", command=args[:1], args=args[1:]), "flag", "old") == value


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("registry.k8s.io/ingress-nginx/controller:v1.11.0", ("ingress-nginx/controller", "v1.11.0")),
        ("registry.k8s.io/ingress-nginx/controller:v1.11.0@sha256:abc", ("ingress-nginx/controller", "v1.11.0")),
        ("registry.k8s.io/ingress-nginx/controller@sha256:abc", ("ingress-nginx/controller", "")),
        ("localhost:5000/a/b", ("a/b", "")), ("localhost/a:1", ("a", "1")), ("nginx/nginx-ingress:5.6.0", ("nginx/nginx-ingress", "5.6.0")),
        ("nginx", ("nginx", "")), ("host:5000/nginx", ("nginx", "")), ("", ("", "")),
    ],
)  # fmt: skip
def test_image_names(image: str, name: tuple[str, str]) -> None:
    assert objects.image_name(image) == name
