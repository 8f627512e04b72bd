# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik, k3s' own included: how to recognise it, and who installed it.

Source: traefik/traefik at v3.6.12 and v3.7.9.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer
from ...kube.objects import Obj, containers_of, dig, name_of, namespace_of, pod_template, ref_of
from ...kube.snapshot import Snapshot
from ..contract.facts import About, Facts, ProofLevel
from ..contract.instances import InstanceReader, SettingsMaps
from ..contract.profile import Profile
from ..contract.recognition import GatewayClasses, Recogniser, Recognition, Signs
from ..kit.recognition import by_signs
from ..kit.settings import settings_of
from .chain import CHAIN
from .crd import ROUTE_UDP
from .routes import GATEWAY_CONTROLLER, K3S_CHART, READERS
from .settings import CONTROLLER, Settings, misread, mounted_namespaces, read_settings, telling_option
from .switches import SWITCHES

FACTS = Facts(
    routes=("Ingress", "IngressRoute", "IngressRouteTCP", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"),
    service_routing="annotation service.nativelb on the Service, or nativeLB of the IngressRoute's service (2.10); "
    "Gateway API: annotation traefik.io/service.nativelb on the Service (3.2); ingress-nginx provider: service-upstream (3.5)",
    service_routing_global="nativeLBByDefault of a provider (3.0; Gateway API 3.2)",
    host="annotation service.passhostheader on the Service, or passHostHeader of the IngressRoute's service: false sends the "
    "Service's address; Gateway API: URLRewrite hostname; ingress-nginx provider: upstream-vhost (3.7)",
    loses="affinity and balancing once the upstream is one address",
    remark="also k3s's own, and in ingress-nginx's place; a route to a headless Service breaks when it is told to use its address",
    proof=ProofLevel.LAB, versions="3.6.12",
)
_K3S_IMAGE = "mirrored-library-traefik"
SIGNS = Signs(
    commands=("traefik",), images=("traefik", _K3S_IMAGE, "traefik-hub"), labels=(frozenset({("app.kubernetes.io/name", "traefik")}),)
)


def recognise_workload(workload: Obj) -> Recognition | None:
    """By its signs, else by an option that only Traefik has."""
    by_options = (
        Recognition("likely", (f"container {item.get('name')} is told {telling_option(item)}",), item)
        for item in containers_of(pod_template(workload)) if telling_option(item)
    )
    return by_signs(SIGNS, workload) or next(by_options, None)


def classes(load_balancer: LoadBalancer, found: Iterable[Obj]) -> tuple[str, ...]:
    """Those of its own reader of Ingresses, and of the one in ingress-nginx's place."""
    settings = settings_of(load_balancer, Settings)
    return tuple(sorted({name for item in (settings.ingress, settings.nginx) if item.on for name in item.classes.names}))


def notices(snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[Finding, ...]:
    """A configuration file that cannot be read, UDP, and what k3s puts back."""
    settings, found = settings_of(load_balancer, Settings), list[Finding]()
    if settings.unreadable:
        found.append(finding("MLB105", f"{load_balancer.label}: {settings.unreadable}", load_balancer.workload))
    if settings.files and not settings.dynamic:
        message = f"{load_balancer.label}: the file provider reads {settings.files}, which is in no ConfigMap that could be read"
        found.append(finding("MLB159", message, load_balancer.workload))
    udp = (item for item in snapshot.all(ROUTE_UDP) if settings.crd.serves(item))
    found += (finding("MLB205", "UDP is carried outside the mesh", ref_of(item)) for item in udp)
    return (*found, *_about_k3s(load_balancer, snapshot.all(K3S_CHART)))


def _about_k3s(load_balancer: LoadBalancer, charts: list[Obj]) -> Iterator[Finding]:
    """k3s installs Traefik from a HelmChart object; what is changed on the Deployment goes with the next start of k3s."""
    chart = next(
        (item for item in charts if load_balancer.key == (dig(item, "spec", "targetNamespace", default=namespace_of(item)), name_of(item))),
        None,
    )
    if chart is not None or any(_K3S_IMAGE in item for item in load_balancer.evidence):
        name = f"HelmChart {namespace_of(chart)}/{name_of(chart)}" if chart else "a HelmChart"
        yield finding(
            "MLB216", f"{load_balancer.label} is installed by k3s from {name}; put what is to stay into a HelmChartConfig of that name",
            load_balancer.workload, cause=ref_of(chart) if chart else None,
        )


PROFILE = Profile(
    About("traefik", "Traefik", facts=FACTS),
    Recogniser(SIGNS, (CONTROLLER,), workload=recognise_workload, gateway_classes=GatewayClasses((GATEWAY_CONTROLLER,))),
    InstanceReader(read_settings, SettingsMaps(mounted_namespaces, misread), classes, notices), READERS, SWITCHES, CHAIN,
)
