# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Skipper as an ingress controller (zalando/skipper): Ingress and RouteGroup.

It has no IngressClass controller: classes are a regular expression over names.
Source: dataclients/kubernetes/ingressv1.go (serviceNameBackend), clusterclient.go (classes), config/config.go; chained mode:
net/headers.go and filters/xforward (the client's address), proxy/proxy.go (TLS), dataclients/kubernetes/clusterstate.go (Endpoints).
"""

from __future__ import annotations

from collections.abc import Iterable

from ...core.model import LoadBalancer
from ...kube.objects import Obj, dig, name_of, pod_template
from ..contract.facts import About, Facts, ProofLevel
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Recognition, Signs
from ..kit.recognition import by_signs, programs_of, words_of
from ..kit.settings import settings_of
from .chain import CHAIN
from .routes import READERS, matches_class
from .settings import Settings, read_settings

FACTS = Facts(
    routes=("Ingress", "RouteGroup"),
    service_routing_global="option kubernetes-force-service (0.22.39), Ingress only, where port and target port are the same number",
    host="filter preserveHost(\"false\") sends the backend's address",
    default="pod addresses, their address as Host (the vendor's manifests keep the client's)",
    remark="its own manifests use the host's network, where no sidecar is injected",
    proof=ProofLevel.LAB, versions="0.21.0; the option kubernetes-force-service was read, not run",
)
SIGNS = Signs(
    commands=("skipper",),
    flags=(frozenset({"kubernetes", "kubernetes-in-cluster"}), frozenset({"kubernetes", "kubernetes-path-mode"})),
    images=("skipper", "skipper-ingress"), labels=(frozenset({("application", "skipper-ingress")}),),
)


def recognise_workload(workload: Obj) -> Recognition | None:
    """By its signs, if it was started with ``-kubernetes``: else it is a proxy for something else (its Redis swarm, an east-west one)."""
    recognition = by_signs(SIGNS, workload)
    if recognition is None:
        return None
    words = words_of(recognition.container)
    is_started_so = "kubernetes" in {word.lstrip("-").partition("=")[0] for word in words}
    # Without a command line there are only labels to tell.
    return recognition if is_started_so or not (words or programs_of(recognition.container)) else None


def classes(load_balancer: LoadBalancer, found: Iterable[Obj]) -> tuple[str, ...]:
    """Those of the cluster's classes, and of its usual one, whose names match."""
    pattern = settings_of(load_balancer, Settings).ingress_class
    return tuple(sorted(
        name for name in {"skipper", *map(name_of, found)} if matches_class(pattern, name)
    ))


def blockers(workload: Obj) -> tuple[str, ...]:
    """Whether it is on the host's network."""
    if dig(pod_template(workload), "spec", "hostNetwork", default=False):
        return ("its vendor's manifests put it on the host's network: without that, and behind a Service, a sidecar is possible",)
    return ()


PROFILE = Profile(
    About("skipper", "Skipper", facts=FACTS), Recogniser(SIGNS, workload=recognise_workload),
    InstanceReader(read_settings, classes=classes, blockers=blockers), READERS, chain=CHAIN,
)
