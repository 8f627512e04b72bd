# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the load balancer's sidecar is told about."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.visibility import Viewer, Visibility, host_matches, oldest, short_name
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    ROOT,
    Obj,
    destination_rule,
    mesh_config,
    service,
    service_entry,
    sidecar,
    to,
    virtual_service,
)

VIEWER = Viewer(EDGE, (("app", "lb"), ("tier", "edge")))
FQDN = "shop.apps.svc.cluster.local"
SCOPES = {
    "": True, "*": True, ".": False, "~": False, EDGE: True, APPS: False, f"{APPS},{EDGE}": True, f"., {EDGE}": True, "., other": False,
}  # fmt: skip


@pytest.mark.parametrize(("scope", "visible"), SCOPES.items())
def test_export_of_a_service_by_annotation(scope: str, visible: bool) -> None:
    item = service("shop", annotations={"networking.istio.io/exportTo": scope})
    assert Visibility(Snapshot([item]), VIEWER).exported(item) is visible


@pytest.mark.parametrize(("scope", "visible"), SCOPES.items())
@pytest.mark.parametrize("kind", ["VirtualService", "DestinationRule", "ServiceEntry"])
def test_export_of_mesh_objects_by_field(kind: str, scope: str, visible: bool) -> None:
    scopes = [item.strip() for item in scope.split(",") if item]
    made = {
        "VirtualService": lambda: virtual_service("h.example.com", http=[to("shop")], where=APPS, exportTo=scopes),
        "DestinationRule": lambda: destination_rule("shop", exportTo=scopes),
        "ServiceEntry": lambda: service_entry("h.example.com", 80, where=APPS, exportTo=scopes),
    }[kind]()
    assert Visibility(Snapshot([made]), VIEWER).exported(made) is visible


def test_a_dot_is_the_objects_own_namespace() -> None:
    item = service("lb", where=EDGE, annotations={"networking.istio.io/exportTo": "."})
    assert Visibility(Snapshot([item]), VIEWER).exported(item)


@pytest.mark.parametrize(
    ("setting", "kind", "visible"),
    [
        ("defaultServiceExportTo", "Service", False),
        ("defaultServiceExportTo", "ServiceEntry", False),
        ("defaultVirtualServiceExportTo", "VirtualService", False),
        ("defaultDestinationRuleExportTo", "DestinationRule", False),
        ("defaultVirtualServiceExportTo", "Service", True),
        ("defaultServiceExportTo", "VirtualService", True),
        ("defaultVirtualServiceExportTo", "DestinationRule", True),
    ],
)
def test_mesh_wide_defaults_of_export(setting: str, kind: str, visible: bool) -> None:
    snapshot = Snapshot([mesh_config(f"{setting}: ['.']")])
    item = {"kind": kind, "metadata": {"namespace": APPS, "name": "x"}}
    assert Visibility(snapshot, VIEWER).exported(item) is visible


def test_an_own_export_beats_the_default() -> None:
    item = service("shop", annotations={"networking.istio.io/exportTo": "*"})
    assert Visibility(Snapshot([mesh_config("defaultServiceExportTo: ['.']")]), VIEWER).exported(item)


SIDECARS: dict[str, tuple[list[Obj], bool]] = {
    "no Sidecar": ([], True),
    "everything": ([sidecar("*/*")], True),
    "the namespace": ([sidecar("apps/*")], True),
    "the very host": ([sidecar(f"apps/{FQDN}")], True),
    "the host anywhere": ([sidecar(f"*/{FQDN}")], True),
    "a suffix": ([sidecar("apps/*.svc.cluster.local")], True),
    "a suffix that is another": ([sidecar("apps/*.example.com")], False),
    "another namespace": ([sidecar("other/*")], False),
    "only the own namespace": ([sidecar("./*")], False),
    "nothing": ([sidecar("~/*")], False),
    "the second of two": ([sidecar("./*", "apps/*")], True),
    "one without egress": ([sidecar()], True),
    "one of another namespace": ([sidecar("./*", where="other")], True),
    "the root's": ([sidecar("./*", where=ROOT)], False),
    "the own one before the root's": ([sidecar("./*", where=ROOT), sidecar("*/*")], True),
    "for this workload": ([sidecar("*/*"), sidecar("./*", name="own", selector={"app": "lb"})], False),
    "for this workload by all labels": ([sidecar("./*", name="own", selector={"app": "lb", "tier": "other"})], True),
    "for another workload": ([sidecar("./*", name="own", selector={"app": "other"})], True),
    "for another workload, then the namespace's": ([sidecar("./*"), sidecar("*/*", name="own", selector={"app": "other"})], False),
    "a workload's in the root namespace": ([sidecar("./*", where=ROOT, selector={"app": "lb"})], True),
}


