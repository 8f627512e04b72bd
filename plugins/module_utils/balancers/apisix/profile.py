# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apache APISIX with its ingress controller (apache/apisix-ingress-controller).

Traffic leaves from the apisix workload, which the controller configures from outside. Source: internal/adc/translator of the
controller (2.x) and apisix/plugins/proxy-rewrite.lua.
"""

from __future__ import annotations

from ..contract.facts import About, Facts, ProofLevel
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import GatewayClasses, Recogniser, Signs
from ..kit.classes import classes_where
from ..kit.settings import maps_beside
from .routes import READERS
from .settings import CONTROLLER, SETTINGS, is_ours, is_served, notices, read_settings
from .switches import SWITCHES

FACTS = Facts(
    routes=("ApisixRoute", "Ingress (pod addresses only)", "HTTPRoute, GRPCRoute, TCPRoute, TLSRoute (pod addresses only)"),
    service_routing="resolveGranularity: service of an ApisixRoute's backend (2.0)",
    host="passHost: node of an ApisixUpstream that exists, else the plugin proxy-rewrite of the ApisixRoute's rule",
    loses="affinity, balancing, retries and health checks of an ApisixUpstream once the upstream is one address",
    remark="the sidecar belongs to the apisix workload, not to the controller; headless Services must not be named so",
    proof=ProofLevel.SCHEMA,
    versions="controller 2.0",
)
SIGNS = Signs(
    variables=(frozenset({"APISIX_STAND_ALONE"}), frozenset({"APISIX_PROFILE"})), images=("apisix",),
    labels=(frozenset({("app.kubernetes.io/name", "apisix")}),),
)
PROFILE = Profile(
    About("apisix", "Apache APISIX", facts=FACTS), Recogniser(SIGNS, (CONTROLLER,), GatewayClasses((CONTROLLER,))),
    # The controller's own configuration names its controller; the vendor's chart keeps both in one namespace.
    InstanceReader(read_settings, maps_beside(SETTINGS, is_ours), classes_where(is_served), notices), READERS, SWITCHES,
)
