# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that asks Istio's own code."""

import re
from pathlib import Path

import pytest
from meshlab import cli, oracle, paths
from meshlab.build import builder
from meshlab.build.specs import Program, Wheel
from meshlab.errors import LabError

PROGRAM = oracle.PROGRAMS[oracle.NEWEST]


def pins(name: str) -> dict[str, str]:
    """Versions of the modules that a program is built from."""
    return dict(re.findall(r"^\t(\S+) (v\S+)", (paths.GO_PROGRAMS / name / "go.mod").read_text(), re.MULTILINE))


def test_nothing_is_built_when_only_what_is_there_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even a folder is made."""
    assert cli.main(["oracle", "--built"]) == 0
    assert not capsys.readouterr().out
    assert not paths.cache().exists()


@pytest.mark.parametrize(
    ("item", "options", "name"),
    [(PROGRAM, [], "oracle"), (oracle.PROGRAMS["1.30"], ["--istio", "1.30"], "oracle"), (oracle.ENVOY, ["--envoy"], "envoy")],
)
def test_the_path_is_told(item: Program | Wheel, options: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And what is there is not built again."""
    for there in (*oracle.PROGRAMS.values(), oracle.ENVOY):
        there.artifact.ensure(lambda folder: (folder / "bin").mkdir())
    assert cli.main(["oracle", *options]) == 0
    assert capsys.readouterr().out.strip() == str(item.artifact.folder / "bin" / name)


def test_without_envoy_the_program_is_told_all_the_same(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_unused: object) -> None:
        raise LabError("no index answers")

    PROGRAM.artifact.ensure(lambda folder: (folder / "bin").mkdir())
    monkeypatch.setattr(builder, "build_all", cannot)
    assert cli.main(["oracle"]) == 0
    said = capsys.readouterr()
    assert said.out.strip().endswith("oracle")
    assert "Envoy cannot be had: no index answers" in said.err


def test_it_asks_the_istio_that_the_lab_runs() -> None:
    """Every module has the same version in both."""
    asked, runs = pins("oracle"), pins("istio")
    assert asked == runs


def test_another_version_is_built_from_the_same_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And anew when they change, or its own pins do."""
    for name, file, text in (("oracle", "main.go", "a"), ("oracle", "go.mod", "x"), ("oracle-1.30", "go.mod", "y")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / file).write_text(text)
    monkeypatch.setattr(paths, "GO_PROGRAMS", tmp_path)
    keys = [oracle.PROGRAMS["1.30"].artifact.key]
    for name, file in (("oracle", "main.go"), ("oracle-1.30", "go.mod")):
        (tmp_path / name / file).write_text("changed")
        keys.append(oracle.PROGRAMS["1.30"].artifact.key)
    assert len(set(keys)) == 3
