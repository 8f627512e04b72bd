# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An error that nobody foresaw ends each module with words: in which step, at which object, where to report it, and no credential."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.meshlb.istio.plugins.module_utils.core import secrets
from ansible_collections.meshlb.istio.plugins.module_utils.core.unforeseen import defect
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.connection import connect
from ansible_collections.meshlb.istio.plugins.module_utils.plan.keeping import includes

TOKEN, FILED = "abcdefgh-the-token", "the-token-in-a-file"
MODULES: dict[str, tuple[str, dict[str, Any]]] = {
    "lb_info": ("run_info", {}),
    "service_routing": ("run_routing", {}),
    "lb_sidecar": ("run_sidecar", {"load_balancer": {"namespace": "edge", "name": "lb"}}),
    "mtls_proof": ("run_proof", {}),
    "chained_gateway": ("run_chained", {"gateway": {"namespace": "edge"}, "hosts": ["a.example.com"]}),
}


@pytest.fixture(autouse=True)
def _nothing_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_MET", set())


def end_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str, error: BaseException, verbosity: int = 0, **more: Any
) -> dict[str, Any]:
    """What a module prints whose run raises an error."""
    name, needed = MODULES[module]
    loaded = importlib.import_module(f"ansible_collections.meshlb.istio.plugins.modules.{module}")

    def broken(*_about: Any) -> Any:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}
        assert service
        raise error

    monkeypatch.setattr(loaded, name, broken)
    args = {"host": "https://api.example.com", "api_key": TOKEN, **needed, **more, "_ansible_verbosity": verbosity}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    with pytest.raises(SystemExit) as caught:
        loaded.main()
    assert caught.value.code == 1
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError("deep"), MemoryError(), AssertionError(), OSError(5, "broken")], ids=repr)
@pytest.mark.parametrize("module", MODULES)
def test_each_module_says_what_broke(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str, error: Exception
) -> None:
    found = end_of(monkeypatch, capsys, module, error)
    assert found["failed"] is True and found["msg"].startswith(f"{module} met a defect of its own while ")
    assert type(error).__name__ in found["msg"] and "https://github.com/meshlb/istio/issues" in found["msg"]
    assert found["details"]["defect"] is True and found["details"]["module"] == module
    assert "Traceback" not in json.dumps(found) and "\n" not in found["msg"]


@pytest.mark.parametrize("module", MODULES)
def test_the_traceback_is_kept_for_those_who_ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str) -> None:
    error = ValueError(f"Authorization: Bearer {TOKEN} for https://user:{TOKEN}@host")
    for verbosity in (0, 1, 2, 3, 4):
        text = json.dumps(end_of(monkeypatch, capsys, module, error, verbosity))
        assert ("Traceback" in text) is (verbosity >= 3)
        assert TOKEN not in text


@pytest.mark.parametrize("module", MODULES)
def test_what_ends_a_program_ends_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        end_of(monkeypatch, capsys, module, KeyboardInterrupt())


def test_options_that_break_are_a_defect_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = importlib.import_module("ansible_collections.meshlb.istio.plugins.modules.lb_info")
    monkeypatch.setattr(loaded, "keep_secret", lambda *_about: 1 / 0)
    assert "ZeroDivisionError" in end_of(monkeypatch, capsys, "lb_info", ValueError())["msg"]


def test_credentials_of_a_kubeconfig_are_hidden() -> None:
    user = {"token": FILED, "client-key-data": "LS0tLS1CRUdJTiBSU0E=", "username": "jane"}
    kubeconfig = {
        "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "a", "user": "u"}}],
        "clusters": [{"name": "a", "cluster": {"server": "https://api.example.com"}}], "users": [{"name": "u", "user": user}],
    }
    connect({"kubeconfig": kubeconfig}, environment={}).credentials()
    for said in (FILED, f"token {FILED}!", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJr.c2ln", "-----BEGIN RSA PRIVATE KEY-----\nMIIE", "https://a:b@c"):
        text = str(defect(ValueError(f"could not use {said} of jane"), "lb_info", 3).to_result())
        assert "(hidden)" in text and said not in text and ("of jane" in text or "KEY" in said)


class Broken(dict[str, Any]):
    """A map that nobody can look into."""

    def __contains__(self, key: object) -> bool:
        raise AttributeError(str(key))


def test_the_step_and_the_object_are_named() -> None:
    with pytest.raises(AttributeError) as caught:
        includes(Broken(), {"a": 1})
    found = defect(caught.value, "service_routing", 0)
    assert found.details["step"] == "planning" and found.details["place"].startswith("plan.")
    trace = "ansible_collections.meshlb.istio.plugins.module_utils.apply.writer"
    body = {"kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}
    code = "def go(obj):\n    raise KeyError(1)\n"
    space: dict[str, Any] = {"__name__": trace}
    exec(code, space)
    with pytest.raises(KeyError) as wrote:
        space["go"](body)
    found = defect(wrote.value, "service_routing", 0)
    assert str(found.object) == "Service shop/web" and found.details["step"] == "writing" and "run again" in found.hint
