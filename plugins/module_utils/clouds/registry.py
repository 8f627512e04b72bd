# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of platforms. A new one is one file and one line here.

Imports are spelled out because Ansible ships to the managed host only what it can see imported.
"""

from __future__ import annotations

from ansible_collections.meshlb.istio.plugins.module_utils.clouds.alibaba_alb import AlibabaAlb
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.alibaba_clb import AlibabaClb
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.aws_alb import AwsAlb
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.aws_nlb import AwsNlb
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.azure_agc import AzureAgc
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.azure_agic import AzureAgic
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.azure_lb import AzureLb
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.base import Platform
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.cloudflare_tunnel import CloudflareTunnel
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.digitalocean_lb import DigitaloceanLb
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.gke_gateway import GkeGateway
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.gke_ingress import GkeIngress
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.gke_neg import GkeNeg
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.oci_lb import OciLb

PLATFORMS: tuple[Platform, ...] = (
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
)
