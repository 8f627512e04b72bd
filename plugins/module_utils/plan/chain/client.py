# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's address: what the gateway has to be told so that it reads it where the load balancer leaves it.

The setting is ``gatewayTopology`` of the proxy's configuration: in the annotation ``proxy.istio.io/config`` of the gateway's pods, else in
``meshConfig.defaultConfig``. Where the pods are Istio's own, the annotation is set on the Gateway, which hands it on to them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...balancers.contract.chain import ClientAddress
from ...core.findings import finding, value_details
from ...core.model import ABSENT, Finding
from ...istio.proxy_config import PROXY_CONFIG, settings_in
from ...kube.objects import Obj, dig, ref_of
from ...kube.shapes import Fault, shape

ANNOTATION = PROXY_CONFIG
HOPS, PROXY = "numTrustedProxies", "proxyProtocol"
_OWN = shape("gatewayTopology{numTrustedProxies% proxyProtocol{}} proxyMetadata=")


def topology_for(client: ClientAddress) -> dict[str, Any] | None:
    """``gatewayTopology`` for a way to learn the client's address; ``None`` where nothing is to be said."""
    if client.mode == "x_forwarded_for":
        return {HOPS: client.trusted_hops}
    if client.mode == "proxy_protocol":
        return {PROXY: {}}
    return {} if client.mode == "source_address" else None


def wanted_annotation(
    general: dict[str, Any], holder: Obj | None, present: str | None, client: ClientAddress, metadata: dict[str, str]
) -> tuple[str | None, list[Finding]]:
    """The annotation's value that is needed, ``None`` where none is; ``present`` is what is there, and ``general`` the
    mesh-wide ``gatewayTopology``.

    ``metadata`` are environment variables of the proxy. What somebody set otherwise is finding MLB609, and is left.
    """
    wanted = topology_for(client)
    own = settings_in(present)
    if own is None:
        return None, [_conflict(holder, f"{ANNOTATION} is no YAML map, so nothing can be added to it")]
    faults: list[Fault] = []
    _OWN.mend(own, (), faults)
    if faults:
        return None, [_conflict(holder, f"in {ANNOTATION}, {faults[0]}")]
    topology = own.get("gatewayTopology", general) or {}
    conflicts = [_conflict(holder, *difference) for difference in _differences(topology, wanted)]
    if conflicts:
        return None, conflicts
    added = {key: value for key, value in (wanted or {}).items() if key not in topology and (value or key == PROXY)}
    missing = {key: value for key, value in metadata.items() if dig(own, "proxyMetadata", key) != value}
    if not added and not missing:
        return None, []
    # The annotation's topology replaces the mesh's as a whole, so what holds already is said again.
    merged = dict(own)
    if added:
        merged["gatewayTopology"] = {**topology, **added}
    if missing:
        merged["proxyMetadata"] = {**dig(own, "proxyMetadata", default={}), **missing}
    return json.dumps(merged, sort_keys=True), []


def _differences(topology: dict[str, Any], wanted: dict[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    if wanted is None:
        return
    hops, needed = topology.get(HOPS) or 0, wanted.get(HOPS, 0)
    # A number may be written as a text.
    if str(hops) != str(needed) and (HOPS in topology):
        yield f"{HOPS} is {hops}, and {needed} is needed", value_details(HOPS, hops, needed)
    if PROXY in topology and PROXY not in wanted:
        yield f"{PROXY} is set, and the load balancer sends no PROXY header", value_details(PROXY, topology[PROXY], ABSENT)


def _conflict(holder: Obj | None, text: str, details: dict[str, Any] | None = None) -> Finding:
    return finding("MLB609", text, ref_of(holder) if holder else None, details=details)
