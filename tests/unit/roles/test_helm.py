# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles that install with Helm send it to the cluster of their connection, or refuse before it is called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SERVER, TOKEN = "https://127.0.0.1:1", "a-token-that-nobody-may-see"
DEFAULT = "https://default.example.test:6443"
CHART = {"name": "front", "namespace": "edge", "chart_ref": "./chart"}
# For each role: what makes it install, without any module that needs a cluster.
INSTALLS: dict[str, dict[str, Any]] = {
    "lb_vendor": {"load_balancers": ["traefik"], "install": True, "releases": [CHART], "mutual_tls": False},
    "lb_vendor_nginx": {"install": True, "chart_ref": "./chart", "mutual_tls": False},
    "lb_vendor_emissary": {"install": True, "crds": False, "mutual_tls": False},
    "istio_chained": {"install_gateway": True, "gateway_chart": "./chart"},
}
FAKE_HELM = f"""#!{sys.executable}
import json, os, pathlib, sys
here = pathlib.Path(__file__)
told = {{name: value for name, value in os.environ.items() if name.startswith("HELM_") or name == "KUBECONFIG"}}
read = pathlib.Path(told.get("KUBECONFIG", pathlib.Path.home() / ".kube" / "config")).read_text()
with here.with_name("calls").open("a") as calls:
    calls.write(json.dumps({{"arguments": sys.argv[1:], "environment": told, "kubeconfig": read}}) + "\\n")
answers = {{"list": here.with_name("releases").read_text(), "version": 'version.BuildInfo{{Version:"v3.22.0", '}}
print(answers.get(sys.argv[1], "name: chart\\nversion: 1.0.0"))
"""


