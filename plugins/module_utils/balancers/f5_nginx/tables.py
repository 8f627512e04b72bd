# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of NGINX Ingress Controller's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from .routes import TRANSPORT_SERVER, VIRTUAL_SERVER, VIRTUAL_SERVER_ROUTE

_UPSTREAMS = """upstreams[]{
    name service port: use-cluster-ip? tls{enable?} lb-method next-upstream subselector* sessionCookie{enable?} healthCheck{enable?}
}"""
_ACTION = "action{pass proxy{upstream rewritePath requestHeaders{set[]{name value}}} return* redirect*}"
_SELECTOR = "routeSelector{matchLabels= matchExpressions[]{key operator values[]}}"
_STEPS = f"{_ACTION} splits[]{{weight# {_ACTION}}}"
_ROUTES = f"[]{{path route {_SELECTOR} {_STEPS} matches[]{{conditions* {_STEPS}}}}}"

TABLE: Mapping[str, Shape] = {
    **dict.fromkeys((VIRTUAL_SERVER, VIRTUAL_SERVER_ROUTE), with_metadata(
        f"spec{{host ingressClassName {_UPSTREAMS} routes{_ROUTES} subroutes{_ROUTES}}}"
    )),
    TRANSPORT_SERVER: with_metadata(f"spec{{host ingressClassName listener{{name protocol}} {_UPSTREAMS} action{{pass}}}}"),
}
