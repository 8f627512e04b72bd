# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sidecars that answer from tables, and a whole proof against them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Outcome
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.channels import Bounds
from ansible_collections.meshlb.istio.plugins.module_utils.prove.asking import Asker
from ansible_collections.meshlb.istio.plugins.module_utils.prove.prove import Proven, ProveOptions

from tests.unit.plugins.module_utils.prove import envoy
from tests.unit.plugins.module_utils.prove.small_cluster import LB, route, snapshot
from tests.unit.plugins.module_utils.support.proving import prove

ECHO = "outbound|80||echo.apps.svc.cluster.local"
IDENTITY = "spiffe://cluster.local/ns/apps/sa/echo"


def client_dump() -> str:
    host = envoy.virtual_host("echo:80", ["echo.apps"], envoy.route({"prefix": "/"}, ECHO))
    return json.dumps(
        envoy.dump(
            [envoy.http_listener(80), envoy.outbound()],
            [envoy.cluster(ECHO, transport_socket_matches=envoy.automatic(IDENTITY))],
            [envoy.routes("80", host, envoy.ALLOW_ANY)],
            [envoy.assignment(ECHO, envoy.endpoint("10.1.0.1", 8080), envoy.endpoint("10.1.0.2", 8080))],
        )
    )


def inbound_dump(*guards: envoy.Obj) -> str:
    """A STRICT backend, whose filters ``guards`` stand before its proxy."""
    chain = envoy.tcp_chain("inbound|8080||", {"destination_port": 8080, "transport_protocol": "tls"}, "tls")
    chain["transport_socket"] = {"typed_config": {"@type": f"{envoy.TLS}.DownstreamTlsContext"}}
    chain["filters"] = [*guards, *chain["filters"]]
    return json.dumps(envoy.dump([envoy.listener("virtualInbound", "0.0.0.0", 15006, [chain])]))


class Sidecars:
    """Answers as Envoy's admin interface does; ``counted`` is what the first load balancer pod's counters hold."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.counted: dict[tuple[str, str], dict[str, int]] = {}
        self.refuses: dict[tuple[str, str], MeshlbError] = {}
        self.guards: tuple[envoy.Obj, ...] = ()

    def count(self, cluster: str, address: str, **counts: int) -> None:
        row = self.counted.setdefault((cluster, address), {})
        for name, value in counts.items():
            row[name] = row.get(name, 0) + value

    def __call__(self, namespace: str, pod: str, asked: str, bounds: Bounds) -> str:
        question = asked.partition("?")[0]
        self.asked[(f"{namespace}/{pod}", question)] += 1
        for key in ((namespace, ""), (namespace, pod), (namespace, question)):
            if key in self.refuses:
                raise self.refuses[key]
        if question == "certs":
            chain = [{"subject_alt_names": [{"uri": "spiffe://cluster.local/ns/lb/sa/echo"}], "expiration_time": "soon"}]
            return json.dumps({"certificates": [{"cert_chain": chain}]})
        if question == "clusters":
            rows = self.counted if pod == "nginx-rs-1" else {}
            return "x::default_priority::max_connections::1\n" + "\n".join(
                f"{cluster}::{address}::{name}::{value}" for (cluster, address), row in rows.items() for name, value in row.items()
            )
        return inbound_dump(*self.guards) if namespace == "apps" else client_dump()


def run(
    answering: Sidecars, *routes: Any, options: ProveOptions | None = None, predicted: Any = "mutual_tls", more: Any = (), **cluster: Any
) -> tuple[list[Proven], list[str], list[str]]:
    chosen = options or ProveOptions(("configuration",))
    found = prove(
        snapshot(*more, **cluster), [LB], routes, Asker(answering, 2), lambda _route: Outcome(predicted, "so says the plan"), chosen
    )
    return found[0], [item.code for item in found[1]], [item.message for item in found[1]]


GOOD = route(sent_host="echo.apps")
