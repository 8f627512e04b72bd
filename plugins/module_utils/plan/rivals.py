# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers that appear beside one that is planned already, and serve what it serves.

Whoever may create a Deployment can make one that looks like somebody else's load balancer. Its routes would then be planned together with
those of the real one, in whose plan it would have a say. So it is planned around until the user names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ..core.findings import finding
from ..core.model import Finding, LoadBalancer, ObjectRef
from ..detect.inventory import Inventory

Key = tuple[str, str]


@dataclass(frozen=True)
class Known:
    """Labels of load balancers: those for which earlier runs wrote something, and those that the user names for this run."""

    written_for: Collection[str] = ()
    named: Collection[str] = ()


def rivals(inventory: Inventory, known: Known) -> dict[Key, LoadBalancer]:
    """The load balancers that are planned around, each with the one whose routes it serves as well."""
    written = [item for item in inventory.load_balancers.values() if item.label in known.written_for]
    if not written:
        return {}
    served: dict[Key, set[ObjectRef]] = {}
    for route in inventory.routes:
        served.setdefault(route.load_balancer, set()).add(route.object)
    found = {}
    for item in inventory.load_balancers.values():
        if item.label in known.written_for or item.label in known.named:
            continue
        own = served.get(item.key, set())
        earlier = (other for other in written if other.namespace != item.namespace and own & served.get(other.key, set()))
        first = next(earlier, None)
        if first is not None:
            found[item.key] = first
    return found


def about_rivals(load_balancers: Mapping[Key, LoadBalancer], found: Mapping[Key, LoadBalancer]) -> Iterator[Finding]:
    """That a load balancer is planned around, and how it would be planned."""
    for key, other in found.items():
        item = load_balancers[key]
        message = (
            f"{item.label} serves routes that {other.label} serves too, for which earlier runs wrote something; it is planned around. "
            f"If it is yours, name {item.label} in load_balancers"
        )
        yield finding("MLB227", message, item.workload, cause=other.workload, details={"load_balancer": item.label, "other": other.label})
