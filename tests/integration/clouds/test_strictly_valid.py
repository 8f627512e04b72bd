# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module would create for a platform, on a real API server under strict validation, by the vendors' own definitions."""

from __future__ import annotations

import json

import pytest

from tests.integration.clouds.conftest import GATEWAY
from tests.integration.clouds.scenarios import CERTIFICATE, HOST, KINDS, UNTYPED, Way
from tests.integration.support.cluster import Cluster
from tests.integration.support.modules import module


@pytest.mark.parametrize("way", KINDS.values(), ids=KINDS)
def test_objects_are_strictly_valid(cluster: Cluster, kinds: set[str], way: Way) -> None:
    lacking = sorted(set(way.folders) - kinds)
    if set(lacking) - set(UNTYPED):
        pytest.skip(f"SKIPPED, not validated: the vendor's CustomResourceDefinitions ({', '.join(lacking)}) are not on this machine")
    backend = {"namespace": "apps", "service": "echo-http", "port": 80}
    result = module(
        cluster, "chained_gateway", check=True, platform=way.platform, platform_options=way.options, https_redirect=way.redirect,
        gateway={**GATEWAY, "tls": {"mode": "simple", "credential_name": CERTIFICATE} if way.tls else {"mode": "none"}},
        hosts=[{"host": HOST, "paths": [{"path": "/", "path_type": "Prefix", "backend": backend}]}],
    )  # fmt: skip
    made = [change["after"] for change in result["changes"] if change["action"] == "create"]
    own = [item for item in made if item["kind"] not in ("VirtualService", "Gateway") or "istio.io" not in item["apiVersion"]]
    assert own and all(item["metadata"]["namespace"] == GATEWAY["namespace"] for item in made)
    groups = {name.partition(".")[2] for name in way.writes}
    named = {f"{item['kind']}.{item['apiVersion'].partition('/')[0]}" for item in own}
    assert {name for name in named if name.partition(".")[2] in groups} == set(way.writes)
    for item in made:
        cluster.run("create", "--dry-run=server", "--validate=strict", "--filename=-", stdin=json.dumps(item))
    if lacking:
        pytest.skip(f"SKIPPED, not validated: {', '.join(way.writes)}, whose definitions cannot be had; the objects beside them were")
