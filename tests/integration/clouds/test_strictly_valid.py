# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module would create for a platform, on a real API server under strict validation, by the vendors' own definitions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.clouds.conftest import GATEWAY
from tests.integration.clouds.scenarios import CERTIFICATE, HOST, KINDS
from tests.integration.support.cluster import Cluster
from tests.integration.support.modules import module


@pytest.mark.parametrize(("platform", "options", "tls", "definitions"), KINDS.values(), ids=KINDS)
def test_objects_are_strictly_valid(
    cluster: Cluster, kinds: set[str], platform: str, options: dict[str, Any], tls: bool, definitions: str
) -> None:
    if definitions and definitions not in kinds:
        pytest.skip(f"SKIPPED, not validated: the vendor's CustomResourceDefinitions ({definitions}) are not on this machine")
    backend = {"namespace": "apps", "service": "echo-http", "port": 80}
    result = module(
        cluster, "chained_gateway", check=True, platform=platform, platform_options=options,
        gateway={**GATEWAY, "tls": {"mode": "simple", "credential_name": CERTIFICATE} if tls else {"mode": "none"}},
        hosts=[{"host": HOST, "paths": [{"path": "/", "path_type": "Prefix", "backend": backend}]}],
    )  # fmt: skip
    made = [change["after"] for change in result["changes"] if change["action"] == "create"]
    own = [item for item in made if item["kind"] not in ("VirtualService", "Gateway") or "istio.io" not in item["apiVersion"]]
    assert own and all(item["metadata"]["namespace"] == GATEWAY["namespace"] for item in made)
    for item in made:
        cluster.run("create", "--dry-run=server", "--validate=strict", "--filename=-", stdin=json.dumps(item))
