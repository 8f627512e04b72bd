# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The patches that the API server takes: JSON Patch and merge patch."""

from __future__ import annotations

import copy


def json_patch(obj, operations):
    """RFC 6902, without move and copy."""
    obj = copy.deepcopy(obj)
    for operation in operations:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
        if not steps:
            if operation["op"] == "test" and obj != operation["value"]:
                raise ValueError("test")
            obj = copy.deepcopy(operation["value"])
            continue
        node = obj
        for step in steps[:-1]:
            node = node[int(step)] if isinstance(node, list) else node[step]
        (_in_list if isinstance(node, list) else _in_map)(node, steps[-1], operation["op"], operation.get("value"))
    return obj


def _in_list(node, last, word, value):
    if word == "add":
        node.insert(len(node) if last == "-" else int(last), value)
    elif word == "replace":
        node[int(last)] = value
    elif word == "remove":
        del node[int(last)]
    elif node[int(last)] != value:
        raise ValueError("test")


def _in_map(node, last, word, value):
    if not isinstance(node, dict):
        raise TypeError("no map")
    if word == "test":
        if node.get(last) != value:
            raise ValueError("test")
    elif word == "remove":
        del node[last]
    else:
        if word == "replace" and last not in node:
            raise KeyError(last)
        node[last] = value


def merge_patch(obj, patch):
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(obj) if isinstance(obj, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result
