# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that modules share. Their documentation is in the doc fragments ``common`` and ``attributes``."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

try:
    from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
except ImportError:  # said by api_connection.connect
    AUTH_ARG_SPEC = {}

WORKERS = 8
REQUEST_TIMEOUT = 60
LOCK_TIMEOUT = 60

COMMON: dict[str, dict[str, Any]] = {
    "manifests": {"type": "list", "elements": "path"},
    "default_namespace": {"type": "str"},
    "output_dir": {"type": "path"},
    "namespaces": {"type": "list", "elements": "str"},
    "load_balancers": {"type": "list", "elements": "str"},
    "lock_namespace": {"type": "str"},
    "lock_timeout": {"type": "int", "default": LOCK_TIMEOUT},
    "all_or_nothing": {"type": "bool", "default": False},
    "custom_profiles": {"type": "list", "elements": "dict"},
    "allow_regressions": {"type": "raw", "default": False},
    "expected_plan_digest": {"type": "str"},
    "workers": {"type": "int", "default": WORKERS},
    "request_timeout": {"type": "int", "default": REQUEST_TIMEOUT},
}
STATE: dict[str, dict[str, Any]] = {"state": {"type": "str", "default": "present", "choices": ["present", "absent"]}}


def argument_spec(*names: str, **own: dict[str, Any]) -> dict[str, Any]:
    """kubernetes.core's connection options, the shared options of these ``names``, and a module's ``own``."""
    shared = {**COMMON, **STATE}
    return deepcopy({**AUTH_ARG_SPEC, **{name: shared[name] for name in names}, **own})


def connection_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """kubernetes.core's connection options among a module's parameters."""
    return {name: params.get(name) for name in AUTH_ARG_SPEC}


def module_kwargs(spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Keyword arguments for ``AnsibleModule``: every module supports check mode."""
    return {"argument_spec": spec, "supports_check_mode": True, **more}
