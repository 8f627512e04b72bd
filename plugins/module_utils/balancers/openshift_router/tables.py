# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of OpenShift's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata

_TARGET = "{kind name weight#}"

TABLE: Mapping[str, Shape] = {
    "Route.route.openshift.io": with_metadata(f"""spec{{
        host path to{_TARGET} alternateBackends[]{_TARGET} port{{targetPort:%}} tls{{termination insecureEdgeTerminationPolicy}}
        httpHeaders{{actions{{request[]{{name action{{type set{{value}}}}}}}}}}
    }}"""),
}
