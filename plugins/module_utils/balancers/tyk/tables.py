# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Tyk's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from .profile import DEFINITION

TABLE: Mapping[str, Shape] = {
    DEFINITION: with_metadata("spec{domain proxy{target_url listen_path preserve_host_header? strip_listen_path?}}"),
}
