# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GKE Ingress checks what a BackendConfig says: one that the chain makes, or one that the gateway's Service names already."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...core.findings import finding
from ...core.model import Finding
from ...kube.json_text import json_map
from ...kube.objects import Obj, dig
from ...kube.snapshot import Snapshot
from ..contract.chain import STATUS_PATH, ChainRequest, CheckTarget, LoadBalancerSide, ServiceNeeds
from ..gke import shared as gke
from ..kit.cloud.bodies import resource
from ..kit.cloud.health import by_pod_port, pod_port

BACKEND_CONFIG = "BackendConfig.cloud.google.com"
CONFIGURED = "cloud.google.com/backend-config"


@by_pod_port
def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """A BackendConfig that the Service names, unless it names one already."""
    grouped = (gke.NEG, gke.compact_json({"ingress": True}))
    if named_config(request, target.service):
        return LoadBalancerSide(service=ServiceNeeds("ClusterIP", (grouped,)), check=target.check)
    asked = {
        "type": "HTTP", "port": target.check.port, "requestPath": target.check.path, "checkIntervalSec": gke.INTERVAL,
        "timeoutSec": gke.TIMEOUT,
    }
    spec: Obj = {"healthCheck": asked, "connectionDraining": {"drainingTimeoutSec": gke.DRAINING}}
    if request.option("security_policy"):
        spec["securityPolicy"] = {"name": str(request.option("security_policy"))}
    body = resource("cloud.google.com/v1", "BackendConfig", request.name, target.namespace, spec)
    configured = (CONFIGURED, json.dumps({"default": request.name}))
    return LoadBalancerSide(bodies=(body,), service=ServiceNeeds("ClusterIP", (grouped, configured)), check=target.check)


def named_config(request: ChainRequest, service: str) -> str:
    """The BackendConfig that somebody named for the gateway's port already; empty where none is."""
    gateway = request.gateway
    names = json_map(gateway.annotation(CONFIGURED) if service == gateway.service else "") or {}
    ports = names.get("ports") or {}
    by_port = (ports.get(gateway.port_name) or ports.get(str(gateway.port))) if isinstance(ports, dict) else ""
    return str(by_port or names.get("default") or "")


def check_of_named_config(snapshot: Snapshot, request: ChainRequest) -> Iterator[Finding]:
    """Whether the BackendConfig that the gateway's Service names asks the gateway what it answers in clear."""
    name, namespace, port = named_config(request, request.gateway.service), request.gateway.namespace, pod_port(request.gateway.status_port)
    config = snapshot.get(BACKEND_CONFIG, namespace, name) if name else None
    asked: Obj = dig(config, "spec", "healthCheck", default={})
    if name and (str(asked.get("type", "HTTP")).upper(), asked.get("port"), asked.get("requestPath")) != ("HTTP", port, STATUS_PATH):
        text = f"BackendConfig {namespace}/{name} " + ("does not exist" if config is None else "checks something else")
        yield finding("MLB604", f"{text}: its healthCheck has to ask port {port} for {STATUS_PATH} by HTTP")
