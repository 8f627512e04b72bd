# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kong with its ingress controller (Kong/kubernetes-ingress-controller).

The controller only configures; traffic leaves from the proxy, which is another container of the same pod or (gateway discovery)
another workload. Source: internal/dataplane/translator/translate_upstreams.go (service-upstream), kongstate/route.go and
upstream.go (preserve-host, host-header), internal/store/store.go (classes and their parameters).
"""

from __future__ import annotations

from ..contract.facts import About, Facts, ProofLevel
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import GatewayClasses, Recogniser, Signs
from ..kit.classes import classes_in_settings
from .chain import CHAIN
from .routes import GATEWAY_CONTROLLER, READERS
from .settings import Settings, read_settings
from .switches import SWITCHES

FACTS = Facts(
    routes=("Ingress", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "TCPIngress"),
    service_routing="annotation ingress.kubernetes.io/service-upstream on the Service",
    service_routing_global="serviceUpstream of the class's IngressClassParameters",
    host="annotation konghq.com/preserve-host: \"false\" on the Ingress; URLRewrite hostname of an HTTPRoute (3.2)",
    loses="hashing, weights and health checks of a KongUpstreamPolicy once the upstream is one name",
    remark="the sidecar belongs to the proxy's pods, not to the controller's; the Service annotation holds for all routes to it",
    proof=ProofLevel.SCHEMA, versions="KIC 3.5",
)
SIGNS = Signs(
    variables=(frozenset({"KONG_PROXY_LISTEN"}), frozenset({"KONG_NGINX_DAEMON"})), images=("kong", "kong-gateway", "kong-gateway-oss")
)


PROFILE = Profile(
    About("kong", "Kong", facts=FACTS), Recogniser(SIGNS, ("ingress-controllers.konghq.com/kong",), GatewayClasses((GATEWAY_CONTROLLER,))),
    InstanceReader(read_settings, classes=classes_in_settings(Settings)), READERS, SWITCHES, CHAIN,
)
