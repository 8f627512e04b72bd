# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GKE Ingress: a Google Cloud Application Load Balancer that GKE makes of an Ingress, with network endpoint groups (pod addresses).

Source: kubernetes/ingress-gce acbcf5d, pkg/annotations/{service,ingress}.go, pkg/negannotation, pkg/apis/{backendconfig/v1,
frontendconfig/v1beta1}/types.go, pkg/translator/healthchecks.go (which readiness probes it takes over), pkg/utils/utils.go (which
Ingresses are its own), pkg/loadbalancers/{l7,url_maps}.go (what an internal one cannot do). ManagedCertificate:
GoogleCloudPlatform/gke-networking-recipes cce1618, ingress/single-cluster/ingress-https.
"""

from __future__ import annotations

from ...core.writes import annotation, none_before
from ..contract.chain import HealthChecker
from ..gke import shared as gke
from ..gke.shared import NEG
from ..kit.cloud.platform import in_cloud, platform
from ..kit.cloud.signs import PlatformSigns
from .chain import CHAIN, FRONTEND_CONFIG, GLOBAL, INTERNAL, REGIONAL, TITLE
from .health import BACKEND_CONFIG, CONFIGURED, check

STATUS = ("backends", "url-map", "forwarding-rule", "https-forwarding-rule", "target-proxy", "https-target-proxy", "ssl-cert", "static-ip")
"""What GKE writes back on an Ingress that it serves, as annotations ``ingress.kubernetes.io/…``."""
# No IngressClass represents it, and it serves no Ingress that names one: the annotation decides, or that there is none.
SIGNS = PlatformSigns(
    nodes=gke.NODES, class_annotations=(GLOBAL, INTERNAL, REGIONAL, "gce-multi-cluster"), unclassed=True,
    ingress_annotations=(
        *(f"ingress.kubernetes.io/{name}" for name in STATUS), "networking.gke.io/managed-certificates",
        "networking.gke.io/v1beta1.FrontendConfig", "ingress.gcp.kubernetes.io/*", "kubernetes.io/ingress.global-static-ip-name",
        "kubernetes.io/ingress.regional-static-ip-name",
    ),
    finalizers=("networking.gke.io/ingress-finalizer*",), kinds=(BACKEND_CONFIG, FRONTEND_CONFIG),
)
CHECKS = tuple(annotation(key, none_before) for key in (NEG, CONFIGURED))
PROFILE = platform(in_cloud("gke_ingress", TITLE), SIGNS, CHAIN, HealthChecker(check, (BACKEND_CONFIG,), CHECKS))
