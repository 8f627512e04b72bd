# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects in the cluster as a platform's controller looks at them."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass
from typing import Any

from tests.integration.clouds.standin import Setting, Target
from tests.integration.support.cluster import Cluster, Obj

NODE_CHECK = "/healthz"
ROUTES = "httproutes.gateway.networking.k8s.io"


@dataclass(frozen=True)
class Seen:
    """The cluster, as a controller looks at it."""

    cluster: Cluster
    node: str
    namespace: str
    steps: tuple[str, ...] = ()
    """What the module says is to be done by hand."""

    def all(self, kind: str) -> list[Obj]:
        """The objects of a kind in the gateway's namespace that the collection made."""
        return self.cluster.items(kind, "--namespace", self.namespace, "--selector=app.kubernetes.io/managed-by=meshlb.istio")

    def one(self, kind: str) -> Obj:
        """The one of them."""
        (found,) = self.all(kind)
        return found

    def route(self) -> Obj:
        """The one HTTPRoute that does not redirect."""
        (found,) = (item for item in self.all(ROUTES) if "backendRefs" in item["spec"]["rules"][0])
        return found

    def redirects(self) -> bool:
        """Whether an HTTPRoute of its own sends clients without TLS to HTTPS."""
        rules = [rule for item in self.all(ROUTES) for rule in item["spec"]["rules"]]
        return any(one["type"] == "RequestRedirect" and one["requestRedirect"]["scheme"] == "https"
                   for rule in rules for one in rule.get("filters", []))  # fmt: skip

    def done_by_hand(self, *words: str) -> dict[str, str]:
        """The flags of the step with these words, up to the end of its command."""
        (found,) = (item for item in self.steps if " ".join(words) in item)
        flags = shlex.split(found[found.index(" ".join(words)):].rstrip("."))
        return dict(item.removeprefix("--").split("=", 1) for item in flags if item.startswith("--") and "=" in item)

    def certificate(self, secret: str) -> str:
        """The authority of the certificates that a Secret says are to be taken, in PEM."""
        return base64.b64decode(self.cluster.get("secret", secret, "--namespace", self.namespace)["data"]["ca.crt"]).decode()

    def service(self, name: str) -> Obj:
        found: Obj = self.cluster.get("service", name, "--namespace", self.namespace)
        return found

    def pods(self, service: Obj) -> list[tuple[str, str]]:
        """Names and addresses of a Service's pods, ready or not: whom it leaves out is what is looked at."""
        words = ",".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
        found = self.cluster.items("pods", "--namespace", self.namespace, f"--selector={words}")
        return [(item["metadata"]["name"], item["status"]["podIP"]) for item in found if "deletionTimestamp" not in item["metadata"]]

    def to_pods(self, service: Obj, number: int, check: int = 0) -> tuple[Target, ...]:
        """Pods as targets, at what a Service's port leads to; ``check`` is a pod's port."""
        port = port_of(service, number)["targetPort"]
        return tuple(Target(name, address, port, check_port=check) for name, address in self.pods(service))

    def to_nodes(self, service: Obj, number: int, check: int = 0) -> tuple[Target, ...]:
        """Nodes as targets, at a Service's node port; ``check`` is a port of the node."""
        return (Target("node", self.node, port_of(service, number)["nodePort"], check_port=check),)

    def by_node_check(self, service: Obj, number: int, **more: Any) -> Setting:
        """The node's own check: of kube-proxy, or with externalTrafficPolicy Local of the pods that are on the node."""
        spec = service["spec"]
        assert spec["type"] == "LoadBalancer" and spec["externalTrafficPolicy"] == "Local"
        return Setting(self.to_nodes(service, number, spec["healthCheckNodePort"]), check_path=NODE_CHECK, **{"layer": "tcp", **more})


def port_of(service: Obj, port: int | str) -> Obj:
    """A Service's port by number or name."""
    (found,) = (item for item in service["spec"]["ports"] if port in (item["port"], item.get("name")))
    return dict(found)


def checked(service: Obj, port: str, by_pods: bool) -> int:
    """What a check's port, a number or a name of a port of the Service, means at its targets."""
    if port.isdigit() and by_pods:
        return int(port)
    return int(port_of(service, int(port) if port.isdigit() else port)["targetPort" if by_pods else "nodePort"])


def notes(obj: Obj, prefix: str) -> dict[str, str]:
    """An object's annotations with a prefix, without it."""
    found = obj["metadata"].get("annotations", {}).items()
    return {key.removeprefix(prefix): value for key, value in found if key.startswith(prefix)}


def backend_of(ingress: Obj) -> tuple[str, int]:
    """The Service and port of an Ingress's one path."""
    service = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    return service["name"], service["port"]["number"]
