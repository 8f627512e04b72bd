# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy Ingress (jcmoraisjr/haproxy-ingress), the community's HAProxy controller; the controller and HAProxy run in one pod.

Facts are from the controller's source and docs at v0.14.7 and in 0.17. Both halves would fit into its one global ConfigMap, but that
would also hit headless Services, for which it breaks HAProxy's configuration; so the Service is annotated, which is the strongest of
the four places.
"""

from __future__ import annotations

from ...core.model import replace
from ...kube.objects import Obj, argument
from ..contract.facts import About, Facts, ProofLevel
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Recognition, Signs
from ..kit.classes import classes_where, controller_of
from ..kit.recognition import by_signs
from ..kit.settings import config_maps_of_flags, settings_of
from .chain import CHAIN
from .routes import READERS
from .settings import CONTROLLER, Settings, read_settings
from .switches import SWITCHES

FACTS = Facts(
    routes=("Ingress", "TCP services", "HTTPRoute", "TCPRoute", "TLSRoute"),
    service_routing="key service-upstream on the Service or the Ingress (0.8); not for Gateway API routes",
    service_routing_global="the same key in the class's or the global ConfigMap",
    host="a host line in the key headers (0.11), or request-set-headers (0.17), on the Service or the Ingress",
    host_global="the same key in the class's or the global ConfigMap",
    loses="affinity, blue-green, balancing and health checks once the backend is one address",
    remark="Ingresses of one Service share a backend, and the oldest decides; Gateway API routes (0.15) always go to pod addresses",
    proof=ProofLevel.LAB,
    versions="0.14.7",
)
SIGNS = Signs(
    flags=(frozenset({"reload-strategy"}), frozenset({"sort-backends"}), frozenset({"acme-token-configmap-name"})),
    images=("jcmoraisjr/haproxy-ingress", "haproxy-ingress"),
    # Neither its program's name nor the label run=haproxy-ingress tells it from HAProxy Technologies' controller.
    labels=(frozenset({("app.kubernetes.io/name", "haproxy-ingress")}),),
)


def recognise_workload(workload: Obj) -> Recognition | None:
    """Its labels alone prove little, but an ingress controller that has them is no other one's."""
    match = by_signs(SIGNS, workload)
    if match is None or match.confidence != "possible":
        return match
    flags = [f"argument --{flag}" for flag in ("configmap", "ingress-class") if argument(match.container, flag) is not None]
    return replace(match, confidence="likely", evidence=(*match.evidence, *flags)) if flags else match


CLASSES = classes_where(lambda load_balancer, item: controller_of(item) == settings_of(load_balancer, Settings).controller)
# Parameters of IngressClasses are in the controller's own namespace.
CONFIG_MAPS = config_maps_of_flags("configmap", "tcp-services-configmap", own_namespace=True)
PROFILE = Profile(
    About("haproxy_ingress", "HAProxy Ingress", facts=FACTS),
    Recogniser(SIGNS, (CONTROLLER, f"{CONTROLLER}/"), workload=recognise_workload),
    InstanceReader(read_settings, CONFIG_MAPS, CLASSES), READERS, SWITCHES, CHAIN,
)
