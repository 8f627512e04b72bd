# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Envoy Gateway's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from ..kit.gateway.tables import TARGETS
from .dialect import FILTER
from .own import EXTENSION_POLICY, SECURITY_POLICY
from .routes import BACKEND_TRAFFIC_POLICY, ENVOY_PROXY

_BACKENDS = "backendRefs[]{group kind namespace name port:} backendRef{group kind namespace name port:}"

TABLE: Mapping[str, Shape] = {
    ENVOY_PROXY: with_metadata("""spec{routingType mergeGateways? mergeBackends* provider{type kubernetes{
        envoyDeployment{pod{labels= annotations=}} envoyDaemonSet{pod{labels= annotations=}}
    }}}"""),
    SECURITY_POLICY: with_metadata(f"""spec{{{TARGETS}
        extAuth{{http{{{_BACKENDS}}} grpc{{{_BACKENDS}}}}} oidc{{provider{{{_BACKENDS}}}}} jwt{{providers[]{{remoteJWKS{{{_BACKENDS}}}}}}}
    }}"""),
    EXTENSION_POLICY: with_metadata(f"spec{{{TARGETS} extProc[]{{{_BACKENDS}}}}}"),
    FILTER: with_metadata("""spec{
        urlRewrite{hostname{type header pathRegex{pattern}} path{type replaceRegexMatch{pattern}}} directResponse*
    }"""),
    BACKEND_TRAFFIC_POLICY: with_metadata(f"spec{{{TARGETS} routingType mergeType loadBalancer{{type}} healthCheck* retry*}}"),
    "ClientTrafficPolicy.gateway.envoyproxy.io": with_metadata(
        f"spec{{{TARGETS} clientIPDetection{{xForwardedFor{{disableXForwardedForAppend? numTrustedHops#}}}}}}"
    ),
}
