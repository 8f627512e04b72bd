# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What addons need, and what they take from their modules."""

from pathlib import Path

import pytest
from meshlab import addons
from meshlab.addons import gateway_api
from meshlab.addons.base import Addon


def test_what_an_addon_needs_is_installed_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named or not."""
    table = {name: Addon(name, install=lambda cluster: None, needs=needs) for name, needs in (("kinds", ()), ("lb", ("kinds",)))}
    monkeypatch.setattr(addons, "ADDONS", table)
    assert [addon.name for addon in addons.select(["lb"])] == ["kinds", "lb"]
    assert [addon.name for addon in addons.select(["kinds"])] == ["kinds"]


def test_needs_are_in_the_table_before_those_who_need_them() -> None:
    """The table's order is the order of installation."""
    names = list(addons.ADDONS)
    for addon in addons.ADDONS.values():
        assert all(names.index(need) < names.index(addon.name) for need in addon.needs), addon.name


def test_only_kinds_of_the_gateway_api_are_applied(tmp_path: Path) -> None:
    """Neither the guard against other sets, nor what is meant for Kustomize."""
    kind = "gateway.networking.k8s.io_httproutes.yaml"
    for name in (kind, "gateway.networking.k8s.io_vap_safeupgrades.yaml", "kustomization.yaml"):
        (tmp_path / name).touch()
    assert gateway_api.files(tmp_path) == [tmp_path / kind]
