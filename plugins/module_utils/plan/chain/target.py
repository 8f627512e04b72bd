# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway as it is in the cluster: its Service, its pods' workload, and the Gateway object that configures it."""

from __future__ import annotations

from dataclasses import dataclass

from ...balancers.contract.chain import STATUS_PORT, STATUS_PORT_NAME, GatewayTarget
from ...istio.mesh import cluster_domain
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, pod_template
from ...kube.selectors import object_selector, selects
from ...kube.services import cluster_ips, find_port, target_port
from ...kube.snapshot import Snapshot
from .options import GatewayOptions

ISTIO_GATEWAY = "Gateway.networking.istio.io"
KUBERNETES_GATEWAY = "Gateway.gateway.networking.k8s.io"
GATEWAY_NAME_LABEL = "gateway.networking.k8s.io/gateway-name"
NAME_OVERRIDE = "gateway.istio.io/name-override"


@dataclass(frozen=True)
class GatewayState:
    """What is there. ``configured`` is the Gateway object of somebody else that is used as it is; ``trouble`` says what is missing."""

    target: GatewayTarget
    service: Obj | None = None
    workload: Obj | None = None
    configured: Obj | None = None
    selector: tuple[tuple[str, str], ...] = ()
    trouble: str = ""
    remedy: str = ""

    @property
    def deployed(self) -> bool:
        """Whether Istio made its pods from a Gateway of the Gateway API."""
        return bool(self.workload) and GATEWAY_NAME_LABEL in labels_of(pod_template(self.workload or {}))


class GatewaySearch:
    """Finds the gateway that options mean in one snapshot."""

    def __init__(self, snapshot: Snapshot, options: GatewayOptions) -> None:
        self.snapshot = snapshot
        self.options = options

    def state(self) -> GatewayState:
        """The gateway as it is."""
        kind = ISTIO_GATEWAY if self.options.api == "istio" else KUBERNETES_GATEWAY
        configured = self.snapshot.get(kind, self.options.namespace, self.options.name)
        if self.options.api == "gateway_api":
            return self._deployed(configured)
        namespace, name = _service_key(self.options)
        service = self.snapshot.get(kinds.SERVICE, namespace, name) if name else self._by_selector(configured)
        if service is None:
            wanted = f"Service {namespace}/{name}" if name else f"a Service of gateway pods in namespace {self.options.namespace}"
            return GatewayState(
                _target(self.snapshot, self.options, namespace, name or self.options.name, None), trouble=f"{wanted} does not exist",
                remedy="Install Istio's gateway chart (the role istio_chained can), or name the gateway's Service in gateway.service.",
            )
        selector = self.options.selector or tuple(sorted(dig(configured, "spec", "selector", default={}).items()))
        selector = selector or tuple(sorted(dig(service, "spec", "selector", default={}).items()))
        return self._found(service, configured, selector)

    def _by_selector(self, configured: Obj | None) -> Obj | None:
        """The one Service in the gateway's namespace whose pods the Gateway selects (without a selector: that has a status port)."""
        wanted = dict(self.options.selector) or dig(configured, "spec", "selector", default={})
        found = []
        for service in self.snapshot.all(kinds.SERVICE):
            if namespace_of(service) != self.options.namespace:
                continue
            labels = labels_of(pod_template(self._workload(service) or {}))
            # Without a selector: Istio's own deployments are left to the Gateways of the other API that they were made from.
            usual = find_port(service, STATUS_PORT) is not None and GATEWAY_NAME_LABEL not in labels
            if selects(wanted, labels) if wanted else usual:
                found.append(service)
        return found[0] if len(found) == 1 else None

    def _deployed(self, configured: Obj | None) -> GatewayState:
        if configured is None and not self.options.create:
            return GatewayState(
                _target(self.snapshot, self.options, self.options.namespace, self.options.name, None),
                trouble=f"Gateway {self.options.namespace}/{self.options.name} (gateway.networking.k8s.io) does not exist",
                remedy="Set gateway.create to have it made, or name one that exists.",
            )
        if configured is None and self.snapshot.source.live and self.snapshot.get(kinds.NAMESPACE, "", self.options.namespace) is None:
            return GatewayState(
                _target(self.snapshot, self.options, self.options.namespace, self.options.name, None),
                trouble=f"Namespace {self.options.namespace} does not exist",
                remedy="Create it, or name another in gateway.namespace.",
            )
        override = dig(configured, "metadata", "annotations", NAME_OVERRIDE, default="") or dig(
            configured, "spec", "infrastructure", "annotations", NAME_OVERRIDE, default=""
        )
        class_name = str(dig(configured, "spec", "gatewayClassName", default=self.options.class_name))
        namespace, name = _service_key(self.options)
        name = name or str(override or f"{self.options.name}-{class_name}")
        service = self.snapshot.get(kinds.SERVICE, namespace, name)
        if service is None:
            return GatewayState(_target(self.snapshot, self.options, namespace, name, None), configured=configured)
        return self._found(service, configured, ())

    def _found(self, service: Obj, configured: Obj | None, selector: tuple[tuple[str, str], ...]) -> GatewayState:
        target = _target(self.snapshot, self.options, namespace_of(service), name_of(service), service)
        trouble = remedy = ""
        if find_port(service, self.options.number) is None and (configured is not None or self.options.api == "istio"):
            trouble = f"Service {namespace_of(service)}/{name_of(service)} has no port {self.options.number}"
            remedy = "Add the port to it, or name another in gateway.port."
        return GatewayState(target, service, self._workload(service), configured, selector, trouble, remedy)

    def _workload(self, service: Obj) -> Obj | None:
        selector = dig(service, "spec", "selector", default={})
        for kind in kinds.WORKLOADS:
            for item in self.snapshot.all(kind):
                same = namespace_of(item) == namespace_of(service)
                if same and selects(selector, labels_of(pod_template(item))):
                    return item
        return None


def _service_key(options: GatewayOptions) -> tuple[str, str]:
    namespace, slash, name = options.service.partition("/")
    return (namespace, name) if slash else (options.namespace, options.service)


def _target(snapshot: Snapshot, options: GatewayOptions, namespace: str, name: str, service: Obj | None) -> GatewayTarget:
    port = find_port(service, options.number) if service else None
    usual = "https" if options.tls else "http"
    number = target_port(port) if port else options.number
    status = find_port(service, STATUS_PORT_NAME) or find_port(service, STATUS_PORT) if service else None
    return GatewayTarget(
        name=options.name, namespace=namespace, api=options.api, service=name, port=options.number,
        port_name=str((port or {}).get("name") or usual) if options.api == "istio" else usual,
        target_port=number if isinstance(number, int) else options.number, tls=options.tls, server_name=options.server_name,
        address=next((item for item in cluster_ips(service) if item), "") if service else "",
        status_port=str((status or {}).get("name") or STATUS_PORT_NAME) if status or not service else STATUS_PORT,
        annotations=tuple(sorted(annotations_of(service).items())) if service else (), domain=cluster_domain(snapshot),
    )


def takes_routes_from(gateway: Obj, namespace: str, labels: dict[str, str]) -> bool:
    """Whether some listener of a Gateway takes HTTPRoutes of a namespace with these labels."""
    for listener in dig(gateway, "spec", "listeners", default=[]):
        rule = dig(listener, "allowedRoutes", "namespaces", default={})
        source = str(rule.get("from") or "Same")
        if source == "All" or (source == "Same" and namespace == namespace_of(gateway)):
            return True
        own = {"kubernetes.io/metadata.name": namespace, **labels}
        if source == "Selector" and object_selector(rule.get("selector")).matches(own):
            return True
    return False
