# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cluster connection options mean, whose credentials go there, and what of an address may be shown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_MAP, AUTH_ARG_SPEC
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.options import (
    VARIABLES,
    demand_whole_credentials,
    effective,
    from_environment,
    same_server,
    secrets_in,
    userinfo,
    without_userinfo,
)

STAGING, PROD = "https://staging:6443", "https://prod:6443"
ENV = {"K8S_AUTH_HOST": PROD, "K8S_AUTH_API_KEY": "prod-token"}


def test_every_option_of_a_connection_is_known() -> None:
    assert {*VARIABLES, "proxy_headers"} == {*AUTH_ARG_SPEC}
    for client_name, option in AUTH_ARG_MAP.items():
        assert option == "proxy_headers" or {option, client_name} == {*VARIABLES[option]}


@pytest.mark.parametrize(("own", "environment", "expected"), [
    # Nothing is named: the environment says all, as in kubernetes.core.
    ({}, ENV, {"host": PROD, "api_key": "prod-token"}),
    ({"host": "", "api_key": None, "impersonate_groups": []}, ENV, {"host": PROD, "api_key": "prod-token"}),
    # Another cluster is named: nothing of the environment's cluster counts.
    ({"host": STAGING}, ENV, {"host": STAGING}),
    ({"host": STAGING, "client_cert": "a.pem"}, ENV, {"host": STAGING, "client_cert": "a.pem"}),
    ({"kubeconfig": "staging"}, ENV, {"kubeconfig": "staging"}),
    ({"kubeconfig": "s"}, {"K8S_AUTH_CONTEXT": "prod", "K8S_AUTH_USERNAME": "u", "K8S_AUTH_PASSWORD": "p"}, {"kubeconfig": "s"}),
    ({"context": "staging"}, ENV, {"context": "staging"}),
    ({"host": STAGING}, {"K8S_AUTH_KUBECONFIG": "prod"}, {"host": STAGING}),
    ({"host": STAGING}, {"K8S_AUTH_CONTEXT": "prod", "K8S_AUTH_CERT_FILE": "c", "K8S_AUTH_KEY_FILE": "k"}, {"host": STAGING}),
    # The same cluster, or a credential for no cluster in particular.
    ({"host": f"{PROD}/"}, ENV, {"host": f"{PROD}/", "api_key": "prod-token"}),
    ({"host": STAGING}, {"K8S_AUTH_API_KEY": "t"}, {"host": STAGING, "api_key": "t"}),
    # A context is one of the kubeconfig that the environment names.
    ({"context": "east"}, {"K8S_AUTH_KUBECONFIG": "all"}, {"context": "east", "kubeconfig": "all"}),
    # How to get there is no credential.
    ({"host": STAGING}, {"K8S_AUTH_VERIFY_SSL": "no"}, {"host": STAGING, "validate_certs": False}),
    ({"host": STAGING}, {"K8S_AUTH_SSL_CA_CERT": "ca"}, {"host": STAGING, "ca_cert": "ca"}),
])  # fmt: skip
def test_what_counts(own: dict[str, Any], environment: dict[str, str], expected: dict[str, Any]) -> None:
    assert effective(own, environment) == expected


def test_variables_are_read_as_kubernetes_core_reads_them() -> None:
    environment = {
        "K8S_AUTH_IMPERSONATE_GROUPS": "a,b", "K8S_AUTH_VALIDATE_CERTS": "False", "K8S_AUTH_PERSIST_CONFIG": "yes",
        "K8S_AUTH_PROXY_HEADERS_BASIC_AUTH": "u:p", "K8S_AUTH_CLIENT_CERT": "c", "K8S_AUTH_HOST": "",
    }
    assert from_environment(environment) == {
        "impersonate_groups": ["a", "b"], "validate_certs": False, "persist_config": True, "client_cert": "c",
        "proxy_headers": {"basic_auth": "u:p"},
    }


@pytest.mark.parametrize(("address", "shown", "user", "password", "secrets"), [
    ("https://api:6443", "https://api:6443", "", "", set()),
    ("http://admin:hunter2@api:6443/x", "http://api:6443/x", "admin", "hunter2", {"hunter2"}),
    ("admin:hunter2@api", "api", "admin", "hunter2", {"hunter2"}),
    ("https://admin:p%40ss@api", "https://api", "admin", "p@ss", {"p%40ss", "p@ss"}),
    ("https://admin:p@s/s@api", "https://api", "admin", "p@s/s", {"p@s/s"}),
    ("https://admin@api", "https://api", "admin", "", set()),
    ("HTTPS://:only@[::1]:6443", "HTTPS://[::1]:6443", "", "only", {"only"}),
])  # fmt: skip
def test_an_address_is_shown_without_who_asks(address: str, shown: str, user: str, password: str, secrets: set[str]) -> None:
    assert (without_userinfo(address), *userinfo(address), secrets_in(address)) == (shown, user, password, secrets)


@pytest.mark.parametrize(("one", "other", "same"), [
    ("https://API:443/", "https://api", True), ("http://api", "http://api:80", True), ("https://u:p@api", "https://api", True),
    ("https://api", "http://api", False), ("https://api", "https://api:6443", False), ("https://api/a", "https://api/b", False),
    ("https://api:port", "https://api", False),
])  # fmt: skip
def test_the_same_server(one: str, other: str, same: bool) -> None:
    assert same_server(one, other) is same


@pytest.mark.parametrize(("half", "missing"), [("username", "password"), ("password", "username"), ("client_key", "client_cert")])
def test_half_of_a_pair_is_refused(half: str, missing: str) -> None:
    with pytest.raises(MeshlbError, match=f"{half} is given without {missing}") as error:
        demand_whole_credentials({"host": STAGING, half: "hidden"})
    assert "hidden" not in str(error.value)
