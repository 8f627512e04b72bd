# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tailscale's Kubernetes Operator: a proxy per Ingress or Service, or a group of proxies, brings what comes from a tailnet to Services.

Source: tailscale/tailscale de9ec7e: cmd/k8s-operator/ingress.go and ingress-for-pg.go (a path becomes a proxy handler with the Service's
ClusterIP), ipn/ipnlocal/serve.go (the Host is kept), svc.go and svc-for-pg.go with cmd/containerboot/forwarding.go and
util/linuxfw/iptables_runner.go (Services: a DNAT rule in PREROUTING, past every process of the pod), sts.go and proxygroup_specs.go (labels
and variables of proxies, and what a ProxyClass sets); TS_INTERNAL_APP is there since 1.74.
UNCONFIRMED: that a sidecar gets along with the kernel networking of a ProxyGroup's pods (marks of their own, nftables); proxies of single
Ingresses use none of that (TS_USERSPACE).
"""

from __future__ import annotations

from collections.abc import Iterable

from ...core.model import LoadBalancer
from ...core.writes import Write
from ...kube.objects import Obj, containers_of, pod_template
from ..contract.facts import About, Facts
from ..contract.instances import InstanceReader, Neighbours, SidecarPlace, SidecarTarget
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Recognition
from ..contract.switches import Switches
from ..kit.classes import classes_of_controller
from ..kit.patches import nothing_to_set
from ..kit.recognition import version_of
from ..kit.settings import settings_of
from ..kit.writes import pod_fields
from .routes import FORWARDED, READERS
from .settings import PROXY_CLASS, Role, Settings, read_settings, role_of

CONTROLLERS = ("tailscale.com/ts-ingress",)
FACTS = Facts(
    routes=("Ingress", "Service (in no way that a sidecar sees)"), service_routing="nothing to set: it always dials the Service's address",
    default="the Service, the client's Host (a name in the tailnet)",
    remark="its pods are labelled through a ProxyClass, which gives a sidecar to all proxies that it holds for", versions="1.74 to 1.98",
)


def proxy_of(workload: Obj) -> Obj:
    """The container that is told to be a proxy into the cluster, empty where there is none."""
    return next(filter(role_of, containers_of(pod_template(workload))), {})


def recognise(workload: Obj) -> Recognition | None:
    """By what its operator tells it to be: the same image also runs ways out of the cluster, and anything else of Tailscale's."""
    container = proxy_of(workload)
    role = role_of(container)
    if role is None:
        return None
    evidence = f"container {container.get('name')} is told to be {role.value} (TS_INTERNAL_APP)"
    return Recognition("certain", (evidence,), container, version_of(container))


def classes(load_balancer: LoadBalancer, found: Iterable[Obj]) -> tuple[str, ...]:
    """The one class whose name the operator compares, if its controller is Tailscale's."""
    settings = settings_of(load_balancer, Settings)
    named = classes_of_controller(CONTROLLERS, found) if settings.role is not Role.SERVICE else ()
    return tuple(name for name in named if name == settings.class_name)


def sidecar_target(workload: Obj, near: Neighbours) -> SidecarTarget:
    """The ProxyClass from which its operator takes the pods' labels."""
    name = read_settings(workload, proxy_of(workload), near).proxy_class
    found = near.named(PROXY_CLASS, "", name) if name else None
    if found is None:
        return SidecarTarget(workload, refusal=(
            "its operator makes these pods anew, and no ProxyClass holds for them: make one, and name it in the label "
            "tailscale.com/proxy-class of the Ingress, or in spec.proxyClass of the ProxyGroup"
        ))
    pod = ("spec", "statefulSet", "pod")
    return SidecarTarget(found, (*pod, "labels"), (*pod, "annotations"))


def blockers(workload: Obj) -> tuple[str, ...]:
    """A proxy of a Service forwards in the kernel."""
    return (FORWARDED,) if role_of(proxy_of(workload)) is Role.SERVICE else ()


HOLDERS = (Write(PROXY_CLASS, pod_fields("/spec/statefulSet/pod"), why="the sidecar"),)
PROFILE = Profile(
    About("tailscale", "Tailscale Kubernetes Operator", facts=FACTS), Recogniser(classes=CONTROLLERS, workload=recognise),
    InstanceReader(
        read_settings, classes=classes, sidecar_target=SidecarPlace(sidecar_target, HOLDERS), blockers=blockers, shares_classes=True
    ),
    READERS,
    Switches(to_service=nothing_to_set),
)
