# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be said about the reading itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.findings import finding
from ..core.model import Finding, LoadBalancer
from ..kube.reading import about_unreadable
from ..kube.rights import hint_for
from ..kube.snapshot import Snapshot


def about_absence(snapshot: Snapshot, found: Sequence[LoadBalancer]) -> Iterator[Finding]:
    """That there is no load balancer at all: perhaps another cluster is meant."""
    if not found:
        yield finding("MLB119", f"no load balancer was found in {snapshot.source.server or 'this cluster'}")


def about_reading(snapshot: Snapshot) -> Iterator[Finding]:
    """Kinds and objects that could not be read, and kinds that are not served: whatever depends on them is not known."""
    for kind, sentence in sorted(snapshot.source.denied.items()):
        yield finding("MLB105", f"{kind}: {sentence}", remedy=hint_for(kind), details={"kind": kind})
    for kind, sentence in sorted(snapshot.source.gone.items()):
        yield finding("MLB110", f"{kind}: {sentence}", details={"kind": kind})
    yield from about_unreadable(snapshot.source)
    yield from snapshot.source.remarks
