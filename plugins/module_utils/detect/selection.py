# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which load balancers a run is about: by ``namespace/name``, by name, or by vendor id."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ..core.errors import MeshlbError
from ..core.model import LoadBalancer, Route
from ..kube.objects import Obj, labels_of
from ..kube.selectors import text_selector
from ..kube.snapshot import Snapshot


def is_named(wanted: str, namespace: str, name: str, vendor: str) -> bool:
    """Whether one of the user's words means this load balancer."""
    return wanted in (f"{namespace}/{name}" if namespace else name, name, vendor)


def choose_load_balancers(found: Sequence[LoadBalancer], wanted: Collection[str]) -> list[LoadBalancer]:
    """Those that are meant, all where ``wanted`` is empty. Raises :class:`MeshlbError` for a word that means none."""
    if not wanted:
        return list(found)
    for word in wanted:
        if not any(is_named(word, item.namespace, item.name, item.vendor) for item in found):
            known = ", ".join(f"{item.label} ({item.vendor})" for item in found) or "none at all"
            raise MeshlbError(
                f"load_balancers names {word!r}, but no load balancer found here has that name or vendor.",
                f"Found were: {known}.", details={"known": [item.label for item in found]},
            )
    return [item for item in found if any(is_named(word, item.namespace, item.name, item.vendor) for word in wanted)]


def route_filter(snapshot: Snapshot, namespaces: Collection[str], label_selector: str) -> Callable[[Route], bool]:
    """Whether a route's object is in one of the namespaces (any, where empty) and has the labels.

    Raises :class:`MeshlbError` where ``label_selector`` is not a selector as kubectl takes it.
    """
    selector = text_selector(label_selector, "label_selector")

    def selected(route: Route) -> bool:
        if namespaces and route.object.namespace not in namespaces:
            return False
        if not selector.requirements:
            return True
        group = route.object.group
        kind = f"{route.object.kind}.{group}" if group else route.object.kind
        obj: Obj = snapshot.get(kind, route.object.namespace, route.object.name) or {}
        return selector.matches(labels_of(obj))

    return selected
