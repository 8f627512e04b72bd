# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a chain. Their documentation is in the doc fragment ``chain``."""

from __future__ import annotations

from typing import Any

MODES = ("auto", "x_forwarded_for", "proxy_protocol", "source_address", "none")


def chain_spec() -> dict[str, dict[str, Any]]:
    """``gateway`` and ``client_address``."""
    tls = {
        "mode": {"type": "str", "choices": ["none", "simple"], "default": "none"},
        "credential_name": {"type": "str", "no_log": False},
        "host": {"type": "str"},
    }
    gateway = {
        "name": {"type": "str", "default": "meshlb"},
        "namespace": {"type": "str", "default": "istio-ingress"},
        "api": {"type": "str", "choices": ["istio", "gateway_api"], "default": "istio"},
        "create": {"type": "bool", "default": False},
        "class": {"type": "str", "default": "istio"},
        "selector": {"type": "dict"},
        "service": {"type": "str"},
        "port": {"type": "int"},
        "tls": {"type": "dict", "options": tls},
    }
    client = {"mode": {"type": "str", "choices": list(MODES), "default": "auto"}, "trusted_hops": {"type": "int"}}
    return {"gateway": {"type": "dict", "options": gateway}, "client_address": {"type": "dict", "options": client}}
