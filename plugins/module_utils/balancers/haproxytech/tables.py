# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of HAProxy Technologies' own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata

_SERVICE = "{name port: weight#}"

TABLE: Mapping[str, Shape] = dict.fromkeys(
    ("TCP.ingress.v1.haproxy.org", "TCP.ingress.v3.haproxy.org"),
    with_metadata(f"spec[]{{name service{_SERVICE} services[]{_SERVICE}}}"),
)
