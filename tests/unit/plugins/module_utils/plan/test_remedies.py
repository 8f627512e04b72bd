# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever does what a finding advises is not worse off than before."""

from __future__ import annotations

import json

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.catalogue import CATALOGUE
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    Obj,
    backend,
    ingress,
    ingress_class,
    live,
    namespace,
    nginx,
    path,
    peer_authentication,
    pod,
    port,
    service,
)
from tests.unit.plugins.module_utils.support.planning import Run, run

TRAFFIC = "traffic.sidecar.istio.io"
BETTER = ("refused", "unknown", "mixed", "plaintext", "mutual_tls")
OPEN, STRICT = peer_authentication("PERMISSIVE"), peer_authentication()
INJECTED = [namespace(EDGE, istio_injection="enabled"), namespace(APPS), ingress_class()]
ALL_INBOUND: dict[str, str] = {}
QUIET = {f"{TRAFFIC}/includeInboundPorts": ""}


def edge(annotations: dict[str, str], *objects: Obj) -> Snapshot:
    return live(*INJECTED, nginx(annotations=annotations), *objects)


def shop(name: str = "http", **annotations: str) -> list[Obj]:
    return [service("shop", port(name)), pod("shop", http=8080), ingress("shop", path(backend("shop")), **annotations)]


BACKENDS: dict[str, list[Obj]] = {
    "pods": [*shop(), STRICT], "plaintext is taken": [*shop(), OPEN],
    "the Service's address": [*shop("web", service_upstream="true"), STRICT],
    "its own TLS": [*shop(backend_protocol="HTTPS"), OPEN], "its own TLS to STRICT pods": [*shop("web", backend_protocol="HTTPS"), STRICT],
    "no sidecar there": [service("shop"), pod("shop", sidecar=False), ingress("shop", path(backend("shop"))), OPEN],
}  # fmt: skip
SETTINGS: dict[str, dict[str, str]] = {
    "inbound is captured": ALL_INBOUND,
    "nothing goes out through it": {**QUIET, f"{TRAFFIC}/includeOutboundIPRanges": ""},
    "some ranges do": {**QUIET, f"{TRAFFIC}/includeOutboundIPRanges": "10.96.0.0/12"},
    "ranges do not": {**QUIET, f"{TRAFFIC}/excludeOutboundIPRanges": "10.1.0.0/16"},
    "ports do not": {**QUIET, f"{TRAFFIC}/excludeOutboundPorts": "8080"},
}  # fmt: skip


def done(annotations: dict[str, str], codes: set[str]) -> dict[str, str]:
    """The annotations after the advice of these findings was followed."""
    followed = {**annotations, **(QUIET if "MLB303" in codes else {})}
    return {key: value for key, value in followed.items() if "MLB304" not in codes or "Outbound" not in key}


def advised(found: Run) -> set[str]:
    return {item.code for item in found.plan.findings} & {"MLB303", "MLB304"}


@pytest.mark.parametrize("objects", BACKENDS.values(), ids=BACKENDS)
@pytest.mark.parametrize("annotations", SETTINGS.values(), ids=SETTINGS)
def test_advice_about_the_sidecar_makes_nothing_worse(annotations: dict[str, str], objects: list[Obj]) -> None:
    before = run(edge(annotations, *objects))
    after = run(edge(done(annotations, advised(before)), *objects))
    assert advised(after) == set()
    for was, now in zip(before.plan.routes, after.plan.routes, strict=True):
        # Of what is not known, nobody says that it works.
        assert was.after.verdict == "unknown" or BETTER.index(now.after.verdict) >= BETTER.index(was.after.verdict)


def test_a_sidecar_that_is_there_for_its_certificate_is_left_alone() -> None:
    """What the load balancer sends by its own TLS may be the mesh's, and through the sidecar it would not be."""
    nothing = SETTINGS["nothing goes out through it"]
    assert advised(run(edge(nothing, *BACKENDS["its own TLS"]))) == set()
    assert advised(run(edge(nothing, *BACKENDS["pods"]))) == {"MLB304"}
    assert advised(run(edge(SETTINGS["some ranges do"], *BACKENDS["its own TLS"]))) == {"MLB304"}


@pytest.mark.parametrize(("code", "names"), [
    ("MLB303", ["lb_sidecar", "security.istio.io/tlsMode"]), ("MLB304", ["REGISTRY_ONLY", "ServiceEntry"]), ("MLB614", ["check mode"]),
])  # fmt: skip
def test_the_advice_says_what_else_is_needed(code: str, names: list[str]) -> None:
    (known,) = (item for item in CATALOGUE if item.code == code)
    assert all(name in json.dumps(known.__dict__) for name in names)
