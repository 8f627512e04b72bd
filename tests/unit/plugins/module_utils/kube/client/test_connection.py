# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose credentials a connection sends where, by its options, kubeconfigs and the environment."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client import connection
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.connection import connect
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.kubeconfig import chosen, sources
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.login import Credentials, Renewal, log_in

from tests.unit.plugins.module_utils.support.fake_api import FakeApi, serving

Obj = dict[str, Any]
VERSION = "client.authentication.k8s.io/v1"


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with serving(FakeApi()) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without kubeconfigs and variables."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def config(server: str, user: Obj | None = None, name: str = "here") -> Obj:
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, **({"user": name} if user is not None else {})}}],
        "clusters": [{"name": name, "cluster": {"server": server}}],
        **({"users": [{"name": name, "user": user}]} if user is not None else {}),
    }


def written(path: Path, content: Obj) -> str:
    path.write_text(yaml.safe_dump(content))
    return str(path)


def sent(fake: FakeApi, options: Obj, environment: dict[str, str] | None = None) -> dict[str, str]:
    """Headers of a request over such a connection."""
    connect(options, environment=environment or {}).request("GET", "/api")
    return fake.requests[-1].headers


def script(*lines: str) -> Obj:
    return {"exec": {"apiVersion": VERSION, "command": "/bin/sh", "args": ["-c", "; ".join(lines)], "interactiveMode": "Never"}}


def credential(**status: str) -> str:
    return "echo '" + json.dumps({"apiVersion": VERSION, "kind": "ExecCredential", "status": status}) + "'"


def test_a_context_is_named_with_its_server(fake: FakeApi, home: Path) -> None:
    path = written(home / "config", config(f"{fake.address}/", {"token": "t"}))
    transport = connect({"kubeconfig": path}, environment={})
    assert (transport.server, transport.context) == (fake.address, "here")
    assert connect({"host": fake.address, "api_key": "t"}, environment={}).context == ""


@pytest.mark.parametrize("options", [{}, {"client_cert": "cert.pem"}, {"client_cert": "cert.pem", "client_key": "cert.pem"}])
def test_host_without_credentials_sends_nobody_elses(fake: FakeApi, home: Path, options: Obj) -> None:
    path = written(home / "config", config("https://prod", {"token": "prod"}))
    (home / "cert.pem").write_text("")
    given = {name: str(home / value) for name, value in options.items()}
    assert "Authorization" not in sent(fake, {"host": fake.address, **given}, {"KUBECONFIG": path, "K8S_AUTH_KUBECONFIG": path})


def test_a_kubeconfigs_credentials_stay_with_its_server(fake: FakeApi, home: Path) -> None:
    path = written(home / "config", config("https://u:hidden@prod:6443", {"token": "prod"}))
    for options in ({"kubeconfig": path}, {"context": "here"}):
        with pytest.raises(MeshlbError, match="leads to https://prod:6443: the credentials of one cluster"):
            connect({"host": fake.address, **options}, environment={"KUBECONFIG": path})
    own = written(home / "own", config(fake.address, {"token": "own"}))
    assert sent(fake, {"host": fake.address, "kubeconfig": own})["Authorization"] == "Bearer own"
    # Who gives credentials needs none of the kubeconfig.
    assert sent(fake, {"host": fake.address, "kubeconfig": path, "api_key": "x"})["Authorization"] == "Bearer x"


@pytest.mark.parametrize(("options", "expected"), [
    ({"api_key": "mine"}, "Bearer mine"), ({"username": "u", "password": "p"}, "Basic dTpw"),
])  # fmt: skip
def test_given_credentials_go_before_those_of_the_kubeconfig(fake: FakeApi, home: Path, options: Obj, expected: str) -> None:
    path = written(home / "config", config(fake.address, {"token": "other", **script("exit 3")}))
    assert sent(fake, {"kubeconfig": path, **options})["Authorization"] == expected


