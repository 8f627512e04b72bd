# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of the Gateway API's kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ....kube.shapes import Shape
from ....kube.tables import with_metadata
from .names import (
    BACKEND_TLS_POLICY,
    GATEWAY,
    GATEWAY_CLASS,
    GRPC_ROUTE,
    HTTP_ROUTE,
    LISTENER_SET,
    REFERENCE_GRANT,
    TCP_ROUTE,
    TLS_ROUTE,
    UDP_ROUTE,
    X_LISTENER_SET,
)

_SELECTOR = "{matchLabels= matchExpressions[]{key operator values[]}}"
_PARENTS = "parentRefs[]{group kind namespace name sectionName port:} hostnames[]"
_BACKEND = "group kind namespace name port: weight#"
_HEADERS = "set[]{name value} add[]{name value} remove[]"
_FILTERS = f"""filters[]{{
    type urlRewrite{{hostname path*}} requestHeaderModifier{{{_HEADERS}}} responseHeaderModifier*
    requestMirror{{backendRef{{{_BACKEND}}} percent#}} requestRedirect* extensionRef{{group kind name}}
}}"""
_RULES = f"""rules[]{{
    name {_FILTERS} backendRefs[]{{{_BACKEND} {_FILTERS}}}
    matches[]{{path{{type value}} method* headers* queryParams*}}
}}"""
_GRPC_RULES = f"rules[]{{name {_FILTERS} backendRefs[]{{{_BACKEND} {_FILTERS}}} matches[]{{method{{type service method}} headers*}}}}"
_PARAMETERS = "parametersRef{group kind namespace name}"
_TARGETS = "targetRefs[]{group kind name sectionName} targetRef{group kind name sectionName}"
TARGETS = f"{_TARGETS} targetSelectors[]{{group kind matchLabels= matchExpressions[]{{key operator values[]}}}}"
"""The fields by which a policy says what it is for."""

_LISTENERS = f"""listeners[]{{
    name hostname port: protocol tls{{mode certificateRefs[]{{group kind namespace name}} options=}}
    allowedRoutes{{kinds[]{{group kind}} namespaces{{from selector{_SELECTOR}}}}}
}}"""
_CONDITIONS = "conditions[]{type status reason message observedGeneration#}"
_STATUS = f"listeners[]{{name {_CONDITIONS}}} {_CONDITIONS}"
_SET = f"spec{{parentRef{{group kind namespace name}} {_LISTENERS}}} status{{{_STATUS}}}"

TABLE: Mapping[str, Shape] = {
    GATEWAY_CLASS: with_metadata(f"spec{{controllerName {_PARAMETERS}}}"),
    GATEWAY: with_metadata(f"""spec{{
        gatewayClassName addresses[]{{type value}} infrastructure{{labels= annotations= {_PARAMETERS}}} {_LISTENERS}
        allowedListeners{{namespaces{{from selector{_SELECTOR}}}}}
    }} status{{addresses[]{{type value}} {_STATUS}}}"""),
    LISTENER_SET: with_metadata(_SET),
    X_LISTENER_SET: with_metadata(_SET),
    HTTP_ROUTE: with_metadata(f"spec{{{_PARENTS} {_RULES}}}"),
    GRPC_ROUTE: with_metadata(f"spec{{{_PARENTS} {_GRPC_RULES}}}"),
    TCP_ROUTE: with_metadata(f"spec{{{_PARENTS} {_RULES}}}"),
    TLS_ROUTE: with_metadata(f"spec{{{_PARENTS} {_RULES}}}"),
    UDP_ROUTE: with_metadata(f"spec{{{_PARENTS} {_RULES}}}"),
    REFERENCE_GRANT: with_metadata("spec{from[]{group kind namespace} to[]{group kind name}}"),
    BACKEND_TLS_POLICY: with_metadata(f"spec{{{TARGETS} validation*}}"),
}
