# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strategies, in the order that breaks ties."""

from __future__ import annotations

from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.base import Strategy
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.certs_only import CertsOnly
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.headless_twin import HeadlessTwin
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.host_alias import HostAlias
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.host_entry import HostEntry
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.service_routing import HostRewrite, ServiceVip

AUTO = "auto"
STRATEGIES: tuple[Strategy, ...] = (ServiceVip(), HeadlessTwin(), HostEntry(), HostAlias(), HostRewrite(), CertsOnly())
BY_NAME = {item.name: item for item in STRATEGIES}
NAMES = tuple(BY_NAME)
