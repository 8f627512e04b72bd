# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ngrok's Kubernetes Operator: its agents, in the cluster, carry what arrives at ngrok's cloud to the cluster's Services.

Source: ngrok/ngrok-operator 024dfe1 (0.22): helm/ngrok-operator (programs, flags, controller's name), internal/store/store.go (classes),
pkg/managerdriver (what becomes of Ingresses and routes: AgentEndpoints that name a Service, and CloudEndpoints in front of them, which are
no way into the cluster of their own), internal/controller/service/controller.go (Services), and pkg/agent/driver.go. How an agent sends
requests on is in ngrok/ngrok-go: forwarder.go of 2.1.1, which copies bytes, and httpinspect.go of 2.1.4, which keeps the Host.
UNCONFIRMED: what ngrok's cloud makes of the Host by its own rules (url-rewrite, forward-internal). The operator before its agents had
a program of their own (0.13) is not recognised.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...core.model import LoadBalancer
from ...kube.objects import Obj, containers_of, pod_template
from ..contract.facts import About, Facts
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import GatewayClasses, Recogniser, Recognition
from ..contract.switches import Switches
from ..kit.classes import classes_of_controller
from ..kit.patches import nothing_to_set
from ..kit.recognition import programs_of, version_of
from ..kit.settings import settings_of
from .routes import GATEWAY_CONTROLLER, READERS
from .settings import STOCK_CONTROLLERS, Settings, read_settings

FACTS = Facts(
    routes=("Ingress", "HTTPRoute, TCPRoute, TLSRoute", "Service of type LoadBalancer", "AgentEndpoint"),
    service_routing="nothing to set: it always dials the Service's name", default="the Service, the client's Host",
    remark="clients' TLS ends at ngrok; the sidecar belongs to the agents' pods, not to the operator's", versions="0.14 to 0.22",
)


def recognise(workload: Obj) -> Recognition | None:
    """By what an agent runs and needs: the operator's other programs come with the same image."""
    for container in containers_of(pod_template(workload)):
        variables = {item.get("name") for item in container.get("env") or []}
        if "agent-manager" in programs_of(container) and "NGROK_AUTHTOKEN" in variables:
            evidence = (f"container {container.get('name')} runs agent-manager for ngrok",)
            return Recognition("certain", evidence, container, version_of(container))
    return None


def classes(load_balancer: LoadBalancer, found: Iterable[Obj]) -> tuple[str, ...]:
    """The classes of its operator's controller."""
    return classes_of_controller(settings_of(load_balancer, Settings).controllers, found)


PROFILE = Profile(
    About("ngrok", "ngrok Kubernetes Operator", facts=FACTS),
    Recogniser(classes=STOCK_CONTROLLERS, gateway_classes=GatewayClasses((GATEWAY_CONTROLLER,)), workload=recognise),
    InstanceReader(read_settings, classes=classes), READERS, Switches(to_service=nothing_to_set),
)
