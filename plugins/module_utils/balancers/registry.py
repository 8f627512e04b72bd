# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of profiles. A new vendor is one file and one line here.

Imports are spelled out because Ansible ships to the managed host only what it can see imported.
"""

from __future__ import annotations

from .apisix.profile import Apisix
from .caddy.profile import Caddy
from .cilium import profile as cilium
from .cloud_registry import PLATFORMS
from .contour.profile import Contour
from .contract.profile import Profile, Registry
from .easegress.profile import Easegress
from .emissary.profile import Emissary
from .envoy_gateway.profile import EnvoyGateway
from .f5_cis.profile import F5Cis
from .f5_nginx.profile import F5Nginx
from .gloo.profile import Gloo
from .haproxy_ingress.profile import HaproxyIngress
from .haproxytech.profile import HaproxyTech
from .higress.profile import Higress
from .ingress_nginx.profile import IngressNginx
from .kgateway.profile import Kgateway
from .kong import profile as kong
from .legacy import adapted
from .netscaler import profile as netscaler
from .nginx_gateway_fabric.profile import NginxGatewayFabric
from .openshift_router.profile import OpenshiftRouter
from .pomerium.profile import Pomerium
from .skipper.profile import Skipper
from .traefik.profile import Traefik
from .tyk.profile import Tyk
from .unknown.profile import Unknown
from .voyager.profile import Voyager

PROFILES: tuple[Profile, ...] = tuple(item if isinstance(item, Profile) else adapted(item) for item in (
    IngressNginx(),
    F5Nginx(),
    Emissary(),
    Traefik(),
    HaproxyIngress(),
    HaproxyTech(),
    kong.PROFILE,
    Pomerium(),
    Apisix(),
    Caddy(),
    Tyk(),
    Contour(),
    Skipper(),
    EnvoyGateway(),
    Gloo(),
    Kgateway(),
    Higress(),
    Easegress(),
    Voyager(),
    cilium.PROFILE,
    netscaler.PROFILE,
    F5Cis(),
    OpenshiftRouter(),
    NginxGatewayFabric(),
))
UNKNOWN = adapted(Unknown())
REGISTRY = Registry((*PROFILES, *PLATFORMS), UNKNOWN)
