# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headless Services are made hidden from the mesh, and shown to it once their endpoints are known.

Istio decides about TLS to a headless Service when it first sees it, and takes one without endpoints for one without sidecars
(istio/istio pilot/pkg/model/push_context.go, BestEffortInferServiceMTLSMode). Endpoints that come later do not change that:
measured in the lab under load, where such a Service stayed in plaintext. Interrupted in between, it stays hidden, and a
second run shows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ansible_collections.meshlb.istio.plugins.module_utils.apply.fields import pointer
from ansible_collections.meshlb.istio.plugins.module_utils.errors import ApiError
from ansible_collections.meshlb.istio.plugins.module_utils.model import ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.observe.kinds import ENDPOINT_SLICE
from ansible_collections.meshlb.istio.plugins.module_utils.observe.objects import Obj, annotations_of
from ansible_collections.meshlb.istio.plugins.module_utils.observe.services import is_headless, slices_by_service

EXPORT_TO = "networking.istio.io/exportTo"
NOBODY = "~"
SECONDS, INTERVAL = 10.0, 0.2


class Lists(Protocol):
    """What waiting needs of a client (:class:`api.Api`)."""

    def list(self, key: str, namespace: str = "") -> Iterable[Obj]: ...


def hidden(body: Obj) -> Obj:
    """``body`` as it is made first: the same object, unless it is a headless Service that is exported to somebody."""
    annotations = annotations_of(body)
    if body.get("kind") != "Service" or not is_headless(body) or EXPORT_TO not in annotations:
        return body
    return {**body, "metadata": {**body["metadata"], "annotations": {**annotations, EXPORT_TO: NOBODY}}}


def publish(body: Obj) -> list[dict[str, Any]]:
    """The JSON Patch that shows a hidden Service to whom it is meant for."""
    path = pointer(("metadata", "annotations", EXPORT_TO))
    return [{"op": "replace", "path": path, "value": annotations_of(body)[EXPORT_TO]}]


def wait_for_endpoints(
    api: Lists, ref: ObjectRef, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Return when the Service has endpoints, or after a while: one whose pods are all gone has none."""
    deadline = clock() + SECONDS
    while clock() < deadline:
        try:
            slices = api.list(ENDPOINT_SLICE, ref.namespace)
        except ApiError:
            # Who may not look gives the controller the time that it usually needs.
            sleep(1.0)
            return
        if any(item.get("endpoints") for item in slices if (ref.namespace, ref.name) in set(slices_by_service(item))):
            # The mesh reads Services and endpoints from two streams; the pause lets the second one catch up.
            sleep(INTERVAL)
            return
        sleep(INTERVAL)
