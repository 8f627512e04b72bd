# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster for Istio's control plane, from manifests: what Kubernetes and the injector would add to them."""

from __future__ import annotations

import copy
import functools
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Obj = dict[str, Any]

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout", "ReplicationController")
TLS_MODE = "security.istio.io/tlsMode"
INJECT = "sidecar.istio.io/inject"
PROXY = "istio-proxy"
REVISION = "istio.io/rev"
REDIRECTION = "ambient.istio.io/redirection"
SYSTEM = ("istio-system", "kube-system", "kube-public")
CREATED = "2024-01-01T00:00:00Z"


def read(folder: Path) -> list[Obj]:
    """Every object of the manifests below a folder, lists unrolled."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in (".yaml", ".yml", ".json")]
    documents = [item for path in files for item in yaml.load_all(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))]
    return [item for document in documents for item in _unrolled(document)]


def _unrolled(document: Any) -> Iterator[Obj]:
    if not isinstance(document, dict) or not document.get("kind"):
        return
    if str(document["kind"]).endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _unrolled(item)
    else:
        yield document


def name(obj: Obj) -> str:
    return str(obj.get("metadata", {}).get("name", ""))


def namespace(obj: Obj) -> str:
    return str(obj.get("metadata", {}).get("namespace") or "default")


def labels(obj: Obj) -> dict[str, str]:
    found: dict[str, str] = obj.get("metadata", {}).get("labels") or {}
    return found


def annotations_of(obj: Obj) -> dict[str, str]:
    found: dict[str, str] = obj.get("metadata", {}).get("annotations") or {}
    return found


def of_kind(objects: Iterable[Obj], *kinds: str) -> list[Obj]:
    return [item for item in objects if item.get("kind") in kinds]


def containers(pod: Obj) -> list[Obj]:
    spec = pod.get("spec", {})
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def has_sidecar(pod: Obj) -> bool:
    return any(item.get("name") == PROXY for item in containers(pod))


def is_ambient(pod: Obj) -> bool:
    """Whether ztunnel takes a pod's connections, as Istio's CNI notes it on the pod."""
    return annotations_of(pod).get(REDIRECTION) == "enabled" and not has_sidecar(pod)


def address(pod: Obj) -> str:
    return str(pod.get("status", {}).get("podIP") or "")


def is_ready(pod: Obj) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    good = all(item.get("status") == "True" for item in conditions if item.get("type") == "Ready")
    return good and not pod.get("metadata", {}).get("deletionTimestamp")


def matches(selector: dict[str, str] | None, found: dict[str, str]) -> bool:
    return bool(selector) and (selector or {}).items() <= found.items()


def mesh_settings(objects: Iterable[Obj]) -> str:
    """Istio's mesh settings as YAML, empty where there are none: those of the revision that namespaces ask for, else the first."""
    objects = list(objects)
    maps = of_kind(objects, "ConfigMap")
    found = [item for item in maps if name(item).partition("-")[0] == "istio" and "mesh" in (item.get("data") or {})]
    wanted = {f"istio-{labels(item).get(REVISION, '')}" for item in of_kind(objects, "Namespace")}
    chosen = next((item for item in found if name(item) in wanted), found[0] if found else None)
    return str(chosen["data"]["mesh"]) if chosen else ""


@functools.lru_cache(maxsize=64)
def parsed(settings: str) -> Mapping[str, Any]:
    """Mesh settings, from YAML. Whoever asks for them in one cluster again gets the same."""
    found = yaml.safe_load(settings or "{}")
    return found if isinstance(found, dict) else {}


def discovered(objects: Iterable[Obj], home: str) -> bool:
    """Whether the mesh's discoverySelectors let istiod see a namespace; without that, no sidecar of its pods gets ready."""
    objects = list(objects)
    selectors = parsed(mesh_settings(objects)).get("discoverySelectors") or []
    found = labels(next((item for item in of_kind(objects, "Namespace") if name(item) == home), {}))
    return not selectors or any(_selects(item, found) for item in selectors)


