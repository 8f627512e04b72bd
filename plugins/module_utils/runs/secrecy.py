# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible must not show of a module's parameters, besides what it knows by the names of options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..kube.client.options import secrets_in, without_userinfo

_ADDRESSES = ("host", "proxy")


def keep_secret(hidden: set[str], params: Mapping[str, Any]) -> None:
    """Correct the values that Ansible blanks out wherever they appear (``AnsibleModule.no_log_values``).

    A password in an address is one of them. Of a kubeconfig that is given as content, Ansible takes every text for a secret; its servers
    and the names of its contexts are none, and results have to name them.
    """
    for name in _ADDRESSES:
        hidden.update(secrets_in(str(params.get(name) or "")))
    kubeconfig = params.get("kubeconfig")
    if isinstance(kubeconfig, Mapping):
        hidden.update(*(secrets_in(item) for item in _servers(kubeconfig)))
        hidden.difference_update(_servers(kubeconfig), map(without_userinfo, _servers(kubeconfig)), _contexts(kubeconfig))


def _servers(kubeconfig: Mapping[str, Any]) -> list[str]:
    clusters = (item.get("cluster") for item in _entries(kubeconfig, "clusters"))
    return [str(item.get("server") or "") for item in clusters if isinstance(item, Mapping)]


def _contexts(kubeconfig: Mapping[str, Any]) -> list[str]:
    return [str(item.get("name") or "") for item in _entries(kubeconfig, "contexts")]


def _entries(kubeconfig: Mapping[str, Any], section: str) -> list[Mapping[str, Any]]:
    found = kubeconfig.get(section)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
