# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: unproven
short_description: Routes that should use mutual TLS and are not proven to
version_added: 0.1.0
author: The meshlb.istio contributors (@meshlb)
description:
  - Compares what M(meshlb.istio.service_routing) planned with what M(meshlb.istio.mtls_proof) measured.
options:
  _input:
    description: The RV(meshlb.istio.service_routing#module:routes) of a run.
    type: list
    elements: dict
    required: true
  proven:
    description: The RV(meshlb.istio.mtls_proof#module:routes) of a run.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Wait until the sidecars have what was planned
  meshlb.istio.mtls_proof:
  register: proof
  until: routing.routes | meshlb.istio.unproven(proof.routes) | length == 0
  retries: 10
"""

RETURN = r"""
_value:
  description: Those routes whose verdict after the run is V(mutual_tls), and for which the proof says something else or nothing.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.core.tables import route_key


def unproven(routes: list[dict[str, Any]], proven: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Routes that are planned as mutual TLS without being proven so."""
    done = {route_key(item) for item in proven if item.get("verdict") == "mutual_tls"}
    return [item for item in routes if item["after"]["verdict"] == "mutual_tls" and route_key(item) not in done]


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"unproven": unproven}
