# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions of the AWS Application Load Balancer: what they forward to are routes, and what they answer themselves is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.aws_alb.routes import PREFIX, entries_with_actions

from tests.unit.plugins.module_utils.support.cluster import Obj, backend, ingress, path

FORWARD = {"type": "forward", "forwardConfig": {"targetGroups": [
    {"serviceName": "v1", "servicePort": "80", "weight": 90}, {"serviceName": "v2", "servicePort": "http", "weight": 10},
]}}  # fmt: skip
ONE = {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"ServiceName": "v1", "ServicePort": 80}]}}
ELSEWHERE = {"type": "forward", "targetGroupARN": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/x/1"}


def with_action(action: Any) -> Obj:
    made = ingress("web", path(backend("split", "use-annotation")), path(backend("plain"), "/plain"), class_name="alb")
    noted = {} if action is None else {f"{PREFIX}/actions.split": action if isinstance(action, str) else json.dumps(action)}
    return {**made, "metadata": {**made["metadata"], "annotations": noted}}


CASES: dict[str, tuple[Any, list[tuple[str, int | str, bool, bool]]]] = {
    "two Services": (FORWARD, [("v1", 80, True, False), ("v2", "http", True, False)]),
    "one Service, written otherwise": (ONE, [("v1", 80, False, False)]),
    "a redirect": ({"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}, []),
    "an answer": ({"type": "fixed-response", "fixedResponseConfig": {"statusCode": "503"}}, []),
    "a target group elsewhere": (ELSEWHERE, [("split", "use-annotation", False, True)]),
    "none": (None, [("split", "use-annotation", False, True)]),
    "no JSON": ("{", [("split", "use-annotation", False, True)]),
    "a list": ("[]", [("split", "use-annotation", False, True)]),
}  # fmt: skip


@pytest.mark.parametrize(("action", "expected"), CASES.values(), ids=CASES)
def test_actions(action: Any, expected: list[tuple[str, int | str, bool, bool]]) -> None:
    found = [(item.service, item.reference, item.shared, bool(item.unread)) for item in entries_with_actions(with_action(action))]
    assert found == [*expected, ("plain", 80, False, False)]
