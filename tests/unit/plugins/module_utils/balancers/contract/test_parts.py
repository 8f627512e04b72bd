# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts each profile is put together from, and that parts and the smallest profiles stay small."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers import registry
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import ChainSide, HealthChecker
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.instances import InstanceReader
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.profile import Profile, Registry
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.recognition import Recogniser
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.routes import RouteReader
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.switches import Switches

MOST_MEMBERS = 7
SMALL = 25
PARTS = {
    "alibaba_alb": "recogniser routes chain health",
    "alibaba_clb": "recogniser routes chain health",
    "apisix": "recogniser instance routes switches",
    "avi": "recogniser routes",
    "aws_alb": "recogniser routes chain health",
    "aws_nlb": "recogniser routes chain health",
    "azure_agc": "recogniser instance routes chain health",
    "azure_agic": "recogniser routes chain health",
    "azure_lb": "recogniser routes chain health",
    "caddy": "recogniser instance routes switches",
    "cilium": "recogniser instance routes",
    "cloudflare_tunnel": "recogniser routes chain health",
    "contour": "recogniser instance routes chain",
    "digitalocean_lb": "recogniser routes chain health",
    "easegress": "recogniser instance routes",
    "emissary": "recogniser instance routes switches chain",
    "envoy_gateway": "recogniser instance routes switches chain",
    "f5_cis": "recogniser instance routes chain health",
    "f5_nginx": "recogniser instance routes switches chain",
    "gke_gateway": "recogniser routes chain health",
    "gke_ingress": "recogniser routes chain health",
    "gke_neg": "recogniser routes chain health",
    "gloo": "recogniser routes",
    "haproxy_ingress": "recogniser instance routes switches chain",
    "haproxytech": "recogniser instance routes chain",
    "higress": "recogniser instance routes",
    "ingress_nginx": "recogniser instance routes switches chain",
    "kgateway": "recogniser instance routes",
    "kong": "recogniser instance routes switches chain",
    "netscaler": "recogniser instance routes",
    "nginx_gateway_fabric": "recogniser instance routes switches",
    "ngrok": "recogniser instance routes switches",
    "oci_lb": "recogniser routes chain health",
    "openshift_router": "recogniser instance routes chain",
    "pomerium": "recogniser instance routes switches",
    "skipper": "recogniser instance routes chain",
    "tailscale": "recogniser instance routes switches",
    "traefik": "recogniser instance routes switches chain",
    "tyk": "recogniser instance routes switches",
    "voyager": "recogniser instance routes",
}


def parts_in_use(profile: Profile) -> list[str]:
    """The parts, besides the facts about it, that a profile does not leave as they come."""
    names = []
    for item in fields(Profile):
        usual = item.default_factory() if item.default_factory is not MISSING else item.default
        if item.name != "about" and getattr(profile, item.name) != usual:
            names.append(item.name)
    return names


def test_each_profile_has_these_parts() -> None:
    found = {item.about.id: " ".join(parts_in_use(item)) for item in registry.PROFILES}
    assert found == PARTS


@pytest.mark.parametrize("part", [Profile, Registry, Recogniser, InstanceReader, RouteReader, Switches, ChainSide, HealthChecker])
def test_no_contract_has_more_than_seven_members(part: type) -> None:
    members = {name for name in (*inspect.get_annotations(part), *vars(part)) if not name.startswith("_")}
    assert len(members) <= MOST_MEMBERS


def test_two_profiles_of_two_parts_are_small() -> None:
    folder = Path(registry.__file__).parent
    small = [
        item.about.id for item in registry.PROFILES
        if len(parts_in_use(item)) >= 2 and len((folder / item.about.id / "profile.py").read_text(encoding="utf-8").splitlines()) <= SMALL
    ]
    assert len(small) >= 2
