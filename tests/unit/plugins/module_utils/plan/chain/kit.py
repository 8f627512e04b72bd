# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains in tests: a gateway, the parameters of a run, and the cluster as it is afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.apply.chain import chain_removal
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Change, Finding
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain.plan import ChainedRoute, ChainPlan
from ansible_collections.meshlb.istio.plugins.module_utils.runs.chained_plan import chains_meant, planned_chain
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.chained import ChainedOptions, chained_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import ledger_of

from tests.unit.plugins.module_utils.support.cluster import INJECTOR, LIVE, Obj, edge, namespace, obj, pod, port, service, workload
from tests.unit.plugins.module_utils.support.parts import CHAINED
from tests.unit.plugins.module_utils.support.planning import contents

GATEWAYS = "istio-ingress"
ADDRESS = "10.96.0.20"
ISTIO_KINDS = ("Gateway.networking.istio.io",)
GATEWAY_KINDS = tuple(
    f"{kind}.gateway.networking.k8s.io" for kind in ("GatewayClass", "Gateway", "HTTPRoute", "ReferenceGrant", "BackendTLSPolicy")
)
CRD = "CustomResourceDefinition.apiextensions.k8s.io"


def gateway_service(name: str = "gw", where: str = GATEWAYS, **more: Any) -> Obj:
    """The Service of Istio's gateway chart."""
    ports = [port("status-port", 15021, 15021), port("http2", 80, 80), port("https", 443, 443)]
    made = service(name, *ports, where=where)
    made["spec"] |= {"selector": {"istio": "gw"}, "clusterIP": ADDRESS, "clusterIPs": [ADDRESS], **more}
    return made


def gateway_workload(name: str = "gw", where: str = GATEWAYS, **more: Any) -> Obj:
    return workload(name, where=where, pod_labels={"istio": "gw"}, **more)


def backends() -> list[Obj]:
    return [service("shop"), pod("shop"), service("cart"), pod("cart")]


def world(
    *objects: Obj, injected: bool = False, gateway: bool = True, kinds: tuple[str, ...] = (), without: tuple[str, ...] = (),
    args: tuple[str, ...] = (),
) -> Snapshot:
    """A cluster with ingress-nginx, two backends and a gateway; ``kinds`` are served besides the usual ones ``without`` these."""
    own = [namespace(GATEWAYS), *([gateway_service(), gateway_workload()] if gateway else [])]
    source = replace(LIVE, available=frozenset({*LIVE.available, *ISTIO_KINDS, *GATEWAY_KINDS, *kinds} - {*without}))
    return Snapshot([INJECTOR, *edge(injected=injected, args=args), *own, *backends(), *objects], source)


def params(**more: Any) -> dict[str, Any]:
    """Parameters of a run, with the module's defaults."""
    defaults = {"state": "present", "platform_options": {}, "wait": True, "wait_timeout": 300, "drain": 10}
    return {**defaults, "hosts": "from_load_balancer", **more}


def options(**more: Any) -> ChainedOptions:
    """Options of a run, with the module's defaults."""
    return chained_options(params(**more))


def kubernetes(**more: Any) -> dict[str, Any]:
    """The gateway option for a Gateway of the Gateway API that is made."""
    return {"name": "edge", "namespace": GATEWAYS, "api": "gateway_api", "create": True, **more}


@dataclass(frozen=True)
class Chain:
    """What a run would do, and the cluster as it is afterwards."""

    plan: ChainPlan
    changes: list[Change]
    findings: list[Finding]
    before: Snapshot
    after: Snapshot

    @property
    def written(self) -> list[str]:
        return [f"{item.phase} {item.action} {item.object.kind} {item.object.namespace}/{item.object.name}" for item in self.changes]

    @property
    def codes(self) -> list[str]:
        return sorted({item.code for item in self.findings})

    def body(self, kind: str, name: str = "") -> Obj:
        (found,) = (item.body for item in self.changes if item.object.kind == kind and name in ("", item.object.name) and item.body)
        return found

    def route(self, path: str = "/", host: str | None = None) -> ChainedRoute:
        (found,) = (item for item in self.plan.routes if item.path == path and host in (None, item.host))
        return found


def chain(snapshot: Snapshot, **more: Any) -> Chain:
    done = planned_chain(snapshot, REGISTRY, options(**more))
    assert done.plan is not None
    return Chain(done.plan, list(done.changes), list(done.findings), snapshot, snapshot.after(done.changes))


def refusal(snapshot: Snapshot, **more: Any) -> str:
    """The code of the finding that refuses a run, empty where nothing does."""
    try:
        planned_chain(snapshot, REGISTRY, options(**more))
    except MeshlbError as error:
        return str(error.details["findings"][0]["code"]) if "findings" in error.details else str(error)
    return ""


def taken_back(snapshot: Snapshot, **more: Any) -> Snapshot:
    wanted = options(**{"state": "absent", "hosts": None, **more})
    return snapshot.after(chain_removal(ledger_of(snapshot, CHAINED), chains_meant(snapshot, REGISTRY, wanted))[0])


def round_trip(snapshot: Snapshot, **more: Any) -> Chain:
    """A chain of which a second run changes nothing, and that leaves no trace when it is taken back."""
    first = chain(snapshot, **more)
    second = chain(first.after, **more)
    assert second.written == [], second.changes
    assert contents(taken_back(first.after)) == contents(snapshot)
    return first


def istio_gateway(name: str = "own", where: str = GATEWAYS, **server: Any) -> Obj:
    """A Gateway of Istio's API with one server on port 80."""
    made = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"], **server}
    return obj("networking.istio.io/v1", "Gateway", where, name, spec={"selector": {"istio": "gw"}, "servers": [made]})
