# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Istio's kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ..kube import kinds
from ..kube.shapes import Shape
from ..kube.tables import with_metadata

_DESTINATION = "destination{host subset port{number:}}"
_TEXT = "{exact prefix regex}"
_CLIENTS = "port# gateways[] sourceLabels= sourceNamespace"
_MATCHES = f"match[]{{uri{_TEXT} authority{_TEXT} scheme{_TEXT} ignoreUriCase? {_CLIENTS} headers* name}}"
_TLS = "tls{mode subjectAltNames[] clientCertificate privateKey caCertificates sni credentialName}"
_POLICY = f"trafficPolicy{{{_TLS} portLevelSettings[]{{port{{number:}} {_TLS}}} loadBalancer* connectionPool* outlierDetection*}}"
_LABELS = "{labels= matchLabels=}"
_TARGET = "{group kind name namespace}"
_TARGETS = f"selector{{matchLabels=}} targetRef{_TARGET} targetRefs[]{_TARGET}"
_SOURCE = """principals[] notPrincipals[] requestPrincipals[] notRequestPrincipals[] namespaces[] notNamespaces[] serviceAccounts[]
    notServiceAccounts[] trustDomains[] notTrustDomains[] ipBlocks[] notIpBlocks[] remoteIpBlocks[] notRemoteIpBlocks[]"""
_OPERATION = "hosts[] notHosts[] ports[] notPorts[] methods[] notMethods[] paths[] notPaths[]"

TABLE: Mapping[str, Shape] = {
    kinds.PEER_AUTHENTICATION: with_metadata("spec{selector{matchLabels=} mtls{mode} portLevelMtls<>{mode}}"),
    kinds.DESTINATION_RULE: with_metadata(
        f"spec{{host exportTo[] {_POLICY} subsets[]{{name labels= {_POLICY}}} workloadSelector{_LABELS}}}"
    ),
    kinds.VIRTUAL_SERVICE: with_metadata(f"""spec{{
        hosts[] gateways[] exportTo[] http[]{{
            name {_MATCHES} route[]{{{_DESTINATION} weight#}} rewrite{{uri authority}} redirect{{}} delegate{{name namespace}}
            directResponse{{}} mirror{{host}}
        }}
        tcp[]{{match[]{{{_CLIENTS} destinationSubnets[]}} route[]{{{_DESTINATION} weight#}}}}
        tls[]{{match[]{{{_CLIENTS} sniHosts[] destinationSubnets[]}} route[]{{{_DESTINATION} weight#}}}}
    }}"""),
    kinds.SERVICE_ENTRY: with_metadata(f"""spec{{
        hosts[] addresses[] exportTo[] location resolution subjectAltNames[] workloadSelector{_LABELS}
        ports[]{{number: name protocol targetPort:}} endpoints[]{{address ports<>: labels= network serviceAccount}}
    }}"""),
    kinds.SIDECAR: with_metadata(f"""spec{{
        workloadSelector{_LABELS} egress[]{{hosts[] bind captureMode port{{number: name protocol}}}}
        ingress[]{{port{{number: name protocol}} defaultEndpoint}}
        outboundTrafficPolicy{{mode egressProxy*}}
    }}"""),
    kinds.ENVOY_FILTER: with_metadata(f"""spec{{
        workloadSelector{_LABELS} priority# targetRefs[]{_TARGET} configPatches[]{{
            applyTo match{{context listener{{portNumber#}} cluster{{name service subset portNumber#}}}} patch{{operation value*}}
        }}
    }}"""),
    kinds.WORKLOAD_ENTRY: with_metadata("spec{address ports<>: labels= network locality weight# serviceAccount}"),
    kinds.AUTHORIZATION_POLICY: with_metadata(f"""spec{{
        {_TARGETS} action provider{{name}} rules[]{{
            from[]{{source{{{_SOURCE}}}}} to[]{{operation{{{_OPERATION}}}}} when[]{{key values[] notValues[]}}
        }}
    }}"""),
    kinds.REQUEST_AUTHENTICATION: with_metadata(f"""spec{{
        {_TARGETS} jwtRules[]{{issuer audiences[] jwksUri jwks fromHeaders[]{{name prefix}} fromParams[] fromCookies[]}}
    }}"""),
    "Gateway.networking.istio.io": with_metadata("""spec{
        selector= servers[]{hosts[] name port{number: name protocol} tls{mode httpsRedirect? credentialName}}
    }"""),
}
