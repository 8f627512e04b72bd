# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes: where a controller looks for them, and which place decides."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.classes import (
    ClassRule,
    ClassSource,
    classes_where,
    controller_of,
    default_controllers,
    takes_annotated,
)
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import LoadBalancer

from tests.unit.plugins.module_utils.support.cluster import Obj, ingress_class

BOTH = frozenset({"a"})
FIELD, ANNOTATION, ONLY = ClassSource.FIELD_FIRST, ClassSource.ANNOTATION_FIRST, ClassSource.ANNOTATION_ONLY


def ingress(field: str | None, annotation: str | None) -> Obj:
    annotations = {} if annotation is None else {"kubernetes.io/ingress.class": annotation}
    return {"metadata": {"name": "i", "annotations": annotations}, "spec": {} if field is None else {"ingressClassName": field}}


CASES: dict[str, tuple[dict[str, Any], str | None, str | None, bool]] = {
    "the field": ({}, "a", None, True),
    "another class": ({}, "b", None, False),
    "the annotation": ({}, None, "a", True),
    "the annotation has names of its own": ({"annotated": frozenset({"x"})}, None, "x", True),
    "which hold for the annotation alone": ({"annotated": frozenset({"x"})}, "x", None, False),
    "no names for the annotation": ({"annotated": frozenset()}, None, "a", False),
    "the field before the annotation": ({"source": FIELD}, "b", "a", False),
    "the annotation before the field": ({"source": ANNOTATION}, "b", "a", True),
    "the annotation before the field, which is all there is": ({"source": ANNOTATION}, "a", None, True),
    "the annotation alone": ({"source": ONLY}, "a", "b", False),
    "the annotation alone, and there is none": ({"source": ONLY, "without_class": True}, "b", None, True),
    "without a class": ({}, None, None, False),
    "without a class, which it takes": ({"without_class": True}, None, None, True),
    "an empty annotation is a class": ({"without_class": True}, None, "", False),
    "an empty annotation is none": ({"without_class": True, "empty_is_none": True}, None, "", True),
    "an empty annotation before the field": ({"source": ANNOTATION}, "a", "", False),
    "an empty annotation that is none before the field": ({"source": ANNOTATION, "empty_is_none": True}, "a", "", True),
}


@pytest.mark.parametrize(("rule", "field", "annotation", "taken"), CASES.values(), ids=CASES)
def test_which_objects_a_rule_takes(rule: dict[str, Any], field: str | None, annotation: str | None, taken: bool) -> None:
    assert ClassRule(BOTH, **rule).takes(ingress(field, annotation)) is taken


@pytest.mark.parametrize(
    ("field", "annotation", "taken"), [("a", None, True), ("a", "b", False), ("b", "a", True), ("a", "", True), (None, None, False)]
)  # fmt: skip
def test_the_annotation_before_the_field_by_name_alone(field: str | None, annotation: str | None, taken: bool) -> None:
    assert takes_annotated(["a"], ingress(field, annotation)) is taken
    assert takes_annotated(["a"], ingress(None, None), without_class=True)


def test_classes_and_default_classes() -> None:
    default = ingress_class("d", "x/y")
    default["metadata"]["annotations"] = {"ingressclass.kubernetes.io/is-default-class": "true"}
    found = [ingress_class("b", "x/y"), ingress_class("a", "x/z"), default]
    balancer = LoadBalancer("lb", "edge", "any", "Any")
    assert classes_where(lambda served, item: controller_of(item) == "x/y")(balancer, found) == ("b", "d")
    assert default_controllers(found) == ("x/y",)