@dataclass(frozen=True)
class Machine:
    """One with a Helm that writes down how it is called, and a default kubeconfig of another cluster."""

    folder: Path

    def play(
        self, role: str, variables: dict[str, Any], others: dict[str, Any] | None = None, around: dict[str, str] | None = None,
        **include: str,
    ) -> tuple[int, str]:
        """Run a role in check mode with its own variables and others, in a play with an environment (``around``).

        Gives the exit status and everything that was printed.
        """
        task = {"ansible.builtin.include_role": {"name": f"meshlb.istio.{role}", **include}}
        given = {**{f"{role}_{name}": value for name, value in variables.items()}, **(others or {})}
        playbook = self.folder / "play.yml"
        play = {"hosts": "localhost", "gather_facts": False, "vars": given, "tasks": [task], "environment": around or {}}
        playbook.write_text(json.dumps([play]))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("K8S_AUTH_", "HELM_", "KUBECONFIG"))}
        places = {"HOME": str(self.folder), "ANSIBLE_HOME": str(self.folder / "ansible"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            ["ansible-playbook", "--check", "-vvv", "--inventory=localhost,", "--connection=local",
             "--extra-vars", json.dumps({"ansible_python_interpreter": sys.executable}), str(playbook)],
            env={**kept, **places, "PATH": f"{self.folder}/bin{os.pathsep}{kept['PATH']}"},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Helm's calls that are about a cluster."""
        path = self.folder / "bin" / "calls"
        calls = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [call for call in calls if call["arguments"][0] not in ("version", "template")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for folder in ("bin", ".kube"):
        (tmp_path / folder).mkdir()
    (tmp_path / ".kube" / "config").write_text(json.dumps({"clusters": [{"name": "default", "cluster": {"server": DEFAULT}}]}))
    (tmp_path / "bin" / "releases").write_text("[]")
    (tmp_path / "bin" / "helm").write_text(FAKE_HELM)
    (tmp_path / "bin" / "helm").chmod(0o755)
    return Machine(tmp_path)


def assert_helm_was_sent_there(machine: Machine, output: str) -> None:
    assert machine.calls
    for call in machine.calls:
        assert call["environment"]["HELM_KUBEAPISERVER"] == SERVER
        assert call["environment"]["HELM_KUBETOKEN"] == TOKEN
        assert call["environment"]["HELM_KUBEINSECURE_SKIP_TLS_VERIFY"] == "true"
        assert DEFAULT not in call["kubeconfig"]
        assert TOKEN not in json.dumps([call["arguments"], call["kubeconfig"]])
    assert TOKEN not in output


@pytest.mark.parametrize("role", INSTALLS)
def test_helm_installs_where_the_modules_work(machine: Machine, role: str) -> None:
    connection = {"host": SERVER, "api_key": TOKEN, "validate_certs": False}
    # What comes after the chart needs a cluster.
    part = {"tasks_from": "install"} if role == "istio_chained" else {}
    status, output = machine.play(role, {**INSTALLS[role], "connection": connection}, **part)
    assert status == 0, output
    assert_helm_was_sent_there(machine, output)


@pytest.mark.parametrize("role", INSTALLS)
def test_a_plays_environment_leads_helm_nowhere_else(machine: Machine, role: str) -> None:
    elsewhere = {"HOST": DEFAULT, "API_KEY": "other", "CONTEXT": "default", "KUBECONFIG": str(machine.folder / ".kube" / "config")}
    around = {f"K8S_AUTH_{name}": value for name, value in elsewhere.items()}
    around |= {"HELM_KUBEAPISERVER": DEFAULT, "HELM_KUBETOKEN": "other", "HELM_KUBECONTEXT": "default", "HELM_KUBEASUSER": "root"}
    connection = {"host": SERVER, "api_key": TOKEN, "validate_certs": False}
    part = {"tasks_from": "install"} if role == "istio_chained" else {}
    status, output = machine.play(role, {**INSTALLS[role], "connection": connection}, None, around, **part)
    assert status == 0, output
    assert_helm_was_sent_there(machine, output)
    assert not any(call["environment"].get(name) for call in machine.calls for name in ("HELM_KUBECONTEXT", "HELM_KUBEASUSER"))


def test_helm_uninstalls_where_the_modules_work(machine: Machine) -> None:
    (machine.folder / "bin" / "releases").write_text(json.dumps([{"name": "front", "status": "deployed"}]))
    connection = {"host": SERVER, "api_key": TOKEN, "validate_certs": False}
    status, output = machine.play("lb_vendor", {**INSTALLS["lb_vendor"], "state": "absent", "connection": connection})
    assert status == 0, output
    assert "uninstall" in output
    assert_helm_was_sent_there(machine, output)


@pytest.mark.parametrize("role", INSTALLS)
def test_what_helm_cannot_be_told_is_refused_first(machine: Machine, role: str) -> None:
    connection = {"host": SERVER, "client_cert": "a.crt", "client_key": "a.key", "password": TOKEN}
    # Without this the first task would be the one that takes mutual TLS back.
    state = {} if role == "istio_chained" else {"state": "absent", "mutual_tls": True}
    status, output = machine.play(role, {**INSTALLS[role], **state, "connection": connection})
    assert status != 0
    assert "client_cert" in output and "kubeconfig" in output
    assert not machine.calls
    assert "Find load balancers" not in output and "Chain the load balancer" not in output
    assert TOKEN not in output


def test_one_variable_says_for_all_roles_where_the_cluster_is(machine: Machine) -> None:
    """The connection of standalone mode holds for the chart, and is not lost on the way back to standalone mode."""
    connection = {"host": SERVER, "api_key": TOKEN, "validate_certs": False}
    given = {"lb_vendor_nginx_install": True, "lb_vendor_nginx_chart_ref": "./chart", "istio_standalone_mtls_connection": connection}
    output = machine.play("lb_vendor_nginx", {}, given)[1]
    assert_helm_was_sent_there(machine, output)
    assert SERVER in output.partition("Find load balancers and mesh")[2]


@pytest.mark.parametrize(("role", "given", "expected"), [
    ("lb_vendor_nginx", "own", 7), ("lb_vendor_nginx", "other", 8), ("lb_vendor_emissary", "own", 9),
])  # fmt: skip
def test_the_time_of_a_request_gets_to_the_modules(machine: Machine, role: str, given: str, expected: int) -> None:
    variables = {**INSTALLS[role], "install": False, "mutual_tls": True, "connection": {"host": "http://127.0.0.1:1", "api_key": TOKEN}}
    others = {"other": {"istio_standalone_mtls_request_timeout": expected}}.get(given, {})
    output = machine.play(role, {**variables, **({"request_timeout": expected} if given == "own" else {})}, others)[1]
    assert f'"request_timeout": {expected},' in output, output
