# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of Voyager's own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata

_BACKEND = "{service{name port{number: name}} serviceName servicePort% resource*}"

TABLE: Mapping[str, Shape] = {
    "Ingress.voyager.appscode.com": with_metadata(f"""spec{{
        ingressClassName defaultBackend{_BACKEND} backend{_BACKEND} tls[]{{hosts[] secretName}}
        rules[]{{host http{{paths[]{{path pathType backend{_BACKEND}}}}} tcp{{port% backend{_BACKEND}}}}}
    }}"""),
}
