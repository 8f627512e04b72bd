# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Kong's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from .dialect import PLUGIN
from .routes import TCP_INGRESS, UDP_INGRESS
from .settings import PARAMETERS

TABLE: Mapping[str, Shape] = {
    **dict.fromkeys((TCP_INGRESS, UDP_INGRESS), with_metadata("spec{rules[]{host port: backend{serviceName servicePort:}}}")),
    PLUGIN: with_metadata("plugin disabled? config*"),
    PARAMETERS: with_metadata("spec{serviceUpstream? enableLegacyRegexDetection?}"),
}
