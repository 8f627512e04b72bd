# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of NGINX Gateway Fabric's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from ..kit.gateway.tables import TARGETS
from .profile import NGINX_PROXY, POLICY

TABLE: Mapping[str, Shape] = {
    NGINX_PROXY: with_metadata("spec{useClusterIP?}"),
    POLICY: with_metadata(f"spec{{{TARGETS} useClusterIP? loadBalancingMethod}}"),
}
