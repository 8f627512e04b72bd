# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster shows to fail with a platform, as several of them look for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ....core.findings import finding
from ....core.model import Finding
from ....kube import kinds
from ....kube.objects import Obj
from ....kube.snapshot import Snapshot
from ...contract.chain import ChainRequest

Preflight = Callable[[Snapshot, ChainRequest], "tuple[Finding, ...]"]


def kind_is_served(kind: str, question: str) -> Preflight:
    """Whether the cluster serves a kind that the chain needs; ``question`` asks for the reason why it might not."""
    missing = (finding("MLB604", f"the cluster does not serve {kind}: {question}"),)
    return lambda snapshot, request: () if snapshot.serves(kind) else missing


def on_gateway_service(judge: Callable[[Obj, ChainRequest], Iterable[Finding]]) -> Preflight:
    """What is wrong with the gateway's Service, where there is one."""

    def preflight(snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        service = snapshot.get(kinds.SERVICE, request.gateway.namespace, request.gateway.service)
        return tuple(judge(service, request)) if service else ()

    return preflight


def joined_preflights(*preflights: Callable[[Snapshot, ChainRequest], Iterable[Finding]]) -> Preflight:
    """All of them, in this order."""
    return lambda snapshot, request: tuple(remark for preflight in preflights for remark in preflight(snapshot, request))
