# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""CustomResourceDefinitions of load balancers that cannot run here."""

import json
from pathlib import Path

import pytest
from meshlab import cli, kinds, paths
from meshlab.build.specs import Program


def have(program: Program, *names: str) -> None:
    """Act as if it had been built."""

    def build(folder: Path) -> None:
        for name in names:
            (folder / "assets" / name).mkdir(parents=True)

    program.artifact.ensure(build)


def test_nothing_is_got_when_only_what_is_there_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even a folder is made."""
    assert cli.main(["kinds", "--built", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {}
    assert not paths.cache().exists()


def test_folders_are_told_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """All that is there, and nothing is built again."""
    have(kinds.FILES, "one", "two")
    have(kinds.INGRESS_GCE, "three")
    assert cli.main(["kinds", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(found) == ["one", "three", "two"]
    assert all(Path(path).is_dir() for path in found.values())
    assert cli.main(["kinds"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["one", found["one"]]


def test_every_module_is_pinned() -> None:
    """By version and checksum, like all that the lab builds."""
    folder = paths.GO_PROGRAMS / kinds.FILES.name
    for asset in kinds.FILES.assets:
        assert f"\t{asset.module} v" in (folder / "go.mod").read_text()
        assert f"{asset.module} v" in (folder / "go.sum").read_text()


def test_what_a_program_prints_is_part_of_its_key() -> None:
    """And programs that print nothing keep the keys that they had."""
    plain = Program(name="pause", packages={"pause": "."})
    assert plain.artifact.key == Program(name="pause", packages={"pause": "."}, prints={}).artifact.key
    assert plain.artifact.key != Program(name="pause", packages={"pause": "."}, prints={"file": "pause"}).artifact.key
