# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments, errors and the table of addons."""

from pathlib import Path

import pytest
from meshlab import addons, cli, packages, paths
from meshlab.addons import ingress_nginx
from meshlab.cluster import components, record


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["frob"], "invalid choice: 'frob'"),
        (["up", "--with", "nonsense"], "known are: gateway-api, istio-gateway"),
        (["status", "--name", "Bad_"], "cluster name 'Bad_'"),
        (["logs", "nonsense"], "known are: containerd, etcd"),
        (["logs"], "COMPONENT"),
        (["restart", "nonsense"], "known are: containerd, etcd"),
    ],
)
def test_usage_errors_are_one_line_and_code_2(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback, no usage block."""
    monkeypatch.setattr(cli, "check_machine", lambda: None)
    assert cli.main(argv) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1


def test_unknown_cluster_is_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster that is not there is not healthy."""
    assert cli.main(["status", "--name", "west"]) == 1
    assert "lab up --name west" in capsys.readouterr().err


def test_a_cluster_stands_in(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started, removed or checked."""
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("{}")
    monkeypatch.setenv("MESHLB_KUBECONFIG", str(kubeconfig))
    for command in ("up", "down", "status", "kubeconfig"):
        assert cli.main([command]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(kubeconfig)
    assert not paths.state_root().exists()


def test_a_missing_stand_in_is_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Better than starting something by surprise."""
    monkeypatch.setenv("MESHLB_KUBECONFIG", "/nowhere/config")
    assert cli.main(["up"]) == 2
    assert "/nowhere/config" in capsys.readouterr().err


def test_names_are_split_and_checked() -> None:
    """Blanks and empty entries do no harm."""
    assert addons.parse_names(" ingress-nginx, istio-gateway,") == ["ingress-nginx", "istio-gateway"]


def test_selection_keeps_the_order_of_installation() -> None:
    """What always runs comes first, whatever was named."""
    names = [addon.name for addon in addons.select(["ingress-nginx"], ["istio-gateway"])]
    assert names == ["coredns", "istio", "demo", "istio-gateway", "ingress-nginx"]


def test_addon_files_exist_and_images_carry_the_lab_registry() -> None:
    """A vendor's table entry is complete."""
    cluster = record.Cluster("x", 0)
    for addon in addons.ADDONS.values():
        assert all(path.exists() for path in addon.inputs)
        assert all(image.ref.startswith("lab.local/") for image in addon.images)
        assert addon.digest(cluster) != addon.digest(record.Cluster("x", 1))


def test_template_of_another_release_is_refused() -> None:
    """A silent mismatch would give an nginx that does not start."""
    good = "pid {{ .PID }};\nhttp {\n}\nstream {\n    lua\n    server { }\n}\n"
    assert "load_module" in ingress_nginx.adapt_template(good)
    assert "lua\n" not in ingress_nginx.adapt_template(good)
    with pytest.raises(ValueError, match="template"):
        ingress_nginx.adapt_template("http {\n}\n")


def test_missing_packages_once_and_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    """containerd brings two commands and is named once."""
    monkeypatch.setattr(packages, "present", lambda probe: False)
    wanted = packages.missing(packages.RUNTIME)
    assert wanted == sorted(set(wanted))
    assert wanted.count("containerd") == 1


def test_every_component_has_a_command_line() -> None:
    """The names in the table are the names of the components."""
    cluster = record.Cluster("x", 0)
    for name in components.NAMES:
        assert components.component(cluster, name).name == name
