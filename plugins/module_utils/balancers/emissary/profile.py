# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emissary-ingress and Ambassador Edge Stack: Service routing is its default, the client's Host as well.

Istio's page says that no additional steps are required; that holds for undeclared and TCP ports (measured with 3.10.0).
"""

from __future__ import annotations

from ...kube.objects import Obj
from ..contract.facts import About, Facts, ProofLevel
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Recognition, Signs
from ..kit.classes import ingress_classes
from ..kit.recognition import by_signs, programs_of
from .chain import CHAIN
from .routes import READERS
from .settings import read_settings
from .switches import SWITCHES

FACTS = Facts(
    routes=("Mapping", "TCPMapping", "Ingress", "Service annotation getambassador.io/config"),
    service_routing="default; Mapping and TCPMapping field resolver", service_routing_global="Module field resolver",
    host="Mapping fields host_rewrite and auto_host_rewrite", default="the Service's address, the client's Host",
    loses="with an endpoint resolver: affinity, balancing, retries and health checks once the upstream is one address",
    remark="certs_only from 4.1.0 on: the backend's certificate is verified against the mesh's root, its identity is not",
    proof=ProofLevel.LAB, versions="3.10.0",
)
SIGNS = Signs(
    commands=("busyambassador", "diagd"), variables=(frozenset({"AMBASSADOR_NAMESPACE"}),), images=(
        "emissary-ingress/emissary", "emissaryingress/emissary", "datawire/emissary", "datawire/ambassador", "datawire/aes", "emissary",
    ), labels=(frozenset({("product", "aes"), ("profile", "main")}),),
)
CONTROLLERS = ("getambassador.io/ingress-controller",)
_OTHER_PROGRAMS = frozenset({"apiext", "agent", "kubestatus"})


def recognise_workload(workload: Obj) -> Recognition | None:
    """Its pods carry both the traffic and its control plane; apiext, of the same image, carries no traffic."""
    recognition = by_signs(SIGNS, workload)
    return None if recognition is None or _OTHER_PROGRAMS & set(programs_of(recognition.container)) else recognition


PROFILE = Profile(
    About("emissary", "Emissary-ingress", facts=FACTS), Recogniser(SIGNS, CONTROLLERS, workload=recognise_workload),
    InstanceReader(read_settings, classes=ingress_classes(CONTROLLERS)), READERS, SWITCHES, CHAIN,
)
