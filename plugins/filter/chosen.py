# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: chosen
short_description: Pick load balancers by name or vendor
version_added: 0.1.0
author: The meshlb.istio contributors (@meshlb)
description:
  - Picks those load balancers that a list of words means, as the modules' O(meshlb.istio.service_routing#module:load_balancers) does.
options:
  _input:
    description: The RV(meshlb.istio.lb_info#module:load_balancers).
    type: list
    elements: dict
    required: true
  words:
    description: Names (V(namespace/name) or V(name)) or vendor ids, as a list or separated by commas; all load balancers where empty.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Those of one vendor
  ansible.builtin.debug:
    msg: "{{ info.load_balancers | meshlb.istio.chosen(['ingress_nginx']) }}"
"""

RETURN = r"""
_value:
  description: The load balancers that are meant.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshlb.istio.plugins.module_utils.core.printable import one_line
from ansible_collections.meshlb.istio.plugins.module_utils.detect.selection import is_named


def chosen(load_balancers: list[dict[str, Any]], words: list[str] | str) -> list[dict[str, Any]]:
    """Load balancers that one of the words means; raises AnsibleFilterError for a word that means none."""
    if isinstance(words, str):
        # As given by -e on the command line; modules take it for a list, too.
        words = [word.strip() for word in words.split(",") if word.strip()]
    if not words:
        return load_balancers

    def means(word: str, item: dict[str, Any]) -> bool:
        return is_named(word, item["namespace"], item["name"], item["vendor"])

    for word in words:
        if not any(means(word, item) for item in load_balancers):
            known = ", ".join(f"{item['namespace']}/{item['name']} ({item['vendor']})" for item in load_balancers)
            raise AnsibleFilterError(one_line(f"No load balancer is meant by {word!r}. Found were: {known or 'none'}."))
    return [item for item in load_balancers if any(means(word, item) for word in words)]


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"chosen": chosen}
