# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies that attach to Gateway API objects: which of them hold for a target, and whether a backend is spoken to by TLS.

Source: kubernetes-sigs/gateway-api apis/v1alpha2 (policy attachment) and apis/v1 (BackendTLSPolicy).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ....kube.objects import Obj, created_at, dig, labels_of, name_of, namespace_of
from ....kube.selectors import object_selector
from ....kube.services import find_port
from .names import GATEWAY_CLASS

Named = Callable[[str, str, str], "Obj | None"]
"""An object by kind key, namespace and name."""


def policies_for(policies: Callable[[str], list[Obj]], target: Obj, section: str | None = None) -> list[Obj]:
    """Of the policies in the target's namespace those that name it (with this section, or none), the oldest first."""
    found = [item for item in policies(namespace_of(target)) if _names(item, target, section)]
    return sorted(found, key=lambda item: (created_at(item), name_of(item)))


def targeted(policy: Obj, obj: Obj) -> bool:
    """Whether a policy holds for an object of its own namespace, or for a section of it."""
    own = (obj.get("kind"), name_of(obj))
    return any((item.get("kind"), item.get("name")) == own for item in _targets(policy)) or _names(policy, obj, None)


def _names(policy: Obj, target: Obj, section: str | None) -> bool:
    own = (target.get("kind"), name_of(target), section)
    if any((item.get("kind"), item.get("name"), item.get("sectionName")) == own for item in _targets(policy)):
        return True
    selectors = dig(policy, "spec", "targetSelectors", default=[])
    return section is None and any(
        item.get("kind") == target.get("kind") and object_selector(item).matches(labels_of(target)) for item in selectors
    )


def parameters_of(named: Named, kind: str, gateway: Obj) -> tuple[Obj | None, Obj | None]:
    """The objects of a kind that hold parameters of a Gateway, and of its class."""
    gateway_class = named(GATEWAY_CLASS, "", str(dig(gateway, "spec", "gatewayClassName", default="")))
    of_gateway = dig(gateway, "spec", "infrastructure", "parametersRef", default={})
    of_class = dig(gateway_class, "spec", "parametersRef", default={})
    references = ((of_gateway, namespace_of(gateway)), (of_class, str(of_class.get("namespace", ""))))
    first, second = (
        named(kind, namespace, str(reference.get("name", ""))) if reference.get("kind") == kind.partition(".")[0] else None
        for reference, namespace in references
    )
    return first, second


def speaks_tls(policies: Iterable[Obj], name: str, service: Obj, port: int) -> bool:
    """Whether one of these BackendTLSPolicies has implementations of the Gateway API speak TLS to a port of the Service of this name.

    A policy with a ``sectionName`` is for the port of that name, one without is for all ports.
    """
    port_name = str((find_port(service, port) or {}).get("name") or "")
    targets = (target for item in policies for target in _services(item))
    return any(target.get("name") == name and target.get("sectionName") in (None, "", port_name) for target in targets)


def by_service(policy: Obj) -> Iterator[tuple[str, str]]:
    """Index of policies by the namespace and name of the Services that they are for."""
    yield from ((namespace_of(policy), str(item.get("name"))) for item in _services(policy))


def _services(policy: Obj) -> list[Obj]:
    return [item for item in _targets(policy) if (item.get("group", ""), item.get("kind")) == ("", "Service")]


def _targets(policy: Obj) -> list[Obj]:
    # One target in the first version of the kinds, a list since.
    return [*dig(policy, "spec", "targetRefs", default=[]), dig(policy, "spec", "targetRef", default={})]
