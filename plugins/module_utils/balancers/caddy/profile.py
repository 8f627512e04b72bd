# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caddy's ingress controller (caddyserver/ingress): it always dials the Service's name, and passes the client's Host on.

Source: internal/caddy/ingress/reverseproxy.go, internal/k8s/ingress.go (classes), cmd/caddy/flag.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer
from ...kube.objects import Obj, annotations_of, argument, ref_of
from ..contract.facts import About, Facts
from ..contract.instances import InstanceReader, Neighbours
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Signs
from ..contract.switches import Switches
from ..kit.classes import classes_in_settings, takes_annotated
from ..kit.ingresses import IngressEntry, entries, entry_group
from ..kit.objects import BackendHandling, is_watched
from ..kit.patches import nothing_to_set
from ..kit.readers import ingress_reader
from ..kit.settings import settings_of

FACTS = Facts(
    service_routing="nothing to set: it always dials the Service's name", default="the Service, the client's Host",
    remark="only numbers of ports work: a named one becomes 0", versions="0.2",
)
SIGNS = Signs(
    flags=(frozenset({"config-map", "lease-id"}), frozenset({"config-map", "class-name"}), frozenset({"class-name-required"})),
    images=("caddy/ingress",), labels=(frozenset({("app.kubernetes.io/name", "caddy-ingress-controller")}),),
)


@dataclass(frozen=True)
class Settings:
    """``classes``: it compares names, and no IngressClass needs to exist. ``class_required``: Ingresses without a class are not served."""

    classes: tuple[str, ...] = ("caddy",)
    class_required: bool = False
    namespaces: tuple[str, ...] = ()


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """Settings of the one process that is controller and proxy."""
    namespace = argument(container, "namespace")
    return Settings(
        (argument(container, "class-name") or "caddy",), argument(container, "class-name-required") not in (None, "false"),
        (namespace,) if namespace else (),
    )


def serves(load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """Ingresses of its classes in the namespace that it watches."""
    settings = settings_of(load_balancer, Settings)
    by_class = takes_annotated(load_balancer.classes, ingress, without_class=not settings.class_required)
    return is_watched(settings.namespaces, ingress) and by_class


def remarks(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> Iterator[Finding]:
    """Which ports are named in a way that it cannot dial."""
    named = sorted({f"{item.service}:{item.reference}" for item in entries(ingress) if isinstance(item.reference, str)})
    if named:
        yield finding("MLB206", f"it dials port 0 for a port by name ({', '.join(named)}): write its number", ref_of(ingress))


def of_entry(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
    """Always the Service, by TLS where an annotation says so."""
    tls = annotations_of(ingress).get("caddy.ingress.kubernetes.io/backend-protocol", "").lower() == "https"
    return BackendHandling("cluster_ip", group=entry_group(ingress, entry), scheme="tls" if tls else "http")


PROFILE = Profile(
    About("caddy", "Caddy", facts=FACTS), Recogniser(SIGNS), InstanceReader(read_settings, classes=classes_in_settings(Settings)),
    (ingress_reader(of_entry, serves, remarks=remarks),), Switches(to_service=nothing_to_set),
)
