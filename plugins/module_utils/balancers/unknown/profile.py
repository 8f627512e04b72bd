# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load balancer that no profile knows: its plain Ingresses are read, and nothing is assumed beyond that."""

from __future__ import annotations

from ...core.model import EITHER_ADDRESS
from ..contract.facts import About
from ..contract.profile import Profile
from ..contract.routes import RouteReader
from ..kit.ingress_routes import read_ingresses
from ..kit.objects import BackendHandling

WHY_NOT = "nothing is known about this load balancer's settings"
HANDLING = BackendHandling(features=(EITHER_ADDRESS,), why_not_settable=WHY_NOT)
READER = RouteReader(lambda snapshot, load_balancer, only: read_ingresses(snapshot, load_balancer, lambda *backend: HANDLING, only))
PROFILE = Profile(About("unknown", "unknown ingress controller"), routes=(READER,))
