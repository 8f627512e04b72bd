# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proving on a snapshot, as the module does."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Finding, LoadBalancer, Outcome, Route
from ansible_collections.meshlb.istio.plugins.module_utils.detect.inventory import known_backend, running_pods
from ansible_collections.meshlb.istio.plugins.module_utils.istio.addresses import Addresses
from ansible_collections.meshlb.istio.plugins.module_utils.istio.mesh import read_mesh
from ansible_collections.meshlb.istio.plugins.module_utils.istio.network import seen_address
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.prove import prove as proving
from ansible_collections.meshlb.istio.plugins.module_utils.prove import targets
from ansible_collections.meshlb.istio.plugins.module_utils.prove.asking import Asker


def prove(
    snapshot: Snapshot, load_balancers: Iterable[LoadBalancer], routes: Iterable[Route], asker: Asker, predict: Callable[[Route], Outcome],
    options: proving.ProveOptions,
) -> tuple[list[proving.Proven], list[Finding]]:
    """A proof whose prediction the test gives."""
    asked = list(routes)
    known = {route: (known_backend(snapshot, route), seen_address(snapshot, route.upstream.address)) for route in asked}
    pods = {item.key: running_pods(snapshot, item) for item in load_balancers}
    subject = proving.Subject(known, pods, {route: predict(route) for route in asked}, read_mesh(snapshot).trust_domain)
    return proving.prove(subject, Addresses(snapshot), asker, options)


def target_of(snapshot: Snapshot, route: Route, most: int = targets.MOST_ADDRESSES) -> targets.ProofTarget:
    return targets.target_of(route, known_backend(snapshot, route), seen_address(snapshot, route.upstream.address), most)
