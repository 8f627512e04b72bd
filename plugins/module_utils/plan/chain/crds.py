# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of the Gateway API: are they there, and new enough for Istio to look at them?

Istio skips kinds whose CustomResourceDefinitions are older than it needs (istio/istio pilot/pkg/config/kube/crdclient, the annotation
``gateway.networking.k8s.io/bundle-version``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...balancers.kit.patches import is_older
from ...kube.objects import Obj, annotations_of, dig
from ...kube.snapshot import Snapshot

DEFINITION = "CustomResourceDefinition.apiextensions.k8s.io"
BUNDLE = "gateway.networking.k8s.io/bundle-version"
GROUP = "gateway.networking.k8s.io"
# Kind: the lowest version of its definition, and the version of Istio from which on that is asked for.
_LOWEST: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "Gateway": ((1, 0, 0), (1, 22, 0)),
    "HTTPRoute": ((1, 0, 0), (1, 22, 0)),
    "GRPCRoute": ((1, 1, 0), (1, 23, 0)),
    "BackendTLSPolicy": ((1, 4, 0), (1, 28, 0)),
    "TLSRoute": ((1, 5, 0), (1, 30, 0)),
    "TCPRoute": ((1, 6, 0), (1, 31, 0)),
}


def by_kind(definition: Obj) -> Iterator[str]:
    """Index of CustomResourceDefinitions by kind key."""
    yield f"{dig(definition, 'spec', 'names', 'kind', default='')}.{dig(definition, 'spec', 'group', default='')}"


def old_kinds(snapshot: Snapshot, used: Iterable[str], istio: str) -> Iterator[tuple[str, str]]:
    """Each of the kind keys that the cluster does not serve, or that is too old for this Istio, with the reason."""
    for key in used:
        if "." not in key:
            continue
        if snapshot.source.live and not snapshot.serves(key) and snapshot.readable(key):
            yield key, "the API server does not serve it; install its CustomResourceDefinition"
            continue
        kind, dummy, group = key.partition(".")
        if group != GROUP or kind not in _LOWEST:
            continue
        lowest, since = _LOWEST[kind]
        found = next(iter(snapshot.lookup(DEFINITION, by_kind, key)), None)
        version = annotations_of(found).get(BUNDLE, "").lstrip("v") if found else ""
        if version and is_older(version, *lowest) and not is_older(istio, *since):
            needed = ".".join(map(str, lowest[:2]))
            yield key, f"its definition is of version {version}, and Istio {istio or 'of this cluster'} needs {needed}"
