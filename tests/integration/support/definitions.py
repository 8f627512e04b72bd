# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""CustomResourceDefinitions on the cluster, as their vendors wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .cluster import Cluster, Obj


def install_definitions(cluster: Cluster, items: Iterable[Obj]) -> list[str]:
    """Install them and wait until they are served; gives their names for kubectl."""
    made = list(items)
    # Some are too large for the annotation that plain apply keeps, and kubectl refuses what the API server takes (null in an enum).
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    cluster.run("apply", "--server-side", "--validate=false", "--filename=-", stdin=content)
    names = [f"crd/{item['metadata']['name']}" for item in made]
    cluster.run("wait", "--for=condition=Established", "--timeout=60s", *names)
    return names