def _selects(selector: Obj, found: dict[str, str]) -> bool:
    """A label selector of exact labels and lists of values, which is all that the meshes have."""
    terms = selector.get("matchExpressions") or []
    exact = (selector.get("matchLabels") or {}).items() <= found.items()
    return exact and all(term["operator"] == "In" and found.get(term["key"]) in term["values"] for term in terms)


def completed(objects: Iterable[Obj]) -> list[Obj]:
    """The objects with pods for the workloads that have none, addresses, sidecars where they would be injected, and EndpointSlices."""
    made = [copy.deepcopy(item) for item in objects]
    taken = {address(pod) for pod in of_kind(made, "Pod")}
    spare = (str(item) for item in ipaddress.ip_network("10.244.0.0/16").hosts() if str(item) not in taken)
    for workload in of_kind(made, *WORKLOADS):
        made += _pods_of(workload, made)
    for pod in of_kind(made, "Pod"):
        _start(pod, made, spare)
    _say_tcp(made)
    _give_addresses([item for item in of_kind(made, "Service") if str(item.get("apiVersion")) == "v1"])
    return [*made, *slices(made)]


def _pods_of(workload: Obj, objects: list[Obj]) -> list[Obj]:
    spec = workload.get("spec") or {}
    selector = (spec.get("selector") or {}).get("matchLabels") or {}
    template = spec.get("template") or {}
    owned = workload.get("metadata", {}).get("ownerReferences")
    there = [pod for pod in of_kind(objects, "Pod") if namespace(pod) == namespace(workload) and matches(selector, labels(pod))]
    replicas = spec.get("replicas", 1)
    if owned or there or not template or replicas == 0:
        return []
    pods = []
    for number in range(min(int(replicas), 2)):
        metadata = copy.deepcopy(template.get("metadata") or {})
        metadata.update({"name": f"{name(workload)}-{number}", "namespace": namespace(workload), "creationTimestamp": CREATED})
        pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": copy.deepcopy(template.get("spec") or {})})
    return pods


def _start(pod: Obj, objects: list[Obj], spare: Iterator[str]) -> None:
    """What the injector and the kubelet do to a pod that has no status yet."""
    if address(pod):
        return
    if injected(pod, objects) and not has_sidecar(pod):
        pod["spec"].setdefault("containers", []).append({"name": PROXY, "image": "istio/proxyv2"})
        pod["metadata"].setdefault("labels", {})
        pod["metadata"]["labels"] = {TLS_MODE: "istio", **(pod["metadata"]["labels"] or {})}
    ip = next(spare)
    pod["status"] = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [{"type": "Ready", "status": "True"}]}


def injected(pod: Obj, objects: Iterable[Obj]) -> bool:
    """Whether Istio's webhook would give a pod a sidecar, as its usual settings have it."""
    home = next((item for item in of_kind(objects, "Namespace") if name(item) == namespace(pod)), {})
    wish = labels(pod).get(INJECT, annotations_of(pod).get(INJECT, ""))
    place = labels(home).get("istio-injection", "")
    if pod.get("spec", {}).get("hostNetwork") or namespace(pod) in SYSTEM or place == "disabled" or str(wish).lower() == "false":
        return False
    return str(wish).lower() == "true" or place == "enabled" or "istio.io/rev" in labels(home) or "istio.io/rev" in labels(pod)


def _say_tcp(objects: list[Obj]) -> None:
    """The protocol that the API server gives to ports that name none. Istio compares them."""
    of_pods = [port for pod in of_kind(objects, "Pod") for item in containers(pod) for port in item.get("ports") or []]
    services = (item for item in of_kind(objects, "Service") if str(item.get("apiVersion")) == "v1")
    for port in (*of_pods, *(port for item in services for port in (item.get("spec") or {}).get("ports") or [])):
        if isinstance(port, dict):
            port.setdefault("protocol", "TCP")


