# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Tailscale's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata

TABLE: Mapping[str, Shape] = {
    "ProxyGroup.tailscale.com": with_metadata("spec{type proxyClass}"),
    "ProxyClass.tailscale.com": with_metadata("spec{statefulSet{labels= annotations= pod{labels= annotations=}}}"),
}
