# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of profiles. A new vendor is one file and one line here.

Imports are spelled out because Ansible ships to the managed host only what it can see imported.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.meshlb.istio.plugins.module_utils.clouds.registry import PLATFORMS
from ansible_collections.meshlb.istio.plugins.module_utils.observe.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.apisix import Apisix
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.base import Profile
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.caddy import Caddy
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.cilium import Cilium
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.contour import Contour
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.easegress import Easegress
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.emissary import Emissary
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.envoy_gateway import EnvoyGateway
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.f5_cis import F5Cis
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.f5_nginx import F5Nginx
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.gloo import Gloo
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.haproxy_ingress import HaproxyIngress
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.haproxytech import HaproxyTech
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.higress import Higress
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.ingress_nginx import IngressNginx
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.kgateway import Kgateway
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.kong import Kong
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.netscaler import Netscaler
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.nginx_gateway_fabric import NginxGatewayFabric
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.openshift_router import OpenshiftRouter
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.pomerium import Pomerium
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.skipper import Skipper
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.traefik import Traefik
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.tyk import Tyk
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.unknown import Unknown
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.voyager import Voyager

PROFILES: tuple[Profile, ...] = (
    IngressNginx(),
    F5Nginx(),
    Emissary(),
    Traefik(),
    HaproxyIngress(),
    HaproxyTech(),
    Kong(),
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
    Cilium(),
    Netscaler(),
    F5Cis(),
    OpenshiftRouter(),
    NginxGatewayFabric(),
)
UNKNOWN = Unknown()


def profiles_of(snapshot: Snapshot) -> tuple[Profile, ...]:
    """All profiles that hold for a snapshot: the user's own first, then those of this collection, then platforms outside the cluster."""
    return (*snapshot.source.profiles, *PROFILES, *PLATFORMS)


def profile_of(snapshot: Snapshot, vendor: str) -> Profile:
    """The profile of a vendor id; the unknown one where there is none."""
    return next((item for item in profiles_of(snapshot) if item.id == vendor), UNKNOWN)


def extra_kinds(own: Iterable[Profile] = ()) -> tuple[str, ...]:
    """Kind keys that vendors (the user's ``own`` profiles too) read besides the common ones."""
    return tuple(sorted({kind for item in (*own, *PROFILES, *PLATFORMS) for kind in item.kinds}))


def named(snapshot: Snapshot, word: str) -> Profile | None:
    """The profile that an id, or another name that a profile answers to, means; ``None`` where it means none."""
    return next((item for item in profiles_of(snapshot) if word in (item.id, *item.also_called)), None)


def check_kinds() -> tuple[str, ...]:
    """Kind keys that say how a load balancer checks a Service."""
    return tuple(sorted({kind for item in (*PROFILES, *PLATFORMS) for kind in item.check_kinds}))


def chain_kinds() -> tuple[str, ...]:
    """Kind keys that load balancers take on their side of a chain."""
    return tuple(sorted({kind for item in (*PROFILES, *PLATFORMS) for kind in item.chain_kinds}))
