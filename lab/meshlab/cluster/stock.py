# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects that a vendor publishes, read as they are and written as they fit the lab."""

import json
from collections.abc import Iterable
from typing import Any

from meshlab.cluster.kubectl import kubectl
from meshlab.cluster.record import Cluster

Object = dict[str, Any]


def read(cluster: Cluster, text: str) -> list[Object]:
    """Objects of a manifest; kubectl reads its YAML."""
    printed = kubectl(cluster, "create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", stdin=text)
    return documents(printed)


def documents(text: str) -> list[Object]:
    """The objects that kubectl printed: documents one after the other, or one list of them."""
    found: list[Object] = []
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        item, position = decoder.raw_decode(text, position)
        found += item["items"] if item["kind"] == "List" else [item]
        position += len(text) - position - len(text[position:].lstrip())
    return found


def inside(service: Object) -> Object:
    """A Service as it runs here: nobody hands out addresses or ports of the node."""
    spec = service["spec"]
    spec["type"] = "ClusterIP"
    spec.pop("externalTrafficPolicy", None)
    for port in spec["ports"]:
        port.pop("nodePort", None)
    return service


def write(cluster: Cluster, objects: Iterable[Object]) -> None:
    """Apply objects."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
