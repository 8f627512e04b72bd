# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a workload from getting a sidecar that captures its traffic."""

from __future__ import annotations

from collections.abc import Iterator

from ..kube import kinds
from ..kube.objects import Obj, containers_of, dig, labels_of
from ..kube.snapshot import Snapshot
from .ambient import is_ambient
from .injection import NEVER_INJECTED, has_proxy
from .mesh import AMBIENT_LABEL, has_cni, injects, is_discovered, read_mesh

ENFORCED = "pod-security.kubernetes.io/enforce"
PROXY_USER = 1337
"""User and group of Istio's proxy; traffic of other processes that run as it is not captured either."""


def injection_blockers(snapshot: Snapshot, namespace: str, template: Obj, revision: str = "") -> Iterator[str]:
    """Sentences that each say why a sidecar is impossible or would not help; none where nothing stands in the way."""
    if not read_mesh(snapshot).installed:
        yield "Istio is not installed"
    elif snapshot.source.live and not any(map(injects, snapshot.all(kinds.WEBHOOK))) and snapshot.readable(kinds.WEBHOOK):
        yield "no sidecar injector is registered (no MutatingWebhookConfiguration of Istio)"
    if dig(template, "spec", "hostNetwork", default=False):
        yield "it runs on the host's network (hostNetwork: true), where pods are never injected"
    if not is_discovered(snapshot, namespace, revision):
        yield (
            f"istiod's discoverySelectors leave namespace {namespace} out, so it puts no istio-ca-root-cert there, without which no pod "
            "with a sidecar starts"
        )
    if namespace in NEVER_INJECTED:
        yield f"the injector leaves namespace {namespace} out"
    user = next(_proxy_users(template), "")
    if user:
        yield f"{user} runs as user or group {PROXY_USER}, whose traffic is never captured"
    own = labels_of(snapshot.get(kinds.NAMESPACE, "", namespace) or {})
    if is_ambient(snapshot, namespace, labels_of(template)):
        by_namespace = own.get(AMBIENT_LABEL) == "ambient"
        yield f"namespace {namespace} is enrolled in ambient mode" if by_namespace else "its pods are in ambient mode"
    level = own.get(ENFORCED, "")
    if level in ("baseline", "restricted") and not has_cni(snapshot, revision) and not has_proxy(template):
        yield (
            f"namespace {namespace} enforces the Pod Security level {level}, which forbids istio-init the capability NET_ADMIN; with "
            "Istio's CNI plugin there is no istio-init"
        )


def _proxy_users(template: Obj) -> Iterator[str]:
    for source, context in [("the pod", dig(template, "spec", "securityContext", default={}))] + [
        (f"container {item.get('name')}", item.get("securityContext") or {})
        for item in containers_of(template) if item.get("name") != "istio-proxy"
    ]:
        if PROXY_USER in (context.get("runAsUser"), context.get("runAsGroup")):
            yield source
