# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy Kubernetes Ingress Controller of HAProxy Technologies (haproxytech/kubernetes-ingress); not HAProxy Ingress.

It has no setting for Service routing at all (documentation/annotations.md at v3.2.9; requests 237 and 356), so its routes are
served by what the mesh is told: host_entry and headless_twin. Its IngressClass is called ``haproxy``, like the other one's.
"""

from __future__ import annotations

from ..contract.facts import About, Facts
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Signs
from ..kit.classes import classes_where, controller_of
from ..kit.settings import config_maps_of_flags, settings_of
from .chain import CHAIN, TITLE
from .routes import READERS
from .settings import CONTROLLER, Settings, read_settings

FACTS = Facts(
    routes=("Ingress", "TCP services", "TCP", "TCPRoute"),
    host="annotation set-host on the Ingress (read, but of no use without Service routing)",
    remark="no Service routing; a Service of type ExternalName is the vendor's only detour",
    versions="3.2.9",
)
SIGNS = Signs(
    flags=tuple(
        frozenset({flag}) for flag in (
            "ingress.class", "configmap-tcp-services", "empty-ingress-class", "namespace-whitelist", "disable-service-external-name",
        )
    ),
    images=("haproxytech/kubernetes-ingress", "kubernetes-ingress", "hapee-ingress"),
    labels=(frozenset({("app.kubernetes.io/name", "kubernetes-ingress")}), frozenset({("run", "haproxy-ingress")})),
)
CLASSES = classes_where(lambda load_balancer, item: controller_of(item) == settings_of(load_balancer, Settings).controller)
PROFILE = Profile(
    About("haproxytech", TITLE, facts=FACTS), Recogniser(SIGNS, (CONTROLLER, f"{CONTROLLER}/")),
    InstanceReader(read_settings, config_maps_of_flags("configmap", "configmap-tcp-services"), CLASSES), READERS, chain=CHAIN,
)
