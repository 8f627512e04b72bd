# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recording a cluster's objects, and telling two records apart to the last field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .cluster import Cluster, Obj

# Everything that the collection could write, and what surrounds it.
KINDS = (
    "namespaces", "services", "configmaps", "serviceaccounts", "deployments.apps", "daemonsets.apps", "statefulsets.apps",
    "ingresses.networking.k8s.io", "ingressclasses.networking.k8s.io", "peerauthentications.security.istio.io",
    "destinationrules.networking.istio.io", "virtualservices.networking.istio.io", "serviceentries.networking.istio.io",
    "sidecars.networking.istio.io", "envoyfilters.networking.istio.io", "gateways.networking.istio.io",
    "requestauthentications.security.istio.io", "authorizationpolicies.security.istio.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io", "endpointslices.discovery.k8s.io",
    "endpoints",
)  # fmt: skip
# Groups whose kinds are recorded where a cluster has them: those of load balancers that can be set by their own kinds.
GROUPS = ("gateway.networking.k8s.io", "gateway.envoyproxy.io", "getambassador.io", "projectcontour.io", "traefik.io", "zalando.org")
# The API server's and the controllers' own bookkeeping; everything else has to be as it was.
BOOKKEEPING = ("resourceVersion", "generation", "managedFields")
LEADER = "control-plane.alpha.kubernetes.io/leader"
REVISIONS = {"Deployment": "deployment.kubernetes.io/revision", "DaemonSet": "deprecated.daemonset.template.generation"}
# On what a load balancer's operator makes from a Gateway.
MADE_FROM = "/owning-gateway-name"

Record = dict[str, Obj]


def record(cluster: Cluster, kinds: Iterable[str] = KINDS) -> Record:
    """Every object of these kinds and of load balancers' own, by kind, namespace and name."""
    served = cluster.run("api-resources", "--verbs=list", "--output=name").stdout.split()
    own = [name for name in served if name.partition(".")[2] in GROUPS]
    return {key_of(item): item for item in cluster.items(",".join((*kinds, *own)), "--all-namespaces") if not is_controllers(item)}


def key_of(obj: Obj) -> str:
    """Kind.group/namespace/name."""
    group, slash, _version = str(obj["apiVersion"]).partition("/")
    kind = f"{obj['kind']}.{group}" if slash else str(obj["kind"])
    return f"{kind}/{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"


def lasting(obj: Obj) -> Obj:
    """An object without status and bookkeeping.

    The revision number of a Deployment or a DaemonSet is its controller's: it counts roll-outs, so it grows with every change
    and with every change taken back.
    """
    metadata = {key: value for key, value in obj["metadata"].items() if key not in BOOKKEEPING}
    revision = REVISIONS.get(str(obj["kind"]), "")
    if revision in metadata.get("annotations", {}):
        metadata["annotations"] = {key: value for key, value in metadata["annotations"].items() if key != revision}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def differences(before: Mapping[str, Obj], after: Mapping[str, Obj]) -> list[str]:
    """One line for every object that is not the same, with the fields."""
    lines = [f"{key} is gone" for key in sorted(before.keys() - after.keys())]
    lines += [f"{key} is new" for key in sorted(after.keys() - before.keys())]
    for key in sorted(before.keys() & after.keys()):
        lines += [f"{key} {path}: {was!r} -> {now!r}" for path, was, now in unlike(lasting(before[key]), lasting(after[key]))]
    return lines


def touched(before: Mapping[str, Obj], after: Mapping[str, Obj]) -> dict[str, str]:
    """What was done to which object: create, delete or patch. What an operator made of what it read is its own doing."""
    found = dict.fromkeys(after.keys() - before.keys(), "create")
    found.update(dict.fromkeys(before.keys() - after.keys(), "delete"))
    same = before.keys() & after.keys()
    ours = {key for key in same if not any(label.endswith(MADE_FROM) for label in after[key]["metadata"].get("labels", {}))}
    found.update({key: "patch" for key in ours if lasting(before[key]) != lasting(after[key])})
    return dict(sorted(found.items()))


def unlike(left: Any, right: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The places in which two values differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            yield from unlike(left.get(key, "(absent)"), right.get(key, "(absent)"), f"{path}/{key}")
    elif left != right:
        yield path, left, right


def is_controllers(obj: Obj) -> bool:
    """What controllers write all the time: leases, and the addresses of pods."""
    labels = obj["metadata"].get("labels", {})
    manager = str(labels.get("endpointslice.kubernetes.io/managed-by", ""))
    return is_lease(obj) or manager.endswith("-controller.k8s.io") or "endpoints.kubernetes.io/managed-by" in labels


def is_lease(obj: Obj) -> bool:
    """ConfigMaps that controllers renew every few seconds to say which of them leads. No content but that."""
    return bool(obj["kind"] == "ConfigMap" and LEADER in obj["metadata"].get("annotations", {}) and not obj.get("data"))


def merged(obj: Any, patch: Any) -> Any:
    """A JSON merge patch: null removes. What is changed inside of a list is given by its place in it."""
    if not isinstance(patch, dict):
        return patch
    if isinstance(obj, list):
        return [merged(item, patch[str(place)]) if str(place) in patch else item for place, item in enumerate(obj)]
    result = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def holds(actual: Any, wanted: Any) -> bool:
    """Whether an object has everything that was wanted; the API server adds defaults."""
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(key in actual and holds(actual[key], value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(actual, list) and len(actual) == len(wanted):
        return all(holds(one, other) for one, other in zip(actual, wanted, strict=True))
    return bool(actual == wanted)