def _give_addresses(services: list[Obj]) -> None:
    taken = {item.get("spec", {}).get("clusterIP") for item in services}
    spare = (str(item) for item in ipaddress.ip_network("10.96.200.0/21", strict=False).hosts() if str(item) not in taken)
    for service in services:
        spec = service.setdefault("spec", {})
        if not spec.get("clusterIP") and spec.get("type") != "ExternalName":
            spec["clusterIP"] = next(spare)
        if spec.get("clusterIP") not in (None, "", "None"):
            spec.setdefault("clusterIPs", [spec["clusterIP"]])


def slices(objects: list[Obj]) -> list[Obj]:
    """EndpointSlices, as Kubernetes would make them, for the Services with a selector that have none."""
    known = {(namespace(item), labels(item).get("kubernetes.io/service-name", "")) for item in of_kind(objects, "EndpointSlice")}
    pods = [pod for pod in of_kind(objects, "Pod") if address(pod)]
    made = []
    for service in of_kind(objects, "Service"):
        selector = (service.get("spec") or {}).get("selector")
        if str(service.get("apiVersion")) != "v1" or not selector or (namespace(service), name(service)) in known:
            continue
        groups: dict[tuple[tuple[str, int], ...], list[Obj]] = {}
        for pod in pods:
            if namespace(pod) == namespace(service) and matches(selector, labels(pod)):
                groups.setdefault(_ports(service, pod), []).append(pod)
        made += [_slice(service, number, ports, group) for number, (ports, group) in enumerate(groups.items()) if ports]
    return made


def _ports(service: Obj, pod: Obj) -> tuple[tuple[str, int], ...]:
    pairs = [(str(port.get("name") or ""), _number(pod, port)) for port in service["spec"].get("ports") or []]
    return tuple(pair for pair in pairs if pair[1])


def _number(pod: Obj, port: Obj) -> int:
    target = port.get("targetPort") or port.get("port")
    if isinstance(target, int) or str(target).isdigit():
        return int(str(target))
    named = [item.get("containerPort") for found in containers(pod) for item in found.get("ports") or [] if item.get("name") == target]
    return int(named[0]) if named else 0


def _slice(service: Obj, number: int, ports: tuple[tuple[str, int], ...], pods: list[Obj]) -> Obj:
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": f"{name(service)}-{number}", "namespace": namespace(service), "labels": {"kubernetes.io/service-name": name(service)},
        },
        "ports": [{"name": called, "port": port, "protocol": "TCP"} for called, port in ports],
        "endpoints": [
            {
                "addresses": [address(pod)], "conditions": {"ready": is_ready(pod)},
                "targetRef": {"kind": "Pod", "name": name(pod), "namespace": namespace(pod)},
            }
            for pod in pods
        ],
    }


def service_endpoints(objects: Iterable[Obj], home: str, called: str, port: Obj) -> list[tuple[str, int]]:
    """Address and port of each ready endpoint behind a Service's port."""
    found = []
    for item in of_kind(objects, "EndpointSlice"):
        if namespace(item) != home or labels(item).get("kubernetes.io/service-name") != called:
            continue
        numbers = [int(one["port"]) for one in item.get("ports") or [] if (one.get("name") or "") == (port.get("name") or "")]
        ready = [one for one in item.get("endpoints") or [] if (one.get("conditions") or {}).get("ready") is not False]
        found += [(ip, number) for number in numbers for one in ready for ip in one.get("addresses") or []]
    return found


def behind(objects: Iterable[Obj], ip: str, number: int) -> list[tuple[str, int]]:
    """Where a connection to an address arrives without a proxy: at the endpoints of the Service with that address, or right there."""
    objects = list(objects)
    for service in of_kind(objects, "Service"):
        spec = service.get("spec") or {}
        if ip not in {spec.get("clusterIP"), *(spec.get("clusterIPs") or [])}:
            continue
        for port in spec.get("ports") or []:
            if port.get("port") == number:
                return service_endpoints(objects, namespace(service), name(service), port)
        return []
    return [(ip, number)]
