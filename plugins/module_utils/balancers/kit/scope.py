# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which namespaces an instance watches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...core.model import LoadBalancer
from ...kube.objects import Obj, labels_of, name_of
from ...kube.selectors import vendor_selector


@dataclass(frozen=True)
class Scope:
    """The namespaces of these names, else those whose labels a selector matches, else all.

    ``labels`` are those of namespaces, needed with a selector only.
    """

    names: frozenset[str] = frozenset()
    selector: str = ""
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def covers(self, namespace: str) -> bool:
        """Whether objects of a namespace are looked at."""
        if self.names:
            return namespace in self.names
        return vendor_selector(self.selector).matches({"kubernetes.io/metadata.name": namespace, **self.labels.get(namespace, {})})


def listed_names(text: str | None) -> frozenset[str]:
    """The names in a list separated by commas, as flags have it."""
    return frozenset(item.strip() for item in (text or "").split(",") if item.strip())


def named_scope(names: str | None) -> Scope:
    """The scope of a flag that lists namespaces."""
    return Scope(listed_names(names))


def selected_scope(namespaces: Iterable[Obj], names: str | None, selector: str | None) -> Scope:
    """The scope of a flag that lists namespaces and one that selects them by their labels."""
    return Scope(listed_names(names), selector, {name_of(item): labels_of(item) for item in namespaces}) if selector else named_scope(names)


def scope_of(load_balancer: LoadBalancer) -> Scope:
    """The namespaces that an instance watches, as its settings' ``scope`` says; all where they have none."""
    found = getattr(load_balancer.settings, "scope", None)
    return found if isinstance(found, Scope) else Scope()
