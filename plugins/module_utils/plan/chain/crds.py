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
from .surroundings import Surroundings

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


def old_kinds(around: Surroundings, used: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each of the kind keys that the cluster does not serve, or that is too old for this Istio, with the reason."""
    for key in used:
        if "." not in key:
            continue
        if around.lacks(key):
            yield key, "the API server does not serve it; install its CustomResourceDefinition"
            continue
        kind, dummy, group = key.partition(".")
        if group != GROUP or kind not in _LOWEST:
            continue
        lowest, since = _LOWEST[kind]
        version, istio = around.bundles.get(key, "").lstrip("v"), around.version
        if version and is_older(version, *lowest) and not is_older(istio, *since):
            needed = ".".join(map(str, lowest[:2]))
            yield key, f"its definition is of version {version}, and Istio {istio or 'of this cluster'} needs {needed}"
