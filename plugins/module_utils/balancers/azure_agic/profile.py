# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Application Gateway, as its ingress controller (AGIC) sets it up from Ingresses.

Source: Azure/application-gateway-kubernetes-ingress f42103d, docs/annotations.md, docs/features/rewrite-rule-set-custom-resource.md,
pkg/appgw/health_probes.go (a probe speaks the backend's protocol, whatever its port), pkg/appgw/backendhttpsettings.go (a trusted root
needs a host name, which becomes Host and server name), pkg/k8scontext/context.go (which Ingresses are its own).
X-Forwarded-For with ports, and the variable without them: learn.microsoft.com, application-gateway/rewrite-http-headers-url.
"""

from __future__ import annotations

from ..contract.chain import HealthChecker
from ..contract.recognition import Recogniser
from ..kit.cloud.platform import in_cloud, platform, platform_routes, scheme_by_annotation
from .chain import CHAIN, CONTROLLER, CONTROLLER_SIGNS, PREFIX, SIGNS, TITLE, check

PROFILE = platform(
    in_cloud("azure_agic", TITLE, "agic"), SIGNS, CHAIN, HealthChecker(check),
    recogniser=Recogniser(classes=(CONTROLLER,), controller=CONTROLLER_SIGNS),
    routes=platform_routes(SIGNS, scheme_of=scheme_by_annotation(f"{PREFIX}/backend-protocol", "https")),
)
