# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An error that asks for a right names a documented ClusterRole that has it."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import yaml
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.names import KINDS
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds, rights

from tests.tools.generate_docs.rbac import plural

PAGES = Path(__file__).parents[5] / "docs" / "rbac"
OF_CHAINS = ("Gateway.networking.istio.io", "CustomResourceDefinition.apiextensions.k8s.io", "Endpoints")


@functools.cache
def granted() -> dict[str, set[tuple[str, str, str]]]:
    """Role -> (group, resource, verb), out of the documented manifests."""
    found: dict[str, set[tuple[str, str, str]]] = {}
    for path in sorted(PAGES.glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        for role in document.get("items", [document]):
            found[role["metadata"]["name"]] = {
                (group, resource, verb)
                for rule in role["rules"] for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]
            }
    return found


READ = {*kinds.BASE, kinds.CONFIG_MAP, *REGISTRY.route_kinds(), *REGISTRY.chain_kinds(), *KINDS, *OF_CHAINS}


@pytest.mark.parametrize("kind", sorted(READ))
def test_the_role_that_is_named_allows_the_list(kind: str) -> None:
    resource = kind.lower() if kind == "Endpoints" else plural(kind)
    for role in rights.readers(kind):
        assert (kind.partition(".")[2], resource, "list") in granted()[role]
    assert rights.hint_for(kind) == f"Bind ClusterRole {rights.readers(kind)[0]} to this user: {rights.RIGHTS_URL}."


@pytest.mark.parametrize("kind", [
    *kinds.WORKLOADS, kinds.SERVICE, kinds.DESTINATION_RULE, kinds.SERVICE_ENTRY, kinds.VIRTUAL_SERVICE, kinds.PEER_AUTHENTICATION,
    kinds.CONFIG_MAP, kinds.LEASE, "Gateway.networking.istio.io", "HTTPRoute.gateway.networking.k8s.io",
    "ReferenceGrant.gateway.networking.k8s.io",
])
def test_the_role_that_is_named_allows_the_change(kind: str) -> None:
    resource = kind.lower() if kind == "Endpoints" else plural(kind)
    assert rights.writers(kind)
    for role in rights.writers(kind):
        assert (kind.partition(".")[2], resource, "patch") in granted()[role]


def test_what_only_some_load_balancers_need_is_in_their_own_roles() -> None:
    hint = rights.hint_for(kinds.INGRESS, one=True)
    assert "the load balancer's own (meshlb-*-standalone, meshlb-*-chained or meshlb-*-exemption)" in hint
    ends = {name.rpartition("-")[2] for name in granted() if name.startswith("meshlb-ingress-nginx") or name.startswith("meshlb-aws-alb")}
    assert ends == {"standalone", "chained", "exemption"}


def test_what_no_role_grants_is_asked_for_all_the_same() -> None:
    assert rights.hint_for("") == f"Grant it to this user: {rights.RIGHTS_URL}."
    assert rights.hint_for(kinds.POD, one=True) == f"Bind ClusterRole meshlb-prove to this user: {rights.RIGHTS_URL}."
    assert "meshlb-lock" in rights.hint_for(kinds.LEASE)
