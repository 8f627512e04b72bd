# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of APISIX' own kinds (see :mod:`kube.shapes` for the notation)."""

from __future__ import annotations

from collections.abc import Mapping

from ...kube.shapes import Shape
from ...kube.tables import with_metadata
from .routes import PLUGIN_CONFIG, ROUTE, UPSTREAM

_BACKEND = "{serviceName servicePort% resolveGranularity weight# subset}"
_PLUGINS = "plugins[]{name enable? config{host uri regex_uri* headers<>*}}"
_SETTINGS = "scheme passHost upstreamHost loadbalancer{type} healthCheck* retries#"

TABLE: Mapping[str, Shape] = {
    ROUTE: with_metadata(f"""spec{{
        ingressClassName http[]{{
            name backends[]{_BACKEND} upstreams[]{{name}} match{{hosts[] paths[] exprs[]*}} {_PLUGINS}
            plugin_config_name plugin_config_namespace websocket?
        }}
        stream[]{{name protocol match{{host ingressPort#}} backend{_BACKEND}}}
    }}"""),
    UPSTREAM: with_metadata(f"spec{{ingressClassName {_SETTINGS} portLevelSettings[]{{port: {_SETTINGS}}}}}"),
    PLUGIN_CONFIG: with_metadata(f"spec{{ingressClassName {_PLUGINS}}}"),
}
