# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Annotations under several prefixes, and booleans."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.annotations import AnnotationKeys, flag_is_on, go_bool, same_bool

from tests.unit.plugins.module_utils.support.cluster import Obj, container

KEYS = AnnotationKeys(("new.example.com", "old.example.com"), {"mode": "of the ConfigMap", "other": "x"})


def annotated(**annotations: str) -> Obj:
    return {"metadata": {"annotations": {f"{key.replace('_', '.example.com/')}": value for key, value in annotations.items()}}}


def test_keys_of_an_object() -> None:
    assert KEYS.of(annotated(old_mode="1", new_mode="2", old_size="3", foreign_mode="4")) == {"mode": "2", "size": "3"}
    assert KEYS.of(None) == {} and KEYS.name("mode") == "new.example.com/mode"


def test_the_first_object_decides_then_the_config_map() -> None:
    service, ingress = annotated(old_mode="service"), annotated(new_mode="ingress", new_size="")
    assert KEYS.value("mode", service, ingress) == "service" and KEYS.value("mode", None, ingress) == "ingress"
    assert KEYS.value("size", service, ingress) == "" and KEYS.value("mode", None) == "of the ConfigMap"
    assert KEYS.value("absent", service, ingress) is None


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [(None, True, True), (None, False, False), ("true", False, True), ("T", False, True), ("yes", True, False), ("", True, False)],
)
def test_booleans(text: str | None, default: bool, expected: bool) -> None:
    assert go_bool(text, default=default) is expected


@pytest.mark.parametrize(
    ("args", "default", "expected"),
    [
        ([], True, True), ([], False, False), (["--on"], False, True), (["--on=false"], True, False), (["--on=F"], True, False),
        (["--on=1"], False, True), (["--on=0"], False, False),
    ],
)
def test_switches_of_the_command_line(args: list[str], default: bool, expected: bool) -> None:
    assert flag_is_on(container("c", args=args), "on", default=default) is expected


def test_the_same_boolean() -> None:
    assert same_bool("True", "true") and same_bool("F", "false") and same_bool("x", "x")
    assert not same_bool("yes", "true") and not same_bool("", "false") and not same_bool("false", "true") and not same_bool("1", "x")
