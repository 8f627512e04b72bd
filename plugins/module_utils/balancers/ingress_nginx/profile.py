# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ingress-nginx (kubernetes/ingress-nginx): the Kubernetes project's NGINX controller, and builds of it under other names.

Facts are from the controller's source (pkg/flags, internal/ingress/controller).
"""

from __future__ import annotations

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef
from ...kube.objects import Obj, name_of
from ...kube.snapshot import Snapshot
from ..contract.facts import About, Facts, ProofLevel
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Signs
from ..kit.classes import classes_where, controller_of
from ..kit.settings import config_maps_of_flags, settings_of
from .chain import CHAIN
from .routes import READERS
from .settings import CONTROLLER, Settings, read_settings
from .switches import SWITCHES

_RETIRED = "the project ended in March 2026: no releases and no security fixes since"
_AKS = "webapprouting.kubernetes.azure.com/nginx"
FACTS = Facts(
    service_routing="annotation service-upstream on the Ingress (0.9)",
    service_routing_global="ConfigMap key service-upstream (1.0.1)",
    host="annotation upstream-vhost on the Ingress (0.9)",
    loses="affinity, hashing, balancing and retries once the upstream is one address; a canary when the Host is rewritten",
    remark="also AKS app routing and RKE2's builds (RKE2 puts it into kube-system, where nothing is injected); retired in March 2026",
    proof=ProofLevel.LAB,
    versions="1.11.0",
)
SIGNS = Signs(
    commands=("nginx-ingress-controller",),
    # Not "configmap" instead of "election-id": HAProxy Ingress has both of those options too.
    flags=(frozenset({"controller-class", "election-id"}),),
    images=("ingress-nginx/controller", "ingress-nginx/controller-chroot", "nginx-ingress-controller"),
    labels=(
        frozenset({("app.kubernetes.io/name", "ingress-nginx"), ("app.kubernetes.io/component", "controller")}),
        frozenset({("app.kubernetes.io/name", "rke2-ingress-nginx"), ("app.kubernetes.io/component", "controller")}),
    ),
)


def serves_class(load_balancer: LoadBalancer, ingress_class: Obj) -> bool:
    """By its controller, or by its name where it was started so."""
    settings = settings_of(load_balancer, Settings)
    by_name = settings.by_name and name_of(ingress_class) == settings.class_name
    return by_name or controller_of(ingress_class) == settings.controller


def notices(snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[Finding, ...]:
    """The project has ended, and UDP goes past the mesh."""
    settings = settings_of(load_balancer, Settings)
    namespace, _slash, name = settings.udp_services.partition("/")
    udp = ObjectRef("v1", "ConfigMap", namespace, name)
    ended = f"{load_balancer.label} is ingress-nginx {load_balancer.version}: {_RETIRED}"
    return (finding("MLB103", ended, load_balancer.workload), *(
        finding("MLB205", f"UDP port {port} goes to {target} outside the mesh", udp) for port, target in sorted(settings.udp_ports.items())
    ))


PROFILE = Profile(
    About("ingress_nginx", "ingress-nginx", facts=FACTS), Recogniser(SIGNS, (CONTROLLER, _AKS, f"{_AKS}/")),
    InstanceReader(
        read_settings, config_maps_of_flags("configmap", "tcp-services-configmap", "udp-services-configmap"), classes_where(serves_class),
        notices,
    ),
    READERS, SWITCHES, CHAIN,
)
