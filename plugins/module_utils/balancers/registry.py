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
from .avi import profile as avi
from .aws_alb import profile as aws_alb
from .aws_nlb import profile as aws_nlb
from .azure_agc import profile as azure_agc
from .azure_agic import profile as azure_agic
from .azure_lb import profile as azure_lb
from .caddy import profile as caddy
from .cilium import profile as cilium
from .cloudflare_tunnel import profile as cloudflare_tunnel
from .contour import profile as contour
from .contract.profile import Profile, Registry
from .digitalocean_lb import profile as digitalocean_lb
from .easegress import profile as easegress
from .emissary import profile as emissary
from .envoy_gateway import profile as envoy_gateway
from .f5_cis import profile as f5_cis
from .f5_nginx import profile as f5_nginx
from .gke_gateway import profile as gke_gateway
from .gke_ingress import profile as gke_ingress
from .gke_neg import profile as gke_neg
from .gloo import profile as gloo
from .haproxy_ingress import profile as haproxy_ingress
from .haproxytech import profile as haproxytech
from .higress import profile as higress
from .ingress_nginx import profile as ingress_nginx
from .kgateway import profile as kgateway
from .kong import profile as kong
from .netscaler import profile as netscaler
from .nginx_gateway_fabric import profile as nginx_gateway_fabric
from .ngrok import profile as ngrok
from .oci_lb import profile as oci_lb
from .openshift_router import profile as openshift_router
from .pomerium import profile as pomerium
from .skipper import profile as skipper
from .tailscale import profile as tailscale
from .traefik import profile as traefik
from .tyk import profile as tyk
from .unknown import profile as unknown
from .voyager import profile as voyager

PROFILES: tuple[Profile, ...] = (
    ingress_nginx.PROFILE,
    f5_nginx.PROFILE,
    emissary.PROFILE,
    traefik.PROFILE,
    haproxy_ingress.PROFILE,
    haproxytech.PROFILE,
    kong.PROFILE,
    pomerium.PROFILE,
    apisix.PROFILE,
    caddy.PROFILE,
    tyk.PROFILE,
    contour.PROFILE,
    skipper.PROFILE,
    envoy_gateway.PROFILE,
    gloo.PROFILE,
    kgateway.PROFILE,
    higress.PROFILE,
    easegress.PROFILE,
    voyager.PROFILE,
    cilium.PROFILE,
    netscaler.PROFILE,
    f5_cis.PROFILE,
    openshift_router.PROFILE,
    nginx_gateway_fabric.PROFILE,
    avi.PROFILE,
    ngrok.PROFILE,
    tailscale.PROFILE,
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
)
UNKNOWN = unknown.PROFILE
REGISTRY = Registry(PROFILES, UNKNOWN)