@pytest.mark.parametrize(("sidecars", "visible"), SIDECARS.values(), ids=SIDECARS)
def test_scope_of_a_sidecar_resource(sidecars: list[Obj], visible: bool) -> None:
    item = service("shop")
    assert Visibility(Snapshot([item, *sidecars]), VIEWER).sees(item, [FQDN]) is visible


def test_a_sidecar_resource_does_not_undo_a_missing_export() -> None:
    item = service("shop", annotations={"networking.istio.io/exportTo": "."})
    assert not Visibility(Snapshot([item, sidecar("*/*")]), VIEWER).sees(item, [FQDN])


def policy(mode: str | None) -> Obj:
    return {"outboundTrafficPolicy": {} if mode is None else {"mode": mode}}


POLICIES: dict[str, tuple[list[Obj], str]] = {
    "nothing said": ([], "ALLOW_ANY"),
    "the mesh": ([mesh_config("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")], "REGISTRY_ONLY"),
    "another mode of the mesh": ([mesh_config("outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}")], "ALLOW_ANY_DYNAMIC_DNS"),
    "the Sidecar over the mesh": (
        [mesh_config("outboundTrafficPolicy: {mode: REGISTRY_ONLY}"), sidecar("*/*", **policy("ALLOW_ANY"))], "ALLOW_ANY"),
    "the Sidecar alone": ([sidecar("*/*", **policy("REGISTRY_ONLY"))], "REGISTRY_ONLY"),
    "an empty policy is the zero value": ([sidecar("*/*", **policy(None))], "REGISTRY_ONLY"),
    "a Sidecar that says nothing": ([sidecar("*/*")], "ALLOW_ANY"),
    "the root's Sidecar": ([sidecar("*/*", where=ROOT, **policy("REGISTRY_ONLY"))], "REGISTRY_ONLY"),
    "another workload's Sidecar": ([sidecar("*/*", selector={"app": "x"}, **policy("REGISTRY_ONLY"))], "ALLOW_ANY"),
    "a mesh configuration that is no map": ([mesh_config("- x")], "ALLOW_ANY"),
    "a mesh configuration that is no YAML": ([mesh_config("a: [")], "ALLOW_ANY"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "mode"), POLICIES.values(), ids=POLICIES)
def test_policy_for_what_matches_nothing(objects: list[Obj], mode: str) -> None:
    assert Visibility(Snapshot(objects), VIEWER).outbound_policy() == mode


@pytest.mark.parametrize(
    ("pattern", "host", "covers"),
    [
        ("*", "a.b", True), ("a.b", "a.b", True), ("A.b", "a.B", True), ("*.b", "a.b", True), ("*.b", "x.a.b", True),
        ("*.b", "b", False), ("*.b", "*.b", True), ("*.b", "*.a.b", True), ("*.a.b", "*.b", False), ("a.b", "x.b", False),
        ("*.b", "ab", False),
    ],
)  # fmt: skip
def test_patterns_of_hosts(pattern: str, host: str, covers: bool) -> None:
    assert host_matches(pattern, host) is covers


def test_a_name_without_dots_is_completed() -> None:
    assert [short_name(item, APPS, "cluster.local") for item in ("shop", "shop.apps", "*", "")] == [FQDN, "shop.apps", "*", ""]


def test_the_oldest_comes_first_and_manifests_last() -> None:
    def made(name: str, created: str) -> dict[str, Any]:
        return destination_rule("x", name=name, created=created)

    items = [made("c", ""), made("b", "2024-01-02T00:00:00Z"), made("d", "2024-01-01T00:00:00Z"), made("a", "2024-01-02T00:00:00Z")]
    assert [item["metadata"]["name"] for item in oldest(items)] == ["d", "a", "b", "c"]
