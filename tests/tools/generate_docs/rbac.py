# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Permissions for the kinds that only some load balancers have, from what the profiles say that they read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .frame import imported

HEAD = """# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Generated from the code by `make docs`: the kinds that only some load balancers have. Keep the rules of those that you run.
# meshlb-vendors-read goes with meshlb-assess, meshlb-vendors-write with meshlb-routes and meshlb-load-balancer.
---
apiVersion: v1
kind: List
items:
"""


IRREGULAR = {"HealthCheckPolicy.alb.networking.azure.io": "healthcheckpolicy"}
"""Resources whose projects name them otherwise (this one: Azure/Application-Gateway-for-Containers-Migration-Utility, crds/v1)."""


def plural(item: str) -> str:
    """The resource's name of a kind (Kind.group), as the API's own generators make it where its project says nothing else."""
    if item in IRREGULAR:
        return IRREGULAR[item]
    lowered = item.partition(".")[0].lower()
    if lowered.endswith("y") and not lowered.endswith("ay"):
        return f"{lowered[:-1]}ies"
    return f"{lowered}es" if lowered.endswith("s") else f"{lowered}s"


def manifest(kinds: Iterable[str]) -> str:
    """Two ClusterRoles, one to read and one to write, with a rule per API group."""
    groups: dict[str, list[str]] = {}
    for item in kinds:
        groups.setdefault(item.partition(".")[2], []).append(plural(item))
    text = HEAD
    for name, verbs in (("meshlb-vendors-read", "[list]"), ("meshlb-vendors-write", "[get, create, patch, delete]")):
        text += f"  - apiVersion: rbac.authorization.k8s.io/v1\n    kind: ClusterRole\n    metadata:\n      name: {name}\n    rules:\n"
        for group, resources in sorted(groups.items()):
            text += f"      - apiGroups: [{group}]\n        resources:\n"
            text += "".join(f"          - {resource}\n" for resource in sorted(set(resources)))
            text += f"        verbs: {verbs}\n"
    return text


def pages(root: Path) -> dict[str, str]:
    """The manifest, and nothing where the registry is not there yet."""
    found = imported(root, "balancers.registry")
    if found is None:
        return {}
    registry = found.REGISTRY
    of_chains = (kind for kind in registry.chain_kinds() if "." in kind and not kind.endswith((".networking.k8s.io", ".discovery.k8s.io")))
    return {"docs/rbac/vendors.yaml": manifest(sorted({*registry.route_kinds(), *of_chains}))}
