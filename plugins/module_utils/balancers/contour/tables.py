# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Contour's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from .roots import DELEGATION
from .routes import EXTENSION_SERVICE, HTTP_PROXY

_CONDITIONS = "conditions[]{prefix exact regex header* queryParameter*}"
_HEADERS = "requestHeadersPolicy{set[]{name value} remove[]}"
_SERVICE = f"{{name port: weight# mirror? protocol {_HEADERS}}}"

TABLE: Mapping[str, Shape] = {
    HTTP_PROXY: with_metadata(f"""spec{{
        ingressClassName virtualhost{{
            fqdn tls{{secretName passthrough?}} authorization{{extensionRef{{name namespace}} authPolicy{{disabled?}}}}
        }} includes[]{{name namespace {_CONDITIONS}}}
        routes[]{{
            {_CONDITIONS} services[]{_SERVICE} {_HEADERS} permitInsecure? loadBalancerPolicy{{strategy}}
            pathRewritePolicy* retryPolicy* healthCheckPolicy*
        }}
        tcpproxy{{services[]{_SERVICE} include{{name namespace}} includes{{name namespace}}}}
    }}"""),
    EXTENSION_SERVICE: with_metadata("spec{protocol services[]{name port: weight#}}"),
    DELEGATION: with_metadata("spec{delegations[]{secretName targetNamespaces[]}}"),
}
