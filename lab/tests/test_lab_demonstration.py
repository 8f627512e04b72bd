# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the demonstration compares, and that it stops where something is not as it should be."""

from typing import Any

import pytest
from meshlab.demonstration import story
from meshlab.demonstration.objects import by_key, differences, lasting
from meshlab.demonstration.screen import Screen
from meshlab.errors import LabError


def deployment(**metadata: Any) -> dict[str, Any]:
    """A Deployment, with metadata of the test's own."""
    own = {"namespace": "ingress-nginx", "name": "controller", **metadata}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": own, "spec": {"replicas": 1}, "status": {"replicas": 1}}


def test_what_changes_by_itself_is_no_difference() -> None:
    """A rollout there and back leaves these behind, and nobody set them."""
    before = by_key([deployment(resourceVersion="1", generation=1)])
    revision = {"deployment.kubernetes.io/revision": "3"}
    after = by_key([{**deployment(resourceVersion="9", generation=3, annotations=revision), "status": {}}])
    assert differences(before, after) == []


def test_an_empty_value_is_a_difference() -> None:
    """An annotation whose value is the empty string is a value."""
    before = by_key([deployment(annotations={"kept": "yes"})])
    after = by_key([deployment(annotations={"kept": "yes", "left": ""})])
    assert differences(before, after) == ["Deployment.apps ingress-nginx/controller differs"]


def test_new_and_gone() -> None:
    """Either is said, each with its name."""
    one, other = by_key([deployment(name="one")]), by_key([deployment(name="other")])
    assert differences(one, other) == [
        "Deployment.apps ingress-nginx/one is gone",
        "Deployment.apps ingress-nginx/other is new",
    ]


def test_no_secret_is_read() -> None:
    """Nor what controllers write all the time."""
    assert lasting(["secrets", "pods", "services", "leases.coordination.k8s.io", "nodes.metrics.k8s.io"]) == ["services"]


def test_a_failed_check_ends_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said on the screen, and there are no colours where no person reads them."""
    told = story.Story(Screen(), "meshlb")
    told.check(True, "fine")
    with pytest.raises(LabError, match="wrong"):
        told.check(False, "wrong")
    assert capsys.readouterr().out == "   ok  fine\n   NOT AS IT SHOULD BE  wrong\n"


def test_without_the_tools_it_says_how_to_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever runs lab/demo itself is told about make."""
    monkeypatch.setattr(story.shutil, "which", lambda program: None if program == "ansible-playbook" else program)
    assert story.main() == 2
    assert "make demo" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "command"), [("meshlb", "lab/lab down"), ("east", "lab/lab down --name east")])
def test_it_says_how_to_take_the_lab_down(name: str, command: str) -> None:
    """The default name need not be given."""
    assert story.Story(Screen(), name).down() == command
