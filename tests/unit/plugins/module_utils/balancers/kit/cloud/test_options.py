# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options as platforms read them, and what is written of them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.cloud.options import (
    class_for,
    given,
    has_option,
    is_word,
    listen_ports,
    prefixed,
)

from tests.unit.plugins.module_utils.balancers.cloud_support import request

CLASSES: dict[str, tuple[dict[str, Any], str, str]] = {
    "none": ({}, "usual", "usual"),
    "one was found": ({"classes": ("a",)}, "a", "a"),
    "several": ({"classes": ("a", "usual")}, "a", "usual"),
    "asked for": ({"classes": ("a", "usual"), "class_name": "b"}, "b", "b"),
}


@pytest.mark.parametrize(("wanted", "first", "preferred"), CLASSES.values(), ids=CLASSES)
def test_the_class_of_new_objects(wanted: dict[str, Any], first: str, preferred: str) -> None:
    assert class_for(request(**wanted), "usual") == first
    assert class_for(request(**wanted), "usual", prefer_usual=True) == preferred


def test_what_has_no_value_is_left_out() -> None:
    assert prefixed("x/", {"a": 80, "b": "", "c": None, "d": "on"}) == {"x/a": "80", "x/d": "on"}
    assert given(a=80, b="", c=None, d={}) == {"a": 80}


def test_options_are_asked_for() -> None:
    certificate, nodes = has_option("tls_secret", "certificate"), is_word("targets", "nodes", "pods")
    assert [certificate(item) for item in (request(), request(certificate="x"), request(certificate=None))] == [False, True, False]
    assert [nodes(item) for item in (request(), request(targets="Nodes"), request(targets="pods"))] == [False, True, False]
    assert is_word("private", "true", "")(request(private=True))


def test_listeners_of_an_ingress() -> None:
    assert (listen_ports(https=False), listen_ports(https=True)) == ('[{"HTTP": 80}]', '[{"HTTP": 80}, {"HTTPS": 443}]')
