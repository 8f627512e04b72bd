# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The generated table of platforms says what their facts say, and what stand-ins show."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.facts import Capability, ProofLevel

from tests.integration.clouds.scenarios import KINDS, SCENARIOS, UNTYPED, shown, validated
from tests.tools.generate_docs import platforms

FACTS: dict[str, Any] = {
    "hops": 1, "forwarded_for": "appended", "proxy_protocol": False, "server_name": "never", "tls_to_gateway": "by a setting",
    "health": "a check", "objects": (
        "Ingress", "Policy"
    ), "service_type": "ClusterIP", "minimum": "", "standalone": Capability(True, "yes"),
    "standalone_mtls": Capability(False, "no"), "cannot": ("fly",), "proof": ProofLevel.SOURCE,
}  # fmt: skip


def profile(title: str = "Balancer", *, outside: str = "far away", **facts: Any) -> Any:
    option = SimpleNamespace(name="size", description="How large.", choices=("small", "big"))
    found = {**FACTS, "options": (option,), **facts}
    return SimpleNamespace(
        about=SimpleNamespace(id=title.lower(), title=title, also_called=("other",), outside=outside),
        chain=SimpleNamespace(facts=SimpleNamespace(**found)) if found["proof"] is not ProofLevel.NONE else None,
    )


@pytest.fixture(autouse=True)
def no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The profiles of these tests have no file."""
    monkeypatch.setattr(platforms, "documentation", lambda vendor: "")


def lines(*profiles: Any, shows: dict[str, list[str]] | None = None) -> list[str]:
    return platforms.page(profiles, shows or {}).splitlines()


def test_rows_by_title_and_only_of_what_is_known() -> None:
    rows = [line for line in lines(profile("b"), profile("a"), profile("c", proof=ProofLevel.NONE)) if "| read in" in line]
    assert rows == [f"| {name} | `{name}` | yes | no | yes | read in the vendor's source |" for name in "ab"]


def test_what_stand_ins_show_by_either_name() -> None:
    (row,) = [line for line in lines(profile(), shows={"other": ["one thing", "another"]}) if "stand-in: one" in line]
    assert row.endswith("| read in the vendor's source; stand-in: one thing; another |")


MTLS: dict[str, tuple[dict[str, Any], str]] = {
    "outside": ({}, "| no | yes |"),
    "in the cluster": ({"outside": ""}, "| yes, with a sidecar beside it or its own certificate | yes |"),
    "as it says itself": ({"outside": "", "standalone_mtls": Capability(False, "no: an operator")}, "| no: an operator | yes |"),
    "from a version on": ({"minimum": "2.0"}, "| no | yes (2.0) |"),
}


@pytest.mark.parametrize(("facts", "expected"), MTLS.values(), ids=MTLS)
def test_without_a_gateway(facts: dict[str, Any], expected: str) -> None:
    assert any(expected in line for line in lines(profile(**facts)))


CELLS: dict[str, tuple[dict[str, Any], str]] = {
    "appended": ({}, "| it appends 1 entry to X-Forwarded-For | by a setting; no server name is sent |"),
    "two, anew": ({"hops": 2, "forwarded_for": "replaced"}, "| it writes X-Forwarded-For anew (2 entries) |"),
    "PROXY protocol": (
        {"hops": 0, "forwarded_for": "absent", "proxy_protocol": True, "server_name": "client"},
        "| PROXY protocol; the connection's own address where it is kept |"),
    "neither": ({"hops": 0, "forwarded_for": "absent", "server_name": "client"}, "| the connection's own address where it is kept |"),
    "where it reads HTTP, else not": (
        {"server_name": "client"}, "| it appends 1 entry to X-Forwarded-For; the connection's own address where it is kept |"),
    "no TLS": ({"tls_to_gateway": ""}, "| none |"),
    "a name that is said": ({"tls_to_gateway": "by a key; no server name"}, "| by a key; no server name |"),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "expected"), CELLS.values(), ids=CELLS)
def test_with_a_gateway(facts: dict[str, Any], expected: str) -> None:
    begin = "| Balancer | Ingress, Policy | ClusterIP | a check |"
    assert any(line.startswith(begin) and expected in line for line in lines(profile(**facts)))


def test_settings_and_limits() -> None:
    text = "\n".join(lines(profile()))
    assert "Named in `platform`: `balancer`, `other`." in text
    assert "- `size`: How large. One of `small`, `big`." in text and "It cannot:\n\n- fly" in text


SOURCES: dict[str, tuple[str, list[str]]] = {
    "a source": ("Title.\n\nSource: one\nplace.", ["Source: one place."]),
    "and what is open": ("Title.\n\nSource: a place. UNCONFIRMED: its\ncolour.", ["Source: a place.", "Not confirmed: its colour."]),
    "none": ("Title.", []),
}


@pytest.mark.parametrize(("text", "expected"), SOURCES.values(), ids=SOURCES)
def test_sources_are_those_of_the_file(monkeypatch: pytest.MonkeyPatch, text: str, expected: list[str]) -> None:
    monkeypatch.setattr(platforms, "documentation", lambda vendor: text)
    assert [line for line in lines(profile()) if line.startswith(("Source:", "Not confirmed:"))] == expected


def test_proof_is_what_the_tests_show() -> None:
    (row,) = [line for line in platforms.page([profile()], {}, {"other"}).splitlines() if "| `balancer`" in line]
    assert row.endswith("| validated against the vendor's schema |")
    (row,) = [line for line in lines(profile(outside="", proof=ProofLevel.LAB)) if "| `balancer`" in line]
    assert row.endswith("| measured in the lab |")


def test_facts_say_what_the_tests_show() -> None:
    utils = "ansible_collections.meshlb.istio.plugins.module_utils"
    found = import_module(f"{utils}.balancers.registry").PROFILES
    names = {item.about.id: {item.about.id, *item.about.also_called} for item in found if item.about.outside}
    say_so = {item.about.id for item in found if item.about.outside and item.chain and item.chain.facts.proof.value == platforms.VALIDATED}
    assert say_so == {name for name, called in names.items() if called & set(validated())}


def test_every_folder_of_definitions_has_an_origin() -> None:
    folders = {folder for way in KINDS.values() for folder in way.folders}
    assert folders == {*platforms.FROM, *platforms.NOT_FROM}
    assert set(UNTYPED) == set(platforms.NOT_FROM)
    assert {item.definitions for item in SCENARIOS.values()} - {""} <= folders
    versions = platforms.module_versions(Path(__file__).parents[3])
    assert set(platforms.FROM.values()) <= set(versions)
    text = platforms.page([], {}, versions=versions)
    names = "BackendConfig (`cloud.google.com`), FrontendConfig, ManagedCertificate (`networking.gke.io`)"
    modules = [f"{name} {versions[name]}" for name in ("k8s.io/ingress-gce", "github.com/GoogleCloudPlatform/gke-managed-certs")]
    assert f"| {names} | {', '.join(modules)} |" in text
    assert text.count("(`cis.f5.com`)") == 1


def test_no_registry_no_page(tmp_path: Path) -> None:
    assert platforms.pages(tmp_path) == {}


def test_scenarios_of_stand_ins() -> None:
    assert sorted(shown()) == sorted({item.platform for item in SCENARIOS.values()})
    for item in SCENARIOS.values():
        assert (item.hops > 0) == (item.learns == "x_forwarded_for")
        assert item.tls or not item.passes_tls
