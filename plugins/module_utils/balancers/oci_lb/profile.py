# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Oracle Cloud's load balancers: from the gateway's own Service (cloud controller manager) or from an Ingress (native ingress controller).

Source: oracle/oci-cloud-controller-manager 1100ac3, docs/load-balancer-annotations.md and load_balancer_spec.go (the check is fixed:
kube-proxy, or healthCheckNodePort with externalTrafficPolicy Local); oracle/oci-native-ingress-controller 44dbdb0, main.go (class
controller), GettingStarted.md (check, TLS); Oracle's page on load balancer headers (X-Forwarded-For is appended to).
UNCONFIRMED: whether TLS to the backends has a server name (taken as none), and which version of HTTP the checks of an Ingress's
backends speak (so they are of TCP unless http is asked for: Envoy answers HTTP/1.0 with 426, istio/istio#44889).
"""

from __future__ import annotations

from ..contract.chain import HealthChecker
from ..contract.recognition import Recogniser
from ..kit.cloud.platform import in_cloud, platform
from ..kit.cloud.signs import PlatformSigns
from .chain import CHAIN, NATIVE_PREFIX, NETWORK_PREFIX, PREFIX, TITLE, TYPE, check

SIGNS = PlatformSigns(
    nodes=("oci://", "ocid1."), ingress_annotations=(f"{NATIVE_PREFIX}*",), all_services=True,
    service_annotations=(TYPE, f"{PREFIX}*", f"{NETWORK_PREFIX}*", "oci.oraclecloud.com/oci-network-security-groups"),
)
PROFILE = platform(
    in_cloud("oci_lb", TITLE, "oci_nlb"), SIGNS, CHAIN, HealthChecker(check),
    recogniser=Recogniser(classes=("oci.oraclecloud.com/native-ingress-controller",)),
)
