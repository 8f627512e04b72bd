# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load balancer that no profile knows: its plain Ingresses and Gateway API routes are read, and nothing is assumed beyond that."""

from __future__ import annotations

from ...core.model import EITHER_ADDRESS
from ..contract.facts import About
from ..contract.profile import Profile
from ..kit.gateway.dialect import Dialect
from ..kit.objects import BackendHandling
from ..kit.readers import always, gateway_reader, ingress_reader

WHY_NOT = "nothing is known about this load balancer's settings"
HANDLING = BackendHandling(features=(EITHER_ADDRESS,), why_not_settable=WHY_NOT)
GATEWAYS = gateway_reader((), always(HANDLING), dialect=Dialect(certificates="none", checks_expressions=False))
PROFILE = Profile(About("unknown", "unknown ingress controller"), routes=(ingress_reader(always(HANDLING)), GATEWAYS))
