# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""One chain: a load balancer, and a gateway in one of the two APIs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

from tests.integration.support.cluster import Cluster, wait_for
from tests.integration.support.modules import Result, module
from tests.integration.support.objects import Record, differences, record, touched
from tests.integration.support.scenario import changes_by_key, compare_changes
from tests.integration.support.traffic import Entry, entry_of, settle

from .fronts import FRONTS, Front
from .scene import AWAY, CHART, GATEWAY, GATEWAY_HOME, HOME, SITES, all_of, look, pod_of

APIS = ("istio", "gateway_api")


def recorded(cluster: Cluster) -> Record:
    """Every object that a chain could have written, of the whole cluster and in the namespaces of load balancers and of this scene."""
    own = {HOME, AWAY, GATEWAY_HOME, "istio-system", "apps", *(front.namespace for front in FRONTS.values())}
    return {key: item for key, item in record(cluster).items() if item["metadata"].get("namespace", HOME) in own}


@dataclass
class Chain:
    """A chain that is made, measured and taken back."""

    cluster: Cluster
    front: Front
    api: str
    gateway: dict[str, Any] = field(default_factory=dict)

    @property
    def entry(self) -> Entry:
        return entry_of(self.cluster, self.front.namespace, self.front.name, self.front.service)

    @property
    def identity(self) -> str:
        """The gateway's, by its account: the chart's, or the one that Istio makes."""
        account = f"{GATEWAY}-istio"
        if self.api == "istio":
            pod = self.cluster.get("deployment", CHART, "--namespace", GATEWAY_HOME)["spec"]["template"]["spec"]
            account = str(pod["serviceAccountName"])
        return f"spiffe://cluster.local/ns/{GATEWAY_HOME}/sa/{account}"

    @property
    def pod(self) -> str:
        """The load balancer's pod."""
        return pod_of(self.cluster, self.front.namespace, self.front.name, self.front.workload)

    @property
    def options(self) -> dict[str, Any]:
        """What every run says."""
        gateway = {"name": GATEWAY, "namespace": GATEWAY_HOME, "api": self.api, "create": self.api == "gateway_api", **self.gateway}
        return {"load_balancer": {"namespace": self.front.namespace, "name": self.front.name}, "gateway": gateway}

    def run(self, check: bool = False, **options: Any) -> Result:
        """The module, with all hosts of the load balancer unless others are named."""
        return module(self.cluster, "chained_gateway", check, **{**self.options, "hosts": "from_load_balancer", **options})

    def take_back(self, **options: Any) -> Result:
        """All of it, or some hosts."""
        return module(self.cluster, "chained_gateway", state="absent", **{**self.options, **options})

    def lay(self) -> None:
        """The load balancer's routes."""
        self.cluster.apply(*(item for site in SITES for item in self.front.routes(site.where, site.name, site.host, site.rules)))

    def look(self) -> dict[str, str]:
        return look(self.entry, self.identity)

    def answers(self, verdict: str) -> None:
        """Wait until every host and path answers so."""
        wait_for(lambda: self.look() == all_of(verdict), f"all hosts to be {verdict}")

    def reaches(self, expected: dict[str, str]) -> None:
        """Wait until what is seen is that, and stays so."""
        assert settle(self.look, expected) == expected

    def recorded(self) -> Record:
        return recorded(self.cluster)

    def unlike(self, before: Record) -> list[str]:
        """What is not as it was; what Istio makes of a Gateway goes after it."""
        found: list[str] = []

        def same() -> bool:
            found[:] = differences(before, self.recorded())
            return not found

        with contextlib.suppress(AssertionError):
            wait_for(same, "every object to be as it was", patience=60)
        return found


def unpredicted(before: Record, predicted: Result, made: Result, after: Record) -> list[str]:
    """Where check mode, the run and the objects tell different things, but for what depends on an address that was not there."""
    late = {finding["object"]["name"] for finding in predicted["findings"] if finding["code"] == "MLB619" and finding.get("object")}
    own = f"{GATEWAY}-istio"
    after = {key: item for key, item in after.items() if key in before or item["metadata"]["name"] != own}
    if not any(finding["code"] == "MLB619" for finding in predicted["findings"]):
        return compare_changes(before, predicted, made, after)
    forecast, report = changes_by_key(predicted), changes_by_key(made)
    unlike = [
        key for key in sorted(forecast.keys() | report.keys())
        if forecast.get(key) != report.get(key) and not key.startswith("Endpoint") and key.rpartition("/")[2] not in late
    ]  # fmt: skip
    real = touched(before, after)
    acted = {key: change["action"] for key, change in forecast.items()}
    return [f"{key} was predicted otherwise" for key in unlike] + [
        f"{key}: predicted {acted.get(key)}, the objects show {real.get(key)}"
        for key in sorted(acted.keys() | real.keys()) if acted.get(key) != real.get(key)
    ]  # fmt: skip
