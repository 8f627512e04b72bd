# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Emissary's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from . import objects

TABLE: Mapping[str, Shape] = {
    **dict.fromkeys((objects.MAPPING, objects.TCP_MAPPING), with_metadata(objects.MAPPING_FIELDS)),
    objects.MODULE: with_metadata(objects.MODULE_FIELDS),
    objects.HOST: with_metadata("spec{hostname ambassador_id* selector{matchLabels=} mappingSelector{matchLabels=}}"),
    objects.TLS_CONTEXT: with_metadata("spec{ambassador_id* secret cert_chain_file cacert_chain_file sni hosts[]}"),
    **dict.fromkeys(objects.RESOLVERS, with_metadata("spec{ambassador_id*}")),
}
