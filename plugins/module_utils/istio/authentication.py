# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Effective PeerAuthentication: does a pod's port accept plaintext, mutual TLS, or both?

Source: istio/istio pilot/pkg/model/authentication.go (MergePeerAuthentication): workload beats namespace beats mesh; within
one level the oldest policy counts; a port's mode beats its policy's mode; UNSET inherits.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..kube.kinds import PEER_AUTHENTICATION
from ..kube.objects import Obj, created_at, dig, labels_of, name_of, namespace_of
from ..kube.pods import by_namespace
from ..kube.selectors import selects
from ..kube.snapshot import Snapshot
from .mesh import MESH_DEPENDS, is_discovered, read_mesh

PERMISSIVE = "PERMISSIVE"
_DEPENDS = (PEER_AUTHENTICATION, *MESH_DEPENDS)


def effective_mode(snapshot: Snapshot, pod: Obj, port: int) -> str:
    """Return ``STRICT``, ``PERMISSIVE`` or ``DISABLE`` for one port (the pod's own number) of a pod (or pod template)."""
    namespace, labels = namespace_of(pod), labels_of(pod)
    key = ("effective_mode", namespace, port, tuple(labels.items()))
    # Policies of the root namespace are the mesh's: one with a selector is for nobody, not even for pods there.
    return snapshot.cached(key, lambda view: _own_mode(
        _policies(view, namespace) if namespace != read_mesh(view).root_namespace else [], labels, port
    ) or namespace_mode(view, namespace), _DEPENDS)


def _policies(snapshot: Snapshot, namespace: str) -> list[Obj]:
    """The policies of a namespace that istiod looks at."""
    return snapshot.lookup(PEER_AUTHENTICATION, by_namespace, namespace) if is_discovered(snapshot, namespace) else []


def _own_mode(policies: list[Obj], labels: dict[str, str], port: int) -> str:
    """What the policy that selects a pod says for a port, empty where it says nothing or there is none."""
    own = [item for item in oldest_first(policies) if selects(dig(item, "spec", "selector", "matchLabels"), labels)]
    if not own:
        return ""
    return _mode(dig(own[0], "spec", "portLevelMtls", str(port))) or _port_mode(own[0], port) or _mode(dig(own[0], "spec", "mtls"))


def namespace_mode(snapshot: Snapshot, namespace: str) -> str:
    """Return the mode that namespace-wide and mesh-wide policies give, which is what automatic mutual TLS looks at first."""
    return snapshot.cached(("namespace_mode", namespace), lambda view: _wide_mode(
        _policies(view, scope) for scope in (namespace, read_mesh(view).root_namespace)
    ), _DEPENDS)


def _wide_mode(levels: Iterable[list[Obj]]) -> str:
    """What the oldest policy without a selector says, of the first level where it says something."""
    wide = ([item for item in oldest_first(level) if not dig(item, "spec", "selector", "matchLabels")] for level in levels)
    return next(filter(None, (_mode(dig(found[0], "spec", "mtls")) for found in wide if found)), PERMISSIVE)


def oldest_first(policies: list[Obj]) -> list[Obj]:
    """Policies in the order in which Istio looks at them."""
    return sorted(policies, key=lambda item: (created_at(item), name_of(item), namespace_of(item)))


def _port_mode(policy: Obj, port: int) -> str:
    # Port keys are numbers in the API's Go types, so a YAML parser may hand them over as integers.
    return _mode(dig(policy, "spec", "portLevelMtls", default={}).get(port))


def _mode(mtls: Obj | None) -> str:
    mode = str((mtls or {}).get("mode") or "UNSET")
    return "" if mode == "UNSET" else mode
