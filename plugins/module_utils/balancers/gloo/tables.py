# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Gloo's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from .profile import UPSTREAM, VIRTUAL_SERVICE

_REFERENCE = "{name namespace}"
_DESTINATION = f"{{kube{{ref{_REFERENCE} port:}} upstream{_REFERENCE}}}"

TABLE: Mapping[str, Shape] = {
    VIRTUAL_SERVICE: with_metadata(f"""spec{{virtualHost{{domains[] routes[]{{
        matchers[]{{exact prefix regex}} delegateAction* options*
        routeAction{{single{_DESTINATION} multi{{destinations[]{{weight# destination{_DESTINATION}}}}}}}
    }}}}}}"""),
    UPSTREAM: with_metadata("spec{kube{serviceName serviceNamespace servicePort:}}"),
}
