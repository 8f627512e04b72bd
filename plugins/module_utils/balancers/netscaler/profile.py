# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetScaler (once Citrix ADC): CPX, which runs in the cluster, and appliances outside, which a controller configures.

Source: netscaler/netscaler-k8s-ingress-controller deployment/ (manifests) and docs; no setting for Service routing was found.
"""

from __future__ import annotations

from ..contract.facts import About, Facts
from ..contract.instances import InstanceReader
from ..contract.recognition import Recogniser, Signs
from ..kit.limited import limited, of_own_rule
from ..kit.objects import BackendHandling
from ..kit.readers import always, ingress_reader
from .settings import CLASS_CONTROLLER, classes, read_settings, serves

OUTSIDE = "its traffic leaves from a NetScaler outside the cluster, where no sidecar can be: use chained mode"
FACTS = Facts(remark="a CPX with a sidecar was never tried; appliances: chained mode only", versions="controller 4.1")
CPX = Signs(images=("netscaler-cpx", "citrix-k8s-cpx-ingress", "cpx-ingress"))
CONTROLLER = Signs(
    images=("netscaler-k8s-ingress-controller", "citrix-k8s-ingress-controller"), variables=(frozenset({"NS_IP", "NS_USER"}),)
)
WHY_NOT = "no setting for Service routing is known of NetScaler"
PROFILE = of_own_rule(
    limited(
        About("netscaler", "NetScaler", outside=OUTSIDE, facts=FACTS), Recogniser(CPX, (CLASS_CONTROLLER,), controller=CONTROLLER), WHY_NOT,
    ),
    ingress_reader(always(BackendHandling(why_not_settable=WHY_NOT)), serves), InstanceReader(read_settings, classes=classes),
)
