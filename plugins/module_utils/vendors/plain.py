# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain Ingress routes of a load balancer about which nothing more is known: pod addresses, the client's Host."""

from __future__ import annotations

from ansible_collections.meshlb.istio.plugins.module_utils.model import LoadBalancer, ObjectRef, Route
from ansible_collections.meshlb.istio.plugins.module_utils.observe import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.observe.objects import dig, name_of, namespace_of
from ansible_collections.meshlb.istio.plugins.module_utils.observe.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.base import Profile, RouteReading
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.ingresses import (
    class_of,
    entries,
    ingress_ref,
    is_ignored,
    make_backend,
    pinned_strategy,
)


def classes_of_controller(profile: Profile, snapshot: Snapshot) -> tuple[str, ...]:
    """Names of the IngressClasses whose controller is the profile's."""
    return tuple(sorted(
        name_of(item) for item in snapshot.all(kinds.INGRESS_CLASS)
        if profile.claims_controller(str(dig(item, "spec", "controller", default="")))
    ))


def plain_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None) -> RouteReading:
    """Routes of all Ingresses of the load balancer's classes."""
    routes = []
    for ingress in snapshot.all(kinds.INGRESS):
        ref = ingress_ref(ingress)
        name, annotation = class_of(ingress)
        if (name or annotation) not in load_balancer.classes or (only is not None and ref not in only):
            continue
        for entry in entries(ingress):
            routes.append(Route(
                load_balancer=load_balancer.key, object=ref, host=entry.host, path=entry.path, path_type=entry.path_type,
                backend=make_backend(snapshot, namespace_of(ingress), entry.service, entry.reference),
                upstream_group=f"{ref.namespace}-{entry.service}-{entry.reference}",
                settable=False, why_not_settable="nothing is known about this load balancer's settings",
                ignored=is_ignored(ingress), pinned_strategy=pinned_strategy(snapshot, ingress),
            ))
    return RouteReading(tuple(routes))
