# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions: a backend whose port is called ``use-annotation`` is no Service, but the name of an annotation that says what happens.

Source: kubernetes-sigs/aws-load-balancer-controller 225f445, docs/guide/ingress/annotations.md (actions) and
pkg/ingress/config_types.go (names of fields are compared without regard to upper or lower case, as Go's JSON does).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.model import replace
from ...kube.json_text import json_map
from ...kube.objects import Obj, annotations_of
from ..kit.ingresses import IngressEntry, entries

PREFIX = "alb.ingress.kubernetes.io"
BY_ANNOTATION = "use-annotation"
_FORWARD = "forward"


def entries_with_actions(ingress: Obj) -> Iterator[IngressEntry]:
    """The entries of an Ingress, with the Services that an action forwards to. What answers by itself (a redirect) is none."""
    for entry in entries(ingress):
        if entry.reference == BY_ANNOTATION:
            yield from _of_action(entry, annotations_of(ingress).get(f"{PREFIX}/actions.{entry.service}"))
        else:
            yield entry


def _of_action(entry: IngressEntry, text: str | None) -> Iterator[IngressEntry]:
    action = _lowered(json_map(text) if isinstance(text, str) else None)
    if not action:
        yield replace(entry, unread=f"its action {entry.service} is missing, or cannot be read")
    elif str(action.get("type", "")).lower() == _FORWARD:
        config = _lowered(action.get("forwardconfig"))
        groups = [_lowered(item) for item in _listed(config.get("targetgroups"))]
        found = [item for item in groups if item.get("servicename") and item.get("serviceport")]
        for item in found:
            port = str(item["serviceport"])
            reference = int(port) if port.isdecimal() else port
            yield replace(entry, service=str(item["servicename"]), reference=reference, shared=len(groups) > 1)
        if len(found) < max(1, len(groups)):
            yield replace(entry, unread=f"its action {entry.service} forwards to a target group that is no Service of the cluster")


def _lowered(value: Any) -> Obj:
    return {str(key).lower(): item for key, item in value.items()} if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