@pytest.mark.parametrize(("options", "expected"), [
    ({}, "bearer of-the-pod"), ({"api_key": "mine"}, "Bearer mine"), ({"username": "u", "password": "p"}, "Basic dTpw"),
])  # fmt: skip
def test_a_pods_service_account_asks_where_nobody_else_does(
    fake: FakeApi, home: Path, monkeypatch: pytest.MonkeyPatch, options: Obj, expected: str
) -> None:
    def inside(client_configuration: Any) -> None:
        def renew(held: Any) -> None:
            held.api_key["BearerToken"] = "bearer of-the-pod"

        client_configuration.host, client_configuration.refresh_api_key_hook = fake.address, renew
        renew(client_configuration)

    monkeypatch.setattr(connection.kubernetes.config, "load_incluster_config", inside)
    assert sent(fake, options)["Authorization"] == expected
    with serving(FakeApi()) as other:
        assert "Authorization" not in sent(other, {"host": other.address})


def test_as_is_honoured(fake: FakeApi, home: Path) -> None:
    user = {"token": "t", "as": "jane", "as-groups": ["dev", "ops"], "as-uid": "7", "as-user-extra": {"a/b": ["x"]}}
    path = written(home / "config", config(fake.address, user))
    headers = sent(fake, {"kubeconfig": path})
    assert (headers["Impersonate-User"], headers["Impersonate-Uid"], headers["Impersonate-Extra-a%2Fb"]) == ("jane", "7", "x")
    assert "Impersonate-Group" in headers
    transport = connect({"kubeconfig": path}, environment={})
    assert transport.impersonates
    assert sent(fake, {"kubeconfig": path, "impersonate_user": "joe"})["Impersonate-User"] == "joe"
    assert sent(fake, {}, {"KUBECONFIG": path})["Impersonate-User"] == "jane"
    assert sent(fake, {"kubeconfig": config(fake.address, user)})["Impersonate-User"] == "jane"


@pytest.mark.parametrize("user", [
    {"as-groups": ["dev"]}, {"as": ["jane"]}, {"as": "jane\r\nX: y"}, {"as": "jane", "as-groups": "dev"}, {"as": "jane", "as-groups": [1]},
    {"as": "jane", "as-user-extra": ["x"]}, {"as-uid": "7"},
])  # fmt: skip
def test_an_as_that_cannot_be_meant_is_refused(home: Path, user: Obj) -> None:
    with pytest.raises(MeshlbError, match=r"kubeconfig"):
        connect({"kubeconfig": config("http://api", {"token": "secret", **user})}, environment={})


def test_a_login_program_gives_the_token(fake: FakeApi, home: Path) -> None:
    untold = 'test -z "$(echo $KUBERNETES_EXEC_INFO | grep server)" || exit 9'
    path = written(home / "config", config(fake.address, script(untold, credential(token="fresh"))))
    assert sent(fake, {"kubeconfig": path})["Authorization"] == "Bearer fresh"


FAILURES: dict[str, tuple[Obj, str]] = {
    "status": (script("echo no ticket >&2", "exit 3"), r"/bin/sh\) ended with status 3: no ticket"),
    "silent": (script("exit 4"), "ended with status 4: it gave no reason"),
    "no JSON": (script("echo the-secret"), "printed no ExecCredential"),
    "another kind": (script("echo '{\"kind\": \"Status\"}'"), "printed no ExecCredential with a status"),
    "nothing": (script(credential()), "neither a token nor a client certificate"),
    "half": (script(credential(clientCertificateData="x")), "without the other"),
    "version": (script(credential(token="x").replace("/v1", "/v1beta1")), "answers in client.authentication.k8s.io/v1beta1"),
    "not there": ({"exec": {"apiVersion": VERSION, "command": "no-such-program"}}, "cannot be found"),
    "no command": ({"exec": {"apiVersion": VERSION}}, "no command"),
    "interactive": ({"exec": {"apiVersion": VERSION, "command": "sh", "interactiveMode": "Always"}}, "wants a terminal"),
    "old program": ({"auth-provider": {"name": "gcp", "config": {"cmd-path": "sleep"}}}, "cmd-path"),
    "unknown provider": ({"auth-provider": {"name": "azure", "config": {"access-token": "the-secret"}}}, "can be used"),
    "broken provider": (
        {"auth-provider": {"name": "oidc", "config": {"client-secret": "the-secret"}}}, "auth-provider of user here failed"),
    "no map": ({"exec": ["sh"]}, "exec of user here is no map"),
}  # fmt: skip


