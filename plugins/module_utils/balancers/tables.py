# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields in use of every kind that is read: Kubernetes', Istio's, the Gateway API's, and those of each load balancer.

Imports are spelled out because Ansible ships to the managed host only what it can see imported.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..istio import tables as istio
from ..kube import tables as kube
from ..kube.shapes import Shape
from .apisix import tables as apisix
from .avi import tables as avi
from .contour import tables as contour
from .emissary import tables as emissary
from .envoy_gateway import tables as envoy_gateway
from .f5_cis import tables as f5_cis
from .f5_nginx import tables as f5_nginx
from .gloo import tables as gloo
from .haproxytech import tables as haproxytech
from .kit.gateway import tables as gateway
from .kong import tables as kong
from .nginx_gateway_fabric import tables as nginx_gateway_fabric
from .ngrok import tables as ngrok
from .openshift_router import tables as openshift_router
from .skipper import tables as skipper
from .tailscale import tables as tailscale
from .traefik import tables as traefik
from .tyk import tables as tyk
from .voyager import tables as voyager

TABLES: Mapping[str, Shape] = {
    **kube.TABLE,
    **istio.TABLE,
    **gateway.TABLE,
    **apisix.TABLE,
    **avi.TABLE,
    **contour.TABLE,
    **emissary.TABLE,
    **envoy_gateway.TABLE,
    **f5_cis.TABLE,
    **f5_nginx.TABLE,
    **gloo.TABLE,
    **haproxytech.TABLE,
    **kong.TABLE,
    **nginx_gateway_fabric.TABLE,
    **ngrok.TABLE,
    **openshift_router.TABLE,
    **skipper.TABLE,
    **tailscale.TABLE,
    **traefik.TABLE,
    **tyk.TABLE,
    **voyager.TABLE,
}
"""By kind key."""
