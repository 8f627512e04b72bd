# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of profiles. A new vendor is one file and one line here.

Imports are spelled out because Ansible ships to the managed host only what it can see imported.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..kube.snapshot import Snapshot
from .apisix.profile import Apisix
from .caddy.profile import Caddy
from .cilium.profile import Cilium
from .cloud_registry import PLATFORMS
from .contour.profile import Contour
from .contract.profile import Profile
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
from .kong.profile import Kong
from .netscaler.profile import Netscaler
from .nginx_gateway_fabric.profile import NginxGatewayFabric
from .openshift_router.profile import OpenshiftRouter
from .pomerium.profile import Pomerium
from .skipper.profile import Skipper
from .traefik.profile import Traefik
from .tyk.profile import Tyk
from .unknown.profile import Unknown
from .voyager.profile import Voyager

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
