# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
short_description: Turn the results of this collection's modules into a table
version_added: 0.1.0
author: The meshlb.istio contributors (@meshlb)
description:
  - Gives the lines of a table that reads well in a terminal, for the M(ansible.builtin.debug) module's O(ansible.builtin.debug#module:msg).
options:
  _input:
    description: A list as the modules return it.
    type: list
    elements: dict
    required: true
  kind:
    description: What the list holds.
    type: str
    choices: [routes, chains, proofs, load_balancers, findings]
    default: routes
  proven:
    description: With O(kind=routes), the RV(meshlb.istio.mtls_proof#module:routes) that belong to the same routes.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show what was planned and proven
  ansible.builtin.debug:
    msg: "{{ routing.routes | meshlb.istio.summary(proven=proof.routes) }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshlb.istio.plugins.module_utils.core import tables as report


def summary(items: Any, kind: str = "routes", proven: Any = None) -> list[str]:
    """Lines of a table of ``items``; raises AnsibleFilterError on anything that is not a list of dictionaries."""
    for value in (items, proven or []):
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise AnsibleFilterError(f"meshlb.istio.summary needs a list of dictionaries, not {type(value).__name__}")
    makers: dict[str, Callable[[], list[str]]] = {
        "routes": lambda: report.route_table(items, proven or []),
        "chains": lambda: report.chain_table(items),
        "proofs": lambda: report.proof_table(items),
        "load_balancers": lambda: report.load_balancer_table(items),
        "findings": lambda: report.finding_lines(items),
    }
    if kind not in makers:
        raise AnsibleFilterError(f"meshlb.istio.summary knows no kind {kind!r}; there are {', '.join(makers)}")
    return makers[kind]()


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"summary": summary}
