# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of platforms. A new one is one file and one line here.

Imports are spelled out because Ansible ships to the managed host only what it can see imported.
"""

from __future__ import annotations

from .alibaba_alb.profile import AlibabaAlb
from .alibaba_clb.profile import AlibabaClb
from .aws_alb.profile import AwsAlb
from .aws_nlb.profile import AwsNlb
from .azure_agc.profile import AzureAgc
from .azure_agic.profile import AzureAgic
from .azure_lb.profile import AzureLb
from .cloudflare_tunnel.profile import CloudflareTunnel
from .contract.profile import Profile
from .digitalocean_lb.profile import DigitaloceanLb
from .gke_gateway.profile import GkeGateway
from .gke_ingress.profile import GkeIngress
from .gke_neg.profile import GkeNeg
from .legacy import adapted
from .oci_lb.profile import OciLb

PLATFORMS: tuple[Profile, ...] = tuple(adapted(item) for item in (
    AwsAlb(),
    AlibabaAlb(),
    AlibabaClb(),
    CloudflareTunnel(),
    DigitaloceanLb(),
    OciLb(),
    GkeGateway(),
    GkeIngress(),
    GkeNeg(),
    AwsNlb(),
    AzureAgc(),
    AzureAgic(),
    AzureLb(),
))
