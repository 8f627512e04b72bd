# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Gloo's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from .profile import ROUTE_TABLE, UPSTREAM, UPSTREAM_GROUP, VIRTUAL_SERVICE

_REFERENCE = "{name namespace}"
_DESTINATION = f"{{kube{{ref{_REFERENCE} port:}} upstream{_REFERENCE}}}"
_ROUTES = f"""routes[]{{
    matchers[]{{exact prefix regex}} options*
    delegateAction{{name namespace ref{_REFERENCE} selector{{namespaces[] labels=}}}}
    routeAction{{
        single{_DESTINATION} multi{{destinations[]{{weight# destination{_DESTINATION}}}}} upstreamGroup{_REFERENCE}
        clusterHeader* dynamicForwardProxy*
    }}
}}"""

TABLE: Mapping[str, Shape] = {
    VIRTUAL_SERVICE: with_metadata(f"spec{{virtualHost{{domains[] {_ROUTES}}}}}"),
    ROUTE_TABLE: with_metadata(f"spec{{{_ROUTES}}}"),
    UPSTREAM: with_metadata("spec{kube{serviceName serviceNamespace servicePort:} static{hosts[]{addr port:}} sslConfig*}"),
    UPSTREAM_GROUP: with_metadata(f"spec{{destinations[]{{weight# destination{_DESTINATION}}}}}"),
}
