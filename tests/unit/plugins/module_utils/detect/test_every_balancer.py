# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detection of every vendor, alone and all together: none twice, none missed, none mistaken.

Workloads are as the vendors' own charts and manifests have them; each is also tried with another release name, with images from a
private registry, and without labels.
"""

from __future__ import annotations

import pytest

from tests.unit.plugins.module_utils.detect.everything import (
    CATALOG,
    IDS,
    OUTSIDE,
    STRANGERS,
    Installed,
    found,
    label_of,
    mirrored,
    rebuilt,
    renamed,
    unlabelled,
)
from tests.unit.plugins.module_utils.support.cluster import Obj, live
from tests.unit.plugins.module_utils.support.known import detect


@pytest.mark.parametrize("item", CATALOG, ids=IDS)
def test_each_alone(item: Installed) -> None:
    assert found(item.carrier, *item.others, *item.classes) == [(item.vendor, label_of(item.carrier))]


@pytest.mark.parametrize("item", CATALOG, ids=IDS)
@pytest.mark.parametrize("change", [renamed, mirrored, unlabelled], ids=["renamed", "mirrored", "unlabelled"])
def test_each_under_another_name_from_another_registry_and_without_labels(item: Installed, change: object) -> None:
    assert callable(change)
    for made in (change(item.carrier), change(mirrored(item.carrier))):
        if item.vendor == "voyager" and change is renamed:
            continue  # the operator's own naming is how its Ingress is found, not how it is recognised
        assert [vendor for vendor, dummy in found(made, *map(mirrored, item.others))] == [item.vendor]


@pytest.mark.parametrize("item", CATALOG, ids=IDS)
def test_own_builds_are_known_by_what_they_run(item: Installed) -> None:
    expected = [] if item.by_image_alone else [item.vendor]
    assert [vendor for vendor, dummy in found(rebuilt(item.carrier))] == expected


@pytest.mark.parametrize(("vendor", "objects"), OUTSIDE.items(), ids=OUTSIDE)
def test_what_is_outside(vendor: str, objects: tuple[Obj, ...]) -> None:
    assert [item[0] for item in found(*objects)] == [vendor]


def test_all_together() -> None:
    everything = [one for item in CATALOG for one in (item.carrier, *item.others, *item.classes)]
    everything += [one for objects in OUTSIDE.values() for one in objects]
    expected = [(item.vendor, label_of(item.carrier)) for item in CATALOG] + [
        ("avi", "avi-lb"), ("cilium", "cilium"), ("f5_cis", "f5-cis"),
    ]
    assert sorted(found(*everything, *STRANGERS)) == sorted(expected)
    changed = [mirrored(unlabelled(item.carrier)) for item in CATALOG]
    assert sorted(vendor for vendor, dummy in found(*changed, *map(mirrored, STRANGERS))) == sorted(item.vendor for item in CATALOG)


def test_no_class_has_two_servers_and_none_is_unknown_when_all_are_there() -> None:
    everything = [one for item in CATALOG for one in (item.carrier, *item.others, *item.classes)]
    codes = {item.code for item in detect(live(*everything))[1]}
    assert not codes & {"MLB102", "MLB104", "MLB106", "MLB109"}


@pytest.mark.parametrize("item", STRANGERS, ids=lambda item: item["metadata"]["name"])
def test_what_is_no_load_balancer_of_a_known_kind(item: Obj) -> None:
    assert found(item) == []
