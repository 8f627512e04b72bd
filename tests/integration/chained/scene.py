# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Applications in two namespaces, hosts that lead to them, and requests that come from a known address."""

from __future__ import annotations

import http.client
import json
import subprocess
from dataclasses import dataclass
from typing import Any

from tests.integration.support import apps
from tests.integration.support.cluster import ROOT, Cluster, Obj
from tests.integration.support.traffic import Entry, Target, ask_all, measured

HOME, AWAY = "chained", "chained-away"
GATEWAY_HOME, GATEWAY = "chained-gateway", "meshlb"
CHART = "gate"
PORT = 80
FORGED = "203.0.113.66"


@dataclass(frozen=True)
class Rule:
    """A path and the Service behind it, by the port's number or name."""

    path: str
    backend: tuple[str, int | str]


@dataclass(frozen=True)
class Site:
    """A host. ``where``: the namespace of its routes and applications."""

    name: str
    where: str
    rules: tuple[Rule, ...]

    @property
    def host(self) -> str:
        return f"{self.name}.chained.test"


SHOP = Site("shop", HOME, (Rule("/", ("red", PORT)), Rule("/cart", ("blue", PORT))))
NEWS = Site("news", HOME, (Rule("/", ("blue", "http")),))
AFAR = Site("afar", AWAY, (Rule("/", ("green", PORT)),))
SITES = (SHOP, NEWS, AFAR)
APPS = {"red": HOME, "blue": HOME, "green": AWAY}
# What is asked for, and the application that has to answer.
EXPECTED = {Target(site.host, rule.path): rule.backend[0] for site in SITES for rule in site.rules}


def applications(image: str) -> list[Obj]:
    """Namespaces, applications, and Services before them."""
    made = [apps.namespace(HOME), apps.namespace(AWAY)]
    for name, where in APPS.items():
        made += apps.echo(where, name, image, [8080])
        made.append(apps.service(where, name, {"app": name}, [apps.port(PORT, 8080, "http")]))
    return made


def install(cluster: Cluster) -> None:
    """A gateway of Istio's chart, for these tests alone."""
    values = ROOT / "lab" / "manifests" / "istio-gateway-values.yaml"
    words = ["upgrade", "--install", CHART, cluster.charts["gateway"], f"--namespace={GATEWAY_HOME}", "--create-namespace"]
    subprocess.run(
        [cluster.binaries["helm"], *words, f"--values={values}", "--set=labels.istio=chained", f"--kubeconfig={cluster.kubeconfig}"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    cluster.rolled_out(GATEWAY_HOME, f"deployment/{CHART}")


@dataclass(frozen=True)
class Seen:
    """What the application saw, and the address from which it was really asked."""

    status: int
    client: str
    body: dict[str, Any]

    @property
    def forwarded(self) -> list[str]:
        """X-Forwarded-For, entry by entry."""
        return [item.strip() for item in str(self.body.get("xff", "")).split(",") if item.strip()]

    def header(self, name: str) -> str:
        return str(self.body.get("headers", {}).get(name, ""))


def probe(address: str, port: int, target: Target, **headers: str) -> Seen:
    """One request straight to a pod: no Service's address translation hides who asks."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.connect()
        client = str(connection.sock.getsockname()[0])
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", target.path, headers={"Host": target.host, "Connection": "close", **named})
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    try:
        body = json.loads(text)
    except ValueError:
        body = {"text": text.decode(errors="replace")[:500]}
    return Seen(response.status, client, body if isinstance(body, dict) else {})


def pod_of(cluster: Cluster, namespace: str, workload: str, kind: str) -> str:
    """The address of a workload's one pod that runs."""
    spec = cluster.get(kind, workload, "--namespace", namespace)["spec"]
    chosen = ",".join(f"{key}={value}" for key, value in spec["selector"]["matchLabels"].items())
    pods = cluster.items("pods", "--namespace", namespace, f"--selector={chosen}", "--field-selector=status.phase=Running")
    return str(next(pod["status"]["podIP"] for pod in pods if "deletionTimestamp" not in pod["metadata"]))


def look(entry: Entry, identity: str) -> dict[str, str]:
    """Verdicts per host and path; mutual TLS is that of the gateway, and an answer of another application is none."""
    found = {}
    for target, answers in ask_all(entry, list(EXPECTED)).items():
        strangers = sorted({answer.app for answer in answers if answer.app} - {EXPECTED[target]})
        verdict = f"answers of {', '.join(strangers)}" if strangers else measured(answers, identity)
        found[f"{target.host}{target.path}"] = verdict
    return found


def all_of(verdict: str) -> dict[str, str]:
    """The same verdict for every host and path."""
    return {f"{target.host}{target.path}": verdict for target in EXPECTED}
