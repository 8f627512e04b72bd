# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible blanks out of results, besides options that are secrets by their names."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.runs.secrecy import keep_secret


@pytest.mark.parametrize("option", ["host", "proxy"])
def test_a_password_in_an_address_is_hidden(option: str) -> None:
    hidden = {"token"}
    keep_secret(hidden, {option: "http://admin:h%40nter@api:9", "kubeconfig": None})
    assert hidden == {"token", "h%40nter", "h@nter"}


def test_servers_and_contexts_of_a_kubeconfig_are_no_secrets() -> None:
    server = "https://u:secret@api"
    kubeconfig: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": {"server": server}}, "odd", {"cluster": None}],
        "contexts": [{"name": "prod"}], "users": "odd",
    }
    hidden = {server, "prod", "c", "the-token"}
    keep_secret(hidden, {"kubeconfig": kubeconfig})
    assert hidden == {"c", "the-token", "secret"}
    keep_secret(hidden, {"kubeconfig": {"clusters": "odd", "contexts": None}})
    keep_secret(hidden, {"kubeconfig": "/a/path"})