@pytest.mark.parametrize(("user", "said"), FAILURES.values(), ids=FAILURES)
def test_who_cannot_log_in_does_not_ask_as_nobody(fake: FakeApi, home: Path, user: Obj, said: str) -> None:
    path = written(home / "config", config(fake.address, user))
    with pytest.raises(MeshlbError, match=said) as error:
        connect({"kubeconfig": path}, environment={}).request("GET", "/api")
    assert fake.requests == [] and "the-secret" not in str(error.value.to_result())


@pytest.mark.parametrize("lines", [("echo wait >&2", "sleep 300"), ("sleep 300 & sleep 300",), ("(trap '' TERM; sleep 300) & echo {}",)])
def test_a_login_program_that_hangs_is_ended(home: Path, lines: tuple[str, ...]) -> None:
    found = chosen(sources(config("http://api", script(*lines)), {}))
    begun = time.monotonic()
    with pytest.raises(MeshlbError, match=r"did not end within 0\.5 seconds"):
        log_in(found, timeout=0.5)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("lines", [("yes",), ("yes >&2",)])
def test_a_login_program_that_prints_without_end_is_ended(home: Path, lines: tuple[str, ...]) -> None:
    found = chosen(sources(config("http://api", script(*lines)), {}))
    with pytest.raises(MeshlbError, match="printed more than 1048576 bytes"):
        log_in(found, timeout=20)


def test_a_login_program_that_closes_its_output_and_stays_is_ended(home: Path) -> None:
    found = chosen(sources(config("http://api", script("exec >&- 2>&-", "sleep 300")), {}))
    with pytest.raises(MeshlbError, match=r"did not end within 0\.5 seconds"):
        log_in(found, timeout=0.5)


def test_a_token_that_ends_is_asked_for_again_once_for_all(home: Path) -> None:
    now, asked = [1000.0], []

    def again() -> Credentials:
        asked.append(now[0])
        return Credentials("second", expires=2000)

    renewal = Renewal(Credentials("first", expires=1100), again, lambda: now[0])
    assert renewal.token() == "first"
    now[0] = 1050
    assert [renewal.token(), renewal.token()] == ["second", "second"] and asked == [1050]
    assert Renewal(Credentials("only"), again, lambda: 9e9).token() == "only"


def test_a_renewal_that_fails_is_not_tried_by_every_thread() -> None:
    asked = []

    def again() -> Credentials:
        asked.append(1)
        raise MeshlbError("no ticket")

    renewal = Renewal(Credentials("first", expires=0), again)
    for _number in range(3):
        with pytest.raises(MeshlbError, match="no ticket"):
            renewal.token()
    assert len(asked) == 1


def test_a_renewed_token_is_sent(fake: FakeApi, home: Path) -> None:
    count = home / "count"
    given = credential(token="token-N", expirationTimestamp="2024-01-01T00:00:00Z").replace("-N", "-'$n'")
    lines = (f"echo x >> {count}", f"n=$(wc -l < {count})", given)
    transport = connect({"kubeconfig": config(fake.address, script(*lines))}, environment={})
    seen = []
    for _number in range(2):
        transport.request("GET", "/api")
        seen.append(fake.requests[-1].headers["Authorization"])
    assert len(set(seen)) == 2


def test_a_program_beside_its_kubeconfig(fake: FakeApi, home: Path) -> None:
    (home / "log-in").write_text(f"#!/bin/sh\n{credential(token='beside')}\n")
    (home / "log-in").chmod(0o755)
    path = written(home / "config", config(fake.address, {"exec": {"apiVersion": VERSION, "command": "./log-in", "env": None}}))
    assert sent(fake, {"kubeconfig": path})["Authorization"] == "Bearer beside"


def test_cluster_information_for_a_program(home: Path) -> None:
    user = script('echo "$KUBERNETES_EXEC_INFO" >&2', "exit 1")
    user["exec"]["provideClusterInfo"] = True
    content = config("https://api.example.test", user)
    content["clusters"][0]["cluster"]["extensions"] = [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}]
    with pytest.raises(MeshlbError, match=r'"server": "https://api\.example\.test", "config": \{"audience": "x"\}'):
        log_in(chosen(sources(content, {})))


