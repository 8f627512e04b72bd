# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Skipper's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from .routes import ROUTE_GROUP

TABLE: Mapping[str, Shape] = {
    ROUTE_GROUP: with_metadata("""spec{
        hosts[] backends[]{name type serviceName servicePort: algorithm address endpoints*} defaultBackends[]{backendName weight#}
        routes[]{path pathRegexp pathSubtree predicates[] filters[] methods[] backends[]{backendName weight#}}
    }"""),
}
