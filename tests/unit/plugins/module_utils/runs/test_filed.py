# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is not written again takes what it holds with it, so it only goes where that makes nothing worse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshlb.istio.plugins.module_utils.runs.chained import run_chained
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.chained import chained_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import routing_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.routing import run_routing

from tests.security.kit import clusters as c

Obj = dict[str, Any]
OTHER = c.ingress("other", "victim", "other.example.com", "web")


class Folder:
    """Manifests, and the folder that runs write to."""

    def __init__(self, path: Path) -> None:
        self.path, self.out = path, path / "out"

    def written(self, objects: list[Obj]) -> Path:
        (self.path / "in").mkdir(exist_ok=True)
        (self.path / "in" / "all.yaml").write_text(yaml.safe_dump_all(objects))
        return self.path / "in"

    def run(self, objects: list[Obj], **options: Any) -> Obj:
        """What a run says; its files are in :attr:`files`."""
        given = {"strategy": "auto", "preserve_host": True, "strict_exemption": False, "state": "present", "allow_regressions": False}
        asked = {**given, "manifests": [str(self.written(objects))], "output_dir": str(self.out), **options}
        return run_routing(routing_options(asked)).to_result(False)

    def chain(self, objects: list[Obj], **options: Any) -> Obj:
        """The same of chained_gateway."""
        given = {**c.CHAIN, "state": "present", "wait_timeout": 1, "allow_regressions": False}
        asked = {**given, "manifests": [str(self.written(objects))], "output_dir": str(self.out), **options}
        return run_chained(chained_options(asked)).to_result(False)

    @property
    def files(self) -> dict[str, str]:
        return {item.name: item.read_text() for item in self.out.glob("*.yaml")}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def codes(result: Obj) -> set[str]:
    return {item["code"] for item in result["findings"]}


@pytest.mark.parametrize("strategy", ["host_entry", "headless_twin", "host_alias", "host_rewrite"])
def test_what_serves_a_route_stays_where_nothing_else_would(folder: Folder, strategy: str) -> None:
    objects = [*c.plain(), *c.gateway()]
    first = folder.run(objects, strategy=strategy, preserve_host=False)
    served = {item["object"]["name"] for item in first["routes"] if item["after"]["verdict"] == "mutual_tls"}
    before = folder.files
    assert "shop" in served and len(before) > 1
    # The same routes, by a strategy that serves none of them.
    again = folder.run(objects, strategy="certs_only")
    assert {name: text for name, text in folder.files.items() if name != "kustomization.yaml"} == {
        name: text for name, text in before.items() if name != "kustomization.yaml"
    }
    assert "MLB223" in codes(again) and again["left_out"] > 0
    assert all(name in folder.files["kustomization.yaml"] for name in before if name != "kustomization.yaml")
    allowed = folder.run(objects, strategy="certs_only", allow_regressions=True)
    assert "MLB223" not in codes(allowed) and set(folder.files) == {"kustomization.yaml"}


def test_what_nothing_needs_goes(folder: Folder) -> None:
    objects = [*c.plain(), OTHER]
    folder.run(objects, strategy="host_entry")
    assert any("other.example.com" in text for text in folder.files.values())
    second = folder.run(c.plain(), strategy="host_entry")
    assert not any("other.example.com" in text for text in folder.files.values()) and "MLB223" not in codes(second)
    # Another strategy that serves as well takes the files of the first one with it.
    third = folder.run(c.plain(), strategy="headless_twin")
    assert "MLB223" not in codes(third) and not any("ServiceEntry" in text for text in folder.files.values())


def test_a_run_about_some_namespaces_leaves_the_files_of_others(folder: Folder) -> None:
    second = c.ingress("own", "tenant-z", "own.example.com", "evil")
    folder.run([*c.plain(), second], strategy="headless_twin")
    before = folder.files
    for limits in ({"namespaces": ["tenant-z"]}, {"label_selector": "a=b"}, {"label_selector": "a=b", "namespaces": ["victim"]}):
        result = folder.run([*c.plain(), second], strategy="headless_twin", **limits)
        assert folder.files.keys() == before.keys(), limits
        assert "MLB412" in codes(result), limits
    folder.run([*c.plain(), second], state="absent")
    assert set(folder.files) == {"kustomization.yaml"}


def test_a_second_run_changes_nothing(folder: Folder) -> None:
    for strategy in ("auto", "host_entry", "host_rewrite"):
        folder.run(c.plain(), strategy=strategy, preserve_host=False)
        before = folder.files
        again = folder.run(c.plain(), strategy=strategy, preserve_host=False)
        assert folder.files == before and not again["changed"] and "MLB412" not in codes(again)


@pytest.mark.parametrize("text", ["[", "- op: add\n  path: /spec/x/y/z\n", "spec: 5", "- 5", "metadata: x"])
def test_a_file_that_somebody_changed_breaks_nothing(folder: Folder, text: str) -> None:
    folder.run(c.plain(), strategy="host_rewrite", preserve_host=False)
    for name, old in folder.files.items():
        if name != "kustomization.yaml":
            (folder.out / name).write_text(old.partition("---\n")[0] + "---\n" + text)
    assert folder.run(c.plain(), strategy="headless_twin")["changed"]


CHAIN = [*c.plain(OTHER), *c.gateway()]
SHOP_ALONE = {"hosts": ["shop.example.com"]}


def test_a_chained_route_stays_where_it_would_be_worse_without(folder: Folder) -> None:
    folder.chain(CHAIN)
    before = folder.files
    again = folder.chain(CHAIN, **SHOP_ALONE)
    assert folder.files == before and not again["changed"] and "MLB223" in codes(again)
    assert {item["host"]: item["before"]["verdict"] for item in again["routes"]} == dict.fromkeys(
        ("shop.example.com", "other.example.com"), "mutual_tls"
    )
    folder.chain(CHAIN, **SHOP_ALONE, allow_regressions=["victim/Ingress/other"])
    assert not any("other.example.com" in text for text in folder.files.values())


def test_a_chain_is_taken_out_of_the_folder(folder: Folder) -> None:
    folder.chain(CHAIN)
    folder.chain(CHAIN, state="absent", hosts=["other.example.com"])
    assert any("shop.example.com" in text for text in folder.files.values())
    assert not any("other.example.com" in text for text in folder.files.values())
    folder.chain(CHAIN, state="absent", hosts=None)
    assert set(folder.files) == {"kustomization.yaml"}


def test_the_files_of_another_chain_and_of_another_module_stay(folder: Folder) -> None:
    folder.run(CHAIN, strategy="headless_twin")
    routing = folder.files
    one = folder.chain(CHAIN)
    assert routing.keys() <= folder.files.keys() and "MLB412" in codes(one)
    both = folder.files
    second = [*CHAIN, *c.gateway("other-ingress")]
    two = folder.chain(second, gateway={"namespace": "other-ingress"}, hosts=[{
        "host": "new.example.com", "paths": [{"path": "/", "backend": {"namespace": "victim", "service": "web", "port": 80}}],
    }])
    assert both.keys() < folder.files.keys() and "MLB412" in codes(two)
    folder.run(CHAIN, strategy="headless_twin")
    assert both.keys() < folder.files.keys()
