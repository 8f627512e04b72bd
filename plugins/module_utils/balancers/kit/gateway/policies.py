# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies that attach to Gateway API objects: which of them hold for a target, and whether a backend is spoken to by TLS.

Source: kubernetes-sigs/gateway-api apis/v1alpha2 (policy attachment) and apis/v1 (BackendTLSPolicy).
"""

from __future__ import annotations

from ....kube.objects import Obj, created_at, dig, label_selector_matches, labels_of, name_of, namespace_of
from ....kube.snapshot import Snapshot
from .attachment import GROUP, by_namespace

BACKEND_TLS_POLICY = f"BackendTLSPolicy.{GROUP}"


def policies_for(snapshot: Snapshot, kind: str, target: Obj, section: str | None = None) -> list[Obj]:
    """Policies of a kind in the target's namespace that name it (with this section, or none), the oldest first."""
    found = [item for item in snapshot.lookup(kind, by_namespace, namespace_of(target)) if _names(item, target, section)]
    return sorted(found, key=lambda item: (created_at(item), name_of(item)))


def _names(policy: Obj, target: Obj, section: str | None) -> bool:
    references = [*dig(policy, "spec", "targetRefs", default=[]), dig(policy, "spec", "targetRef", default={})]
    own = (target.get("kind"), name_of(target), section)
    if any((item.get("kind"), item.get("name"), item.get("sectionName")) == own for item in references):
        return True
    selectors = dig(policy, "spec", "targetSelectors", default=[])
    return section is None and any(
        item.get("kind") == target.get("kind") and label_selector_matches(item, labels_of(target)) for item in selectors
    )


def speaks_tls(snapshot: Snapshot, namespace: str, service: str) -> bool:
    """Whether a BackendTLSPolicy has implementations speak TLS to a Service themselves."""
    return any(
        any(item.get("kind") == "Service" and item.get("name") == service for item in dig(policy, "spec", "targetRefs", default=[]))
        for policy in snapshot.lookup(BACKEND_TLS_POLICY, by_namespace, namespace)
    )
