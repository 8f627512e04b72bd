# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documented roles grant what the code declares that it writes, and no more."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import yaml

from tests.tools.generate_docs import rbac
from tests.tools.generate_docs.frame import imported
from tests.tools.stage_collection import ROOT
from tests.unit.plugins.module_utils.support import written

WRITES = {"create", "update", "patch", "delete", "deletecollection"}
DECLARED, REGISTRY = imported(ROOT, "plan.writes"), imported(ROOT, "balancers.registry").REGISTRY
FILES = sorted((ROOT / "docs" / "rbac").glob("*.yaml"))


@cache
def roles() -> dict[str, list[Any]]:
    """Rules of every documented role, by its name."""
    found = {}
    for file in FILES:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        for role in document.get("items", [document]):
            assert role["metadata"]["name"] not in found, "one name for two roles"
            found[role["metadata"]["name"]] = role["rules"]
    return found


def granted(names: list[str]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for name in names:
        for rule in roles()[name]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def needed(writes: list[Any]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for item in writes:
        found.setdefault((item.kind.partition(".")[2], rbac.plural(item.kind)), set()).update(item.verbs)
    return found


def everything() -> list[Any]:
    of_profiles = [
        item for profile in REGISTRY.profiles
        for of in (DECLARED.routing_writes, DECLARED.sidecar_writes, DECLARED.chain_writes) for item in of(profile)
    ]  # fmt: skip
    return [*DECLARED.ROUTING, *DECLARED.SIDECAR, *DECLARED.CHAIN, *of_profiles]


def test_no_role_lets_anything_be_written_that_is_not_declared() -> None:
    declared = needed(everything())
    declared[("coordination.k8s.io", "leases")] = {"create", "patch", "delete"}
    # These are no objects that are kept: a connection to a pod.
    declared[("", "pods/portforward")] = declared[("", "pods/exec")] = {"create"}
    for place, verbs in granted(list(roles())).items():
        assert verbs & WRITES <= declared.get(place, set()), f"{place}: {sorted(verbs & WRITES)}"


@pytest.mark.parametrize("profile", list(REGISTRY.profiles), ids=lambda item: item.about.id)
def test_the_roles_of_a_load_balancer_suffice_for_it_and_for_no_other(profile: Any) -> None:
    own = [name for name in rbac.vendor_roles(DECLARED, profile) if name in roles()]
    common = list(rbac.common_roles(DECLARED))
    writes = [item for of in (DECLARED.routing_writes, DECLARED.sidecar_writes, DECLARED.chain_writes) for item in of(profile)]
    has = granted([*own, *common])
    for place, verbs in needed(writes).items():
        assert verbs <= has[place], f"{place} lacks {sorted(verbs - has[place])}"
    for place, verbs in granted(own).items():
        assert verbs <= needed(writes)[place], f"{place} has {sorted(verbs - needed(writes)[place])} too much"


@pytest.mark.parametrize(("group", "resource"), [
    ("helm.cattle.io", "helmcharts"), ("gateway.networking.k8s.io", "gatewayclasses"), ("getambassador.io", "hosts"),
    ("traefik.io", "middlewares"), ("apiextensions.k8s.io", "customresourcedefinitions"), ("", "namespaces"), ("", "pods"), ("", "nodes"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"), ("networking.k8s.io", "ingressclasses"),
    ("networking.istio.io", "sidecars"),
])  # fmt: skip
def test_what_is_only_read_is_never_written(group: str, resource: str) -> None:
    assert not granted(list(roles())).get((group, resource), set()) & WRITES


@pytest.mark.parametrize(("group", "resource"), [
    ("apps", "deployments"), ("traefik.io", "ingressroutes"), ("k8s.nginx.org", "virtualservers"), ("apisix.apache.org", "apisixroutes"),
    ("gateway.envoyproxy.io", "envoyproxies"), ("zalando.org", "routegroups"), ("getambassador.io", "tcpmappings"),
])  # fmt: skip
def test_what_is_only_patched_is_neither_created_nor_deleted(group: str, resource: str) -> None:
    assert granted(list(roles()))[(group, resource)] & WRITES == {"patch"}


def test_the_table_of_writes_has_every_declaration() -> None:
    text = (ROOT / "docs" / "writes.md").read_text(encoding="utf-8")
    for item in everything():
        if item.named is not None or item.fields:
            assert f"| {item.kind} |" in text
        for field in item.fields:
            assert f"`{field.pointer}`" in text


def test_every_right_to_write_is_used() -> None:
    """Runs last: by then the other tests have had the code write whatever it can."""
    if not any(written.COMPLETE):
        pytest.skip("only some of the unit tests were selected")
    patched = {item.kind for item in everything() if item.fields}
    made = {item.kind for item in everything() if item.named is not None}
    assert patched - written.PATCHED == set(), "nothing sets a field of these"
    assert made - written.MADE == set(), "nothing makes these"


@pytest.mark.parametrize("profile", list(REGISTRY.profiles), ids=lambda item: item.about.id)
def test_every_right_of_a_load_balancer_is_used_by_its_own_code(profile: Any) -> None:
    """Runs last, as above."""
    if not any(written.COMPLETE):
        pytest.skip("only some of the unit tests were selected")
    assert unused(profile) == (set(), set()), "what nothing sets a field of, and what nothing makes"


def unused(profile: Any) -> tuple[set[str], set[str]]:
    """Kinds that are declared for a load balancer and that its own code was not seen to set a field of, or to make."""
    own = [item for of in (DECLARED.routing_writes, DECLARED.sidecar_writes, DECLARED.chain_writes) for item in of(profile)]
    patched = {item.kind for item in own if item.fields} - written.PATCHED_FOR[profile.about.id]
    made = {item.kind for item in own if item.named is not None} - written.MADE_FOR[profile.about.id]
    return patched, made
