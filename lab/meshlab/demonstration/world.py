# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster that the demonstration is on: its clients, its load balancer, and requests through it."""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from meshlab import paths
from meshlab.demonstration.objects import Key, Object, by_key, lasting
from meshlab.errors import LabError
from meshlab.shell import run

ROUTES: Final = Path("lab/manifests/demo-routes.yaml")
NEEDED: Final = (("apps", "echo-http"), ("apps", "echo-auto"), ("apps", "echo-b"), ("legacy", "legacy-echo"))
OURS: Final = "app.kubernetes.io/managed-by=meshlb.istio"
PATIENCE: Final = 60


@dataclass(frozen=True)
class Answer:
    """What came back: the status, and what the application saw where it was the one that answered."""

    status: int
    host: str = ""
    identity: str = ""


@dataclass(frozen=True)
class World:
    """One cluster. ``own`` is false where somebody else's stands in for the lab's."""

    kubectl: str
    kubeconfig: str
    own: bool

    @property
    def environment(self) -> dict[str, str]:
        """What programs need to find the cluster, and to print for people."""
        return {
            "KUBECONFIG": self.kubeconfig,
            "K8S_AUTH_KUBECONFIG": self.kubeconfig,
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }

    def ask(self, *words: str) -> Any:
        """kubectl's answer as data."""
        return json.loads(run([self.kubectl, *words, "--output=json"], env=self.environment, timeout=120).stdout)

    def missing(self) -> list[str]:
        """What the demonstration needs and the cluster lacks, each as a noun."""
        services = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in self.ask("get", "services", "-A")["items"]}
        found = [f"Service {namespace}/{name} (lab/manifests/demo.yaml)" for namespace, name in NEEDED if (namespace, name) not in services]
        if not self._controllers():
            found.append("ingress-nginx (a Deployment labelled app.kubernetes.io/name=ingress-nginx)")
        return found

    def _controllers(self) -> list[Object]:
        labels = "app.kubernetes.io/name=ingress-nginx,app.kubernetes.io/component=controller"
        found: list[Object] = self.ask("get", "deployments", "-A", "-l", labels)["items"]
        return found

    def identity(self) -> str:
        """The end of the load balancer's SPIFFE id, after the trust domain."""
        controller = self._controllers()[0]
        account = controller["spec"]["template"]["spec"].get("serviceAccountName", "default")
        return f"/ns/{controller['metadata']['namespace']}/sa/{account}"

    def entrypoint(self) -> str:
        """Where the load balancer listens, as a URL."""
        chosen = os.environ.get("MESHLB_ENTRYPOINT")
        if chosen:
            return chosen.rstrip("/")
        controller = self._controllers()[0]["metadata"]
        service = self.ask("get", "service", "-n", controller["namespace"], controller["name"])
        for item in service.get("status", {}).get("loadBalancer", {}).get("ingress") or []:
            return f"http://{item.get('ip') or item.get('hostname')}"
        return f"http://{service['spec']['clusterIP']}"

    def traces(self) -> list[str]:
        """Objects that this collection made or changed."""
        kinds = ["services", "deployments", "daemonsets", "ingresses", "serviceentries", "destinationrules", "virtualservices"]
        items = self.ask("get", ",".join(kinds), "-A")["items"]
        label, dummy, value = OURS.partition("=")
        return [
            f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}" for item in items
            if item["metadata"].get("labels", {}).get(label) == value
            or "meshlb.istio/replaced" in item["metadata"].get("annotations", {})
        ]  # fmt: skip

    def objects(self) -> dict[Key, Object]:
        """All objects worth comparing."""
        command = [self.kubectl, "api-resources", "--verbs=list", "--output=name"]
        kinds = lasting(run(command, env=self.environment, timeout=60).stdout.split())
        return by_key(self.ask("get", ",".join(kinds), "-A", "--show-managed-fields=false")["items"])


def request(url: str, host: str) -> Answer:
    """One request with curl, as the screen shows it."""
    name = ["--header", f"Host: {host}"] if host else []
    result = run(["curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}", *name, url], check=False)
    body, dummy, status = result.stdout.rpartition("\n")
    try:
        seen = json.loads(body)
    except ValueError:
        seen = {}
    return Answer(int(status or 0), str(seen.get("host", "")), str(seen.get("identity", "")))


def wait_for(look: Callable[[], Answer], expected: Callable[[Answer], bool]) -> Answer:
    """Look until it is as expected, at most a minute: sidecars learn of changes within seconds, not at once."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = look()
        if expected(answer) or time.monotonic() > end:
            return answer
        time.sleep(1)


def open_world(name: str) -> World:
    """The lab's cluster of that name, or the one that stands in for it."""
    external = paths.external_kubeconfig()
    kubectl = shutil.which("kubectl") or ""
    if external:
        if not kubectl:
            raise LabError("kubectl is needed on the PATH, as MESHLB_KUBECONFIG is set")
        return World(kubectl, str(Path(external).absolute()), own=False)
    status = json.loads(run([paths.LAB / "lab", "status", "--json", "--name", name], check=False).stdout)
    return World(status["binaries"]["kubectl"], status["kubeconfig"], own=True)
