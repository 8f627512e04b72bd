# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Traefik's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from . import crd
from .backends import MIDDLEWARE, older

_MIDDLEWARES = "middlewares[]{name namespace}"
_SERVICE = f"""name namespace kind port% weight# strategy scheme passHostHeader? nativeLB? nodePortLB? serversTransport sticky* tls?
    {_MIDDLEWARES}"""
_ROUTES = f"routes[]{{kind match priority# syntax services[]{{{_SERVICE}}} {_MIDDLEWARES}}}"
_ROUTE = f"""spec{{entryPoints[] ingressClassName parentRefs[]{{name namespace}} {_ROUTES}
    tls{{secretName passthrough? options{{name namespace}}}}}}"""
_LIST = f"{{services[]{{{_SERVICE}}}}}"

TABLE: Mapping[str, Shape] = {
    **dict.fromkeys((*crd.OWN_ROUTES, *map(older, crd.OWN_ROUTES)), with_metadata(_ROUTE)),
    **dict.fromkeys((crd.SERVICE, older(crd.SERVICE)), with_metadata(f"""spec{{
        weighted{_LIST} highestRandomWeight{_LIST} mirroring{{{_SERVICE} mirrors[]{{{_SERVICE} percent#}}}}
        failover{{service{{{_SERVICE}}} fallback{{{_SERVICE}}}}}
    }}""")),
    **dict.fromkeys((MIDDLEWARE, older(MIDDLEWARE)), with_metadata(
        f"spec{{chain{{{_MIDDLEWARES}}} headers{{customRequestHeaders=}} errors{{service{{{_SERVICE}}}}} forwardAuth{{address}}}}"
    )),
}
