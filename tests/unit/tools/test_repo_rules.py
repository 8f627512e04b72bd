# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each repository rule finds what it is there for, and nothing in what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.tools.repo_rules import metadata, names, python, roles, text
from tests.tools.repo_rules.model import Problem, Repository

Rule = Callable[[Repository], Iterable[Problem]]
HEAD = f"# {text.LICENCE}\n"
# In two parts: the rules read this file as well.
HOME, HOST = "/ro" + "ot/project/x", "pypi" + ".org"


@pytest.mark.parametrize(
    ("rule", "name", "content", "expected"),
    [
        (python.size, "plugins/a.py", "a = 1\n" * 500, 0),
        (python.size, "plugins/a.py", "a = 1\n" * 501, 1),
        (python.exits, "plugins/modules/a.py", "module.exit_json()\n", 0),
        (python.exits, "plugins/module_utils/a.py", "module.fail_json(msg='')\n", 1),
        (python.exits, "plugins/module_utils/a.py", "# fail_json is for modules\n", 0),
        (text.licences, "plugins/a.py", HEAD, 0),
        (text.licences, "plugins/a.py", "a = 1\n", 1),
        (text.licences, "lab/run", "#!/usr/bin/env bash\n", 1),
        (text.licences, "docs/a.md", "# A page\n", 0),
        (text.licences, "tests/unit/plan/fixtures/a.yml", "kind: Service\n", 0),
        (text.machine_places, "docs/a.md", f"see {HOME}\n", 1),
        (text.machine_places, "docs/a.md", f"from {HOST}\n", 1),
        (text.machine_places, "docs/a.md", "see ~/.cache/meshlb and $HOME/x and /usr/share/doc\n", 0),
        (text.machine_places, "lab/go.sum", f"{HOST}\n", 0),
        (text.machine_places, "docs/a.md", "the path http://example.com/work/items is a URL's\n", 0),
    ],
)
def test_rule(tmp_path: Path, rule: Rule, name: str, content: str, expected: int) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    assert len(list(rule(Repository(tmp_path, [name])))) == expected


ONE = "plugins/module_utils/core/one.py"
TAKES_TEXT = "def read(text: str) -> str: ..."


@pytest.mark.parametrize(
    ("rule", "name", "one", "other", "expected"),
    [
        (names.classes, "plan/two", "class Route: ...", "class Route: ...", 1),
        (names.classes, "plan/two", "class Route: ...", "class Routes: ...", 0),
        (names.classes, "balancers/kong/settings", "class Settings: ...", "class Settings: ...", 0),
        (names.signatures, "plan/two", TAKES_TEXT, "def read(line: str) -> str: ...", 0),
        (names.signatures, "plan/two", TAKES_TEXT, "def read(text: bytes) -> str: ...", 1),
        (names.signatures, "plan/two", TAKES_TEXT, "def read(text: str) -> bytes: ...", 1),
        (names.signatures, "plan/two", TAKES_TEXT.replace("read", "_read"), "def _read() -> bytes: ...", 0),
    ],
)
def test_one_thing_per_name(tmp_path: Path, rule: Rule, name: str, one: str, other: str, expected: int) -> None:
    path = f"plugins/module_utils/{name}.py"
    for written, content in ((ONE, one), (path, other)):
        (tmp_path / written).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / written).write_text(content, encoding="utf-8")
    assert len(list(rule(Repository(tmp_path, [ONE, path])))) == expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("plugins/module_utils/plan/a.py", "if vendor == 'traefik':\n    pass\n", 1),
        ("plugins/module_utils/plan/a.py", "why = 'traefik reads it'\n", 0),
        ("plugins/module_utils/plan/a.py", "if vendor == 'nobody':\n    pass\n", 0),
        ("plugins/module_utils/balancers/kong/a.py", "ID = 'kong'\n", 0),
        ("plugins/modules/a.py", "DOCUMENTATION = 'kong'\n", 0),
        ("plugins/modules/a.py", "WANTED = ['kong']\n", 1),
        ("plugins/module_utils/kube/a.py", "def f():\n    'kong'\n", 0),
        ("plugins/module_utils/kube/a.py", "KIT = 'kit'\n", 0),
    ],
)
def test_only_its_folder_names_a_load_balancer(tmp_path: Path, name: str, content: str, expected: int) -> None:
    folders = [f"plugins/module_utils/balancers/{item}/profile.py" for item in ("traefik", "kong", "kit")]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    assert len(list(python.vendor_names(Repository(tmp_path, [*folders, name])))) == expected


SPEC = "argument_specs:\n  main:\n    options:\n      {name}:\n        type: str\n        required: {required}\n"


@pytest.mark.parametrize(
    ("spec", "defaults", "message"),
    [
        (SPEC.format(name="mesh_wait", required="false"), "mesh_wait: 1\n", None),
        (SPEC.format(name="mesh_wait", required="true"), "---\n", None),
        (SPEC.format(name="mesh_wait", required="false"), "---\n", "mesh_wait is described and has no default"),
        ("argument_specs: {main: {}}\n", "mesh_wait: 1\n", "mesh_wait has a default and is not described"),
        (SPEC.format(name="wait", required="true"), "---\n", "wait does not begin with mesh_"),
        (None, "---\n", "missing: a role says what it takes"),
    ],
)
def test_role_variables(tmp_path: Path, spec: str | None, defaults: str, message: str | None) -> None:
    contents = {"roles/mesh/meta/argument_specs.yml": spec, "roles/mesh/defaults/main.yml": defaults}
    present = {name: content for name, content in contents.items() if content is not None}
    for name, content in present.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    found = [problem.message for problem in roles.variables(Repository(tmp_path, list(present)))]
    assert found == ([message] if message else [])


@pytest.mark.parametrize(
    ("listed", "module", "message"),
    [
        ("[lb_info]", "lb_info", None),
        ("[]", "lb_info", "the action group meshlb lacks the module lb_info"),
        ("[lb_info, gone]", "lb_info", "the action group meshlb names gone, which is no module"),
    ],
)
def test_action_groups(tmp_path: Path, listed: str, module: str, message: str | None) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / metadata.RUNTIME).write_text(f"action_groups:\n  meshlb: {listed}\n")
    repository = Repository(tmp_path, [metadata.RUNTIME, f"plugins/modules/{module}.py"])
    assert [problem.message for problem in metadata.action_groups(repository)] == ([message] if message else [])


def test_a_problem_reads_like_a_compilers() -> None:
    assert str(Problem("a/b.py", 3, "wrong")) == "a/b.py:3: wrong"


def test_what_is_no_text_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\xff")
    assert Repository(tmp_path, ["a.png"]).text("a.png") == ""
