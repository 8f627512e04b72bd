# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of profiles. A new vendor is one file and one line here.

Imports are spelled out because Ansible ships to the managed host only what it can see imported.
"""

from __future__ import annotations

from .alibaba_alb import profile as alibaba_alb
from .alibaba_clb import profile as alibaba_clb
from .apisix import profile as apisix
from .aws_alb import profile as aws_alb
from .aws_nlb import profile as aws_nlb
from .azure_agc import profile as azure_agc
from .azure_agic import profile as azure_agic
from .azure_lb import profile as azure_lb
from .caddy.profile import Caddy
from .cilium import profile as cilium
from .cloudflare_tunnel import profile as cloudflare_tunnel
from .contour import profile as contour
from .contract.profile import Profile, Registry
from .digitalocean_lb import profile as digitalocean_lb
from .easegress.profile import Easegress
from .emissary import profile as emissary
from .envoy_gateway.profile import EnvoyGateway
from .f5_cis.profile import F5Cis
from .f5_nginx import profile as f5_nginx
from .gke_gateway import profile as gke_gateway
from .gke_ingress import profile as gke_ingress
from .gke_neg import profile as gke_neg
from .gloo.profile import Gloo
from .haproxy_ingress import profile as haproxy_ingress
from .haproxytech import profile as haproxytech
from .higress.profile import Higress
from .ingress_nginx import profile as ingress_nginx
from .kgateway.profile import Kgateway
from .kong import profile as kong
from .legacy import adapted
from .netscaler import profile as netscaler
from .nginx_gateway_fabric.profile import NginxGatewayFabric
from .oci_lb import profile as oci_lb
from .openshift_router.profile import OpenshiftRouter
from .pomerium.profile import Pomerium
from .skipper import profile as skipper
from .traefik import profile as traefik
from .tyk.profile import Tyk
from .unknown.profile import Unknown
from .voyager.profile import Voyager

PROFILES: tuple[Profile, ...] = tuple(item if isinstance(item, Profile) else adapted(item) for item in (
    ingress_nginx.PROFILE,
    f5_nginx.PROFILE,
    emissary.PROFILE,
    traefik.PROFILE,
    haproxy_ingress.PROFILE,
    haproxytech.PROFILE,
    kong.PROFILE,
    Pomerium(),
    apisix.PROFILE,
    Caddy(),
    Tyk(),
    contour.PROFILE,
    skipper.PROFILE,
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
    aws_alb.PROFILE,
    alibaba_alb.PROFILE,
    alibaba_clb.PROFILE,
    cloudflare_tunnel.PROFILE,
    digitalocean_lb.PROFILE,
    oci_lb.PROFILE,
    gke_gateway.PROFILE,
    gke_ingress.PROFILE,
    gke_neg.PROFILE,
    aws_nlb.PROFILE,
    azure_agc.PROFILE,
    azure_agic.PROFILE,
    azure_lb.PROFILE,
))
UNKNOWN = adapted(Unknown())
REGISTRY = Registry(PROFILES, UNKNOWN)
