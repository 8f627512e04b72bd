# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Helm is told of a connection, and what is refused because Helm cannot be told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.meshlb.istio.plugins.filter import helm_connection as filters
from ansible_collections.meshlb.istio.plugins.filter.helm_connection import NO_KUBECONFIG, helm_connection
from ansible_collections.meshlb.istio.plugins.filter.helm_environment import helm_environment

PROD = "https://prod.example.test"
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


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "K8S_AUTH_HOST", "K8S_AUTH_API_KEY", "K8S_AUTH_KUBECONFIG", "K8S_AUTH_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def kubeconfig(server: str) -> dict[str, Any]:
    return {
        "current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": server}}],
    }


def test_credentials_of_one_cluster_are_not_taken_to_another(tmp_path: Path) -> None:
    path = tmp_path / "prod"
    path.write_text(json.dumps(kubeconfig(PROD)))
    for given in (kubeconfig(PROD), str(path)):
        with pytest.raises(AnsibleFilterError, match=r"leads to https://prod\.example\.test"):
            helm_connection({"host": HOST["host"], "kubeconfig": given})
        assert helm_connection({"host": PROD, "kubeconfig": given}) == {"host": PROD, "kubeconfig": given}


@pytest.mark.parametrize(("connection", "environment", "expected"), [
    ({"kubeconfig": "a"}, {"K8S_AUTH_HOST": PROD, "K8S_AUTH_API_KEY": "prod"}, {"kubeconfig": "a"}),
    ({"host": HOST["host"]}, {"K8S_AUTH_API_KEY": "secret"}, {**HOST, "kubeconfig": NO_KUBECONFIG}),
    ({"context": "east"}, {"K8S_AUTH_KUBECONFIG": "all"}, {"context": "east", "kubeconfig": "all"}),
    # Helm's module reads these itself, on the host where it runs.
    ({}, {"K8S_AUTH_HOST": PROD, "K8S_AUTH_API_KEY": "prod"}, {}),
    ({"host": HOST["host"]}, {"K8S_AUTH_HOST": PROD, "K8S_AUTH_API_KEY": "prod"}, "host alone"),
    ({"host": HOST["host"]}, {"K8S_AUTH_KUBECONFIG": "prod"}, "host alone"),
    ({}, {"K8S_AUTH_HOST": PROD}, "host alone"),
    ({}, {"K8S_AUTH_HOST": PROD, "K8S_AUTH_USERNAME": "u", "K8S_AUTH_PASSWORD": "p"}, "username or password"),
])  # fmt: skip
def test_variables_count_as_for_the_modules(
    monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any], environment: dict[str, str], expected: Any
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if isinstance(expected, dict):
        assert helm_connection(connection) == expected
        return
    with pytest.raises(AnsibleFilterError, match=expected):
        helm_connection(connection)


def test_in_a_pod_modules_and_helm_have_to_mean_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    monkeypatch.setattr(filters, "SERVICE_ACCOUNT", str(tmp_path / "token"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert helm_connection({}) == {}
    monkeypatch.setenv("KUBECONFIG", "prod")
    with pytest.raises(AnsibleFilterError, match="service account"):
        helm_connection({})
    assert helm_connection({"kubeconfig": "a"}) == {"kubeconfig": "a"}


def test_variables_that_would_lead_helm_elsewhere_are_emptied() -> None:
    ambient, named = helm_environment({"host": "", "kubeconfig": None}), helm_environment({"kubeconfig": "a"})
    assert {*ambient.values(), *named.values()} == {""}
    assert {"HELM_KUBEAPISERVER", "HELM_KUBETOKEN", "HELM_KUBECONTEXT", "HELM_KUBEASUSER"} <= {*ambient}
    assert {*named} - {*ambient} == {"K8S_AUTH_HOST", "K8S_AUTH_API_KEY", "K8S_AUTH_KUBECONFIG", "K8S_AUTH_CONTEXT"}
    with pytest.raises(AnsibleFilterError, match="dictionary"):
        helm_environment("kubeconfig=a")  # type: ignore[arg-type]
