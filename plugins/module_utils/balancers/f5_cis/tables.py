# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of F5's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata

TABLE: Mapping[str, Shape] = {
    "VirtualServer.cis.f5.com": with_metadata("""spec{
        host tlsProfileName policyName pools[]{path service serviceNamespace servicePort% hostRewrite monitor*}
    }"""),
    "TransportServer.cis.f5.com": with_metadata("""spec{
        host type virtualServerPort% pool{service serviceNamespace servicePort%} pools[]{service serviceNamespace servicePort%}
    }"""),
}
