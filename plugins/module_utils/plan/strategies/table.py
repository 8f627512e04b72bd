# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strategies, in the order that breaks ties."""

from __future__ import annotations

from .base import Strategy
from .certs_only import CertsOnly
from .headless_twin import HeadlessTwin
from .host_alias import HostAlias
from .host_entry import HostEntry
from .service_routing import HostRewrite, ServiceVip

AUTO = "auto"
STRATEGIES: tuple[Strategy, ...] = (ServiceVip(), HostEntry(), HeadlessTwin(), HostAlias(), HostRewrite(), CertsOnly())
BY_NAME = {item.name: item for item in STRATEGIES}
NAMES = tuple(BY_NAME)
