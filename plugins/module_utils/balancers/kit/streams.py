# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes that no annotation governs: TCP services listed in a ConfigMap (``port: namespace/service:port[:…]``), for every vendor
that has such a list, and other routes that always go to pod addresses."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.model import LoadBalancer, ObjectRef, Route, Scheme, Upstream
from ...kube.objects import Obj, dig, ref_of
from ...kube.snapshot import Snapshot
from .ingresses import make_backend

Target = tuple[str, str, "int | str"]
"""Namespace, Service, and its port as it is written."""


def tcp_services(snapshot: Snapshot, load_balancer: LoadBalancer, config_map: Obj | None) -> Iterator[Route]:
    """Routes of the ConfigMap that a controller was told to read TCP services from."""
    for port, text in sorted(dig(config_map, "data", default={}).items()):
        target = _target(str(text))
        if target is not None:
            yield fixed_route(snapshot, load_balancer, ref_of(config_map or {}), f"tcp:{port}", target, "tcp")


def _target(text: str) -> Target | None:
    namespace, dummy, rest = text.partition("/")
    service, dummy, more = rest.partition(":")
    reference = more.partition(":")[0]
    if not service or not reference:
        return None
    return (namespace, service, int(reference) if reference.isdigit() else reference)


def fixed_route(
    snapshot: Snapshot, load_balancer: LoadBalancer, ref: ObjectRef, path: str, target: Target, scheme: Scheme
) -> Route:
    """A route to pod addresses that has no switch."""
    return Route(
        load_balancer=load_balancer.key, object=ref, host="", path=path, path_type="Stream",
        backend=make_backend(snapshot, *target), upstream=Upstream("pod_ips", "", scheme),
        upstream_group=f"{path}-{target[0]}-{target[1]}-{target[2]}", settable=False,
        why_not_settable="this kind of route always goes to pod addresses",
    )