def test_of_several_files_the_first_holds_as_for_kubectl(fake: FakeApi, home: Path) -> None:
    one = written(home / "one", config(fake.address, {"tokenFile": "token"}, "one"))
    two = written(home / "two", config("https://other", {"token": "two"}, "two"))
    (home / "token").write_text("from-a-file")
    environment = {"KUBECONFIG": f"{one}:{two}:{home}/none"}
    assert sent(fake, {}, environment)["Authorization"] == "Bearer from-a-file"
    assert connect({"context": "two"}, environment=environment).server == "https://other"


BROKEN: dict[str, tuple[str, str]] = {
    "no YAML": ("users: [{the-secret", "it is no YAML"),
    "a list": ("- the-secret", "is no map"),
    "no context": ("{users: [{name: a, user: {token: the-secret}}]}", "no current context"),
    "unknown context": ("{current-context: x, contexts: []}", "no context x"),
    "unknown cluster": ("{current-context: x, contexts: [{name: x, context: {cluster: c}}]}", "no server"),
    "contexts": ("{current-context: x, contexts: the-secret}", "contexts is no list"),
    "unknown user": (
        "{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: {server: 'http://a'}}]}",
        "whom it does not know"),
    "odd users": (
        "{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: {server: 'http://a'}}], "
        "users: [the-secret]}", "users is no map"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_kubeconfig_is_named_and_not_quoted(home: Path, text: str, said: str) -> None:
    (home / "config").write_text(text)
    with pytest.raises(MeshlbError, match=said) as error:
        connect({"kubeconfig": str(home / "config")}, environment={})
    assert "the-secret" not in str(error.value.to_result())


@pytest.mark.parametrize("lead", [
    lambda address, home: {"host": address.replace("http://", "http://admin:hunter2@")},
    lambda address, home: {"kubeconfig": config(address.replace("http://", "http://admin:hunter2@"))},
    lambda address, home: {"kubeconfig": config(address.replace("http://", "http://admin:hunter2@"), {})},
])  # fmt: skip
def test_a_password_in_an_address_is_used_and_not_shown(fake: FakeApi, home: Path, lead: Callable[[str, Path], Obj]) -> None:
    options = lead(fake.address, home)
    assert sent(fake, options)["Authorization"] == "Basic YWRtaW46aHVudGVyMg=="
    assert connect(options, environment={}).server == fake.address
    closed = lead("http://127.0.0.1:1", home)
    with pytest.raises(MeshlbError, match=r"http://127\.0\.0\.1:1") as error:
        connect({**closed, "request_timeout": 1}, environment={}).request("POST", "/api")
    assert "hunter2" not in str(error.value.to_result())


def test_a_certificate_from_a_program_is_used(home: Path) -> None:
    path = written(home / "config", config("https://api.example.test", script(credential(clientCertificateData="C", clientKeyData="K"))))
    configuration = connect({"kubeconfig": path}, environment={}).configuration
    assert (Path(configuration.cert_file).read_text(), Path(configuration.key_file).read_text()) == ("C", "K")


@pytest.mark.parametrize(("server", "cluster", "options", "said"), [
    ("https://api.example.com", {}, {}, ""), ("https://api.example.com", {}, {"validate_certs": True}, ""),
    ("https://api.example.com", {}, {"validate_certs": False}, "not checked"),
    ("https://api.example.com", {"insecure-skip-tls-verify": True}, {}, "not checked"),
    ("https://127.0.0.1:6443", {"insecure-skip-tls-verify": True}, {}, "not checked"),
    ("http://api.example.com", {}, {}, "without TLS"), ("http://localhost:8001", {}, {}, ""), ("http://127.0.0.1:8001", {}, {}, ""),
    ("http://[::1]:8001", {}, {}, ""), ("http://127.example.com", {}, {}, "without TLS"),
])  # fmt: skip
def test_who_answers_is_not_certain(home: Path, server: str, cluster: Obj, options: Obj, said: str) -> None:
    found = config(server, {"token": "t"})
    found["clusters"][0]["cluster"].update(cluster)
    for given in ({"kubeconfig": written(home / "config", found)}, *([] if cluster else [{"host": server, "api_key": "t"}])):
        unsafe = connect({**given, **options}, environment={}).unsafe
        assert said in unsafe and bool(unsafe) is bool(said)


def test_a_variable_that_turns_the_check_off_counts_too() -> None:
    asked = {"host": "https://api.example.com", "api_key": "t"}
    assert connect(asked, environment={"K8S_AUTH_VERIFY_SSL": "no"}).unsafe
