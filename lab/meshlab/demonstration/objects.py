# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a cluster's objects are what they were: everything that can be listed, without what changes by itself."""

from collections.abc import Iterable
from typing import Any, Final

Object = dict[str, Any]
Key = tuple[str, str, str]

#: Kinds that controllers write all the time, or that a rollout makes anew. Secrets are nobody's business here.
VOLATILE_KINDS: Final = frozenset(
    """bindings componentstatuses controllerrevisions.apps endpoints endpointslices.discovery.k8s.io events events.events.k8s.io
    leases.coordination.k8s.io nodes pods replicasets.apps secrets""".split()
)
#: Fields that the API server and its controllers keep for themselves.
VOLATILE_METADATA: Final = ("generation", "managedFields", "resourceVersion")
#: Counted up by Kubernetes with each rollout, and a leader's own clock.
VOLATILE_ANNOTATIONS: Final = ("deployment.kubernetes.io/revision", "control-plane.alpha.kubernetes.io/leader")


def lasting(kinds: Iterable[str]) -> list[str]:
    """The kinds worth comparing; metrics are measurements."""
    return sorted(kind for kind in kinds if kind not in VOLATILE_KINDS and not kind.endswith(".metrics.k8s.io"))


def normal(obj: Object) -> Object:
    """An object without its status and what changes by itself; an empty map is none."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in VOLATILE_METADATA}
    kept = {key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key not in VOLATILE_ANNOTATIONS}
    if kept:
        metadata["annotations"] = kept
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def by_key(objects: Iterable[Object]) -> dict[Key, Object]:
    """Normal objects by (kind with its group, namespace, name)."""
    found = {}
    for obj in objects:
        group = str(obj["apiVersion"]).rpartition("/")[0]
        kind = f"{obj['kind']}.{group}" if group else str(obj["kind"])
        metadata = obj["metadata"]
        found[(kind, str(metadata.get("namespace", "")), str(metadata["name"]))] = normal(obj)
    return found


def differences(before: dict[Key, Object], after: dict[Key, Object]) -> list[str]:
    """One sentence per object that is new, gone or another."""
    found = []
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            what = "is gone" if key not in after else "is new" if key not in before else "differs"
            found.append(f"{key[0]} {'/'.join(filter(None, key[1:]))} {what}")
    return found
