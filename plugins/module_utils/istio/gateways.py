# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that lead to an Istio gateway: its own, and those of chained mode that stand for it in other namespaces."""

from __future__ import annotations

from fnmatch import fnmatchcase

from ..core.marks import CHAINED_GATEWAY, PART
from ..istio.endpoints import pods_selected
from ..kube import kinds
from ..kube.objects import Obj, annotations_of, containers_of, dig, namespace_of
from ..kube.snapshot import Snapshot
from .injection import PROXY_CONTAINER
from .registry import aliased

CHAINED_WHY = "it goes to an Istio gateway (chained mode), which speaks mutual TLS with the backend; chained_gateway says what holds there"


_CLASSES = ("istio", "istio-*", "openshift-default")
_CONTROLLERS = ("istio.io/*", "openshift.io/gateway-controller*")


def is_istio_gateway(class_name: str, controller: str) -> bool:
    """Whether a Gateway is Istio's own, a waypoint among them: by its class's controller, else by the name that the class always has."""
    return any(fnmatchcase(controller or class_name, item) for item in (_CONTROLLERS if controller else _CLASSES))


def leads_to_gateway(snapshot: Snapshot, namespace: str, name: str) -> bool:
    """Whether what a Service leads to is an Istio gateway: pods that run Istio's proxy and nothing else."""
    service = snapshot.get(kinds.SERVICE, namespace, name)
    if service is None:
        return False
    if annotations_of(service).get(PART) == CHAINED_GATEWAY:
        return True
    service = aliased(snapshot, service)
    if service is None:
        return False
    found = pods_selected(snapshot, namespace_of(service), dig(service, "spec", "selector", default={}))
    return bool(found) and all(_only_proxy(item.pod) for item in found)


def _only_proxy(pod: Obj) -> bool:
    return [item.get("name") for item in containers_of(pod)] == [PROXY_CONTAINER]
