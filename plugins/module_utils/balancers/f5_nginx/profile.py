# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NGINX Ingress Controller of F5 (nginx/kubernetes-ingress).

It and ingress-nginx both call their class ``nginx``; this one's class must have the controller ``nginx.org/ingress-controller``
(it stops where the class has another). Facts are from its source (cmd/nginx-ingress/flags.go, internal/k8s/controller.go,
internal/configs/virtualserver.go).
"""

from __future__ import annotations

from ...core.model import LoadBalancer
from ...kube.objects import Obj, name_of
from ..contract.facts import About, Facts, ProofLevel
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Signs
from ..kit.classes import classes_where, controller_of
from ..kit.settings import settings_of
from .chain import CHAIN, TITLE
from .routes import READERS
from .settings import Settings, read_settings
from .switches import SWITCHES

CONTROLLER = "nginx.org/ingress-controller"
FACTS = Facts(
    routes=("VirtualServer", "VirtualServerRoute", "Ingress (mergeable too)", "TransportServer (pod addresses only)"),
    service_routing="use-cluster-ip of an upstream (1.11.0); annotation nginx.org/use-cluster-ip of an Ingress (3.5.0)",
    host="requestHeaders.set Host of an action (VirtualServer only)",
    loses="affinity, balancing, retries and health checks once the upstream is one address",
    remark="splits keep working, because each has its own Host; subselector excludes use-cluster-ip",
    proof=ProofLevel.SCHEMA,
    versions="5.6.0",
)
SIGNS = Signs(
    commands=("nginx-ingress",),
    flags=(frozenset({"nginx-configmaps"}),),
    images=("nginx/nginx-ingress", "nginx/kubernetes-ingress", "nginx-ic/nginx-plus-ingress", "nginx-ic/nginx-ingress"),
    labels=(frozenset({("app.kubernetes.io/name", "nginx-ingress")}), frozenset({("app", "nginx-ingress")})),
)


def serves_class(load_balancer: LoadBalancer, ingress_class: Obj) -> bool:
    """The class of the name that it was started with, if its controller is this one."""
    return name_of(ingress_class) == settings_of(load_balancer, Settings).class_name and controller_of(ingress_class) == CONTROLLER


PROFILE = Profile(
    About("f5_nginx", TITLE, facts=FACTS), Recogniser(SIGNS, (CONTROLLER,)),
    InstanceReader(read_settings, classes=classes_where(serves_class)), READERS, SWITCHES, CHAIN,
)
