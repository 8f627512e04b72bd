# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Helm is told of a connection, and what is refused because Helm cannot be told."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.meshlb.istio.plugins.filter.helm_connection import NO_KUBECONFIG, helm_connection

HOST = {"host": "https://api.example.test:6443", "api_key": "secret"}


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        ({}, {}),
        ({"kubeconfig": "~/.kube/other", "context": "east"}, {"kubeconfig": "~/.kube/other", "context": "east"}),
        ({"kubeconfig": {"clusters": []}}, {"kubeconfig": {"clusters": []}}),
        ({"context": "east", "validate_certs": False}, {"context": "east", "validate_certs": False}),
        # What is left empty, as an inventory does it, was not given.
        ({"kubeconfig": "a", "proxy": "", "username": None, "impersonate_groups": [], "persist_config": False}, {"kubeconfig": "a"}),
        (HOST, {**HOST, "kubeconfig": NO_KUBECONFIG}),
        # The modules do not look into a kubeconfig either where they have host and api_key.
        ({**HOST, "kubeconfig": "a", "context": "east"}, {**HOST, "kubeconfig": NO_KUBECONFIG}),
        ({"host": "https://other.example.test", "kubeconfig": "a"}, {"host": "https://other.example.test", "kubeconfig": "a"}),
        ({**HOST, "ssl_ca_cert": "ca.crt"}, {**HOST, "ca_cert": "ca.crt", "kubeconfig": NO_KUBECONFIG}),
        # A string is what -e on the command line makes of it.
        ({**HOST, "verify_ssl": "false"}, {**HOST, "validate_certs": False, "kubeconfig": NO_KUBECONFIG}),
        # Helm refuses a CA where nothing is verified; the modules ignore it.
        ({"kubeconfig": "a", "ca_cert": "ca.crt", "validate_certs": False}, {"kubeconfig": "a", "validate_certs": False}),
    ],
)
def test_what_helm_is_told(connection: dict[str, Any], expected: dict[str, Any]) -> None:
    assert helm_connection(connection) == expected


@pytest.mark.parametrize(
    ("connection", "complaint"),
    [
        ({**HOST, "username": "u", "password": "hidden"}, "cannot be given username or password.*kubeconfig that holds"),
        ({"host": HOST["host"], "client_cert": "a.crt", "client_key": "a.key"}, "client_cert or client_key.*kubeconfig that holds"),
        ({"kubeconfig": "a", "cert_file": "a.crt"}, "cert_file.*kubeconfig that holds"),
        ({**HOST, "proxy": "http://proxy.example.test"}, "proxy.*HTTPS_PROXY"),
        ({**HOST, "impersonate_user": "deployer"}, "impersonate_user.*credentials of that account"),
        ({"kubeconfg": "a"}, "kubeconfg.*only kubeconfig, context, host, api_key, ca_cert, validate_certs"),
        # The rest would come from the default kubeconfig.
        ({"host": HOST["host"]}, "host.*api_key"),
        ({"kubeconfig": "a", "context": "east", "ca_cert": "ca.crt"}, "ca_cert beside context.*certificate-authority"),
        ("kubeconfig=a", "dictionary"),
    ],
)
def test_what_is_refused(connection: Any, complaint: str) -> None:
    with pytest.raises(AnsibleFilterError, match=complaint) as refused:
        helm_connection(connection)
    assert not any(word in str(refused.value) for word in ("secret", "hidden"))
