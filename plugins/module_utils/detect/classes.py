# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IngressClasses that no known workload serves: what can still be said, and which workload seems to be behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ..balancers.contract.instances import Neighbours
from ..balancers.contract.profile import Profile, Registry
from ..balancers.kit.chain.answers import about_chaining
from ..balancers.kit.classes import controller_of
from ..balancers.kit.ingresses import class_of
from ..balancers.kit.recognition import claims_class
from ..core.findings import finding
from ..core.model import Finding, LoadBalancer, Mode, ObjectRef
from ..kube import kinds
from ..kube.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, pod_template
from ..kube.selectors import selects
from ..kube.services import cluster_ips

ISTIO_CONTROLLERS = frozenset({"istio.io/ingress-controller"})
ISTIO_CLASSES = frozenset({"istio"})
"""Names by which Ingresses are Istio's own, whether such an IngressClass is there or not."""
_RELEASE, _OPERATOR = "meta.helm.sh/release-namespace", "olm.owner.namespace"
_INSTANCE_LABELS = ("app.kubernetes.io/instance", "app.kubernetes.io/name")


def unserved_classes(found: Iterable[Obj], served: set[str]) -> Iterator[Obj]:
    """Of these IngressClasses those that no recognised load balancer serves; Istio's own is none."""
    yield from (item for item in found if name_of(item) not in served and controller_of(item) not in ISTIO_CONTROLLERS)


def owner_of(registry: Registry, ingress_class: Obj) -> Profile | None:
    """The profile whose controller an IngressClass names."""
    return next((item for item in registry.profiles if claims_class(item.recogniser.classes, controller_of(ingress_class))), None)


def release_namespace(ingress_class: Obj) -> str:
    """The namespace of the release that a class came with, empty where it does not say. Who may write there may not write a class."""
    return str(annotations_of(ingress_class).get(_RELEASE) or labels_of(ingress_class).get(_OPERATOR) or "")


def workload_behind(near: Neighbours, listed: Callable[[str], list[Obj]], item: Obj, taken: set[ObjectRef]) -> tuple[Obj, str] | None:
    """The workload that seems to serve a class, and by what: its Service's address in Ingresses' status, else chart labels.

    ``listed`` gives all objects of a kind.
    """
    named = _addresses_in_status(listed(kinds.INGRESS), item)
    for service, evidence in _services_at(named, listed(kinds.SERVICE) if named else ()):
        selector = dig(service, "spec", "selector", default={})
        for workload in near.workloads_in(namespace_of(service)):
            if selects(selector, labels_of(pod_template(workload))) and not _is_taken(workload, taken):
                return workload, evidence
    wanted = {key: value for key, value in labels_of(item).items() if key in _INSTANCE_LABELS}
    if len(wanted) == len(_INSTANCE_LABELS):
        home = release_namespace(item)
        near_by = near.workloads_in(home) if home else near.workloads
        found = [one for one in near_by if selects(wanted, labels_of(one)) and not _is_taken(one, taken)]
        if len(found) == 1:
            label = f"{found[0].get('kind')} {name_of(found[0])}"
            return found[0], f"IngressClass {name_of(item)} and {label} carry one release's labels"
    return None


def _addresses_in_status(ingresses: Iterable[Obj], ingress_class: Obj) -> dict[str, str]:
    """Addresses in the status of the Ingresses of a class, each with one of these."""
    addresses: dict[str, str] = {}
    for ingress in ingresses:
        if name_of(ingress_class) in class_of(ingress):
            for address in given_addresses(ingress):
                addresses.setdefault(address, f"{namespace_of(ingress)}/{name_of(ingress)}")
    return addresses


def _services_at(addresses: Mapping[str, str], services: Iterable[Obj]) -> Iterator[tuple[Obj, str]]:
    everything = list(services)
    for addresses_of in (given_addresses, _claimed_addresses):
        for service in everything:
            for address in addresses_of(service):
                if address in addresses:
                    where = f"Service {namespace_of(service)}/{name_of(service)}"
                    yield service, f"the status of Ingress {addresses[address]} names {address}, {where}"


def given_addresses(obj: Obj) -> Iterator[str]:
    """The addresses that the API server or a controller gave to a Service, or a controller noted on a route."""
    yield from filter(None, cluster_ips(obj) if obj.get("kind") == "Service" else ())
    for item in dig(obj, "status", "loadBalancer", "ingress", default=[]):
        yield from filter(None, [str(item.get("ip") or item.get("hostname") or "")])


def _claimed_addresses(service: Obj) -> Iterator[str]:
    """Addresses that whoever may write a Service may put there."""
    yield from (str(item) for item in dig(service, "spec", "externalIPs", default=[]))


def _is_taken(workload: Obj, taken: set[ObjectRef]) -> bool:
    own = (workload.get("kind"), namespace_of(workload), name_of(workload))
    return any((item.kind, item.namespace, item.name) == own for item in taken)


def without_workload(unknown: Profile, ingress_class: Obj) -> LoadBalancer:
    """The load balancer of a class behind which no workload was found: it may be outside the cluster."""
    reason = "nothing is known of the workload behind this class"
    return LoadBalancer(
        name=name_of(ingress_class), namespace="", vendor=unknown.about.id, title=unknown.about.title, placement="external",
        classes=(name_of(ingress_class),), confidence="possible",
        evidence=(f"IngressClass {name_of(ingress_class)} has controller {controller_of(ingress_class)}",),
        modes=(
            ("standalone_plaintext", Mode(True, "it reaches backends that accept plaintext")),
            ("standalone_mtls", Mode(False, reason, (reason,))),
            ("chained", Mode(True, about_chaining(unknown.chain))),
        ),
    )


def about_unserved(ingress_classes: Iterable[Obj], registry: Registry, found: Iterable[LoadBalancer]) -> Iterator[Finding]:
    """Classes of a load balancer that is here and does not serve them."""
    listed = list(found)
    for item in unserved_classes(ingress_classes, {name for other in listed for name in other.classes}):
        owner = owner_of(registry, item)
        here = [other.label for other in listed if owner and other.vendor == owner.about.id]
        if owner is not None and here:
            message = (
                f"IngressClass {name_of(item)} names {owner.about.title}'s controller {controller_of(item)!r}, but {', '.join(here)} "
                "does not serve it: its settings name another class, or it does not read Ingresses"
            )
            ref = ObjectRef("networking.k8s.io/v1", "IngressClass", "", name_of(item))
            yield finding("MLB155", message, ref, details={"class": name_of(item), "load_balancers": here})


def about_unknown(ingress_classes: Iterable[Obj], registry: Registry, item: LoadBalancer) -> Iterator[Finding]:
    """Why the load balancer of a class is not known, per class."""
    by_name = {name_of(found): found for found in ingress_classes}
    for name in item.classes:
        found = by_name.get(name, {})
        controller, ref = controller_of(found), ObjectRef("networking.k8s.io/v1", "IngressClass", "", name)
        owner, details = owner_of(registry, found), {"class": name, "controller": controller}
        if owner is not None:
            yield finding(
                "MLB106", f"IngressClass {name} names {owner.about.title}'s controller {controller!r}, but no workload of it was found; "
                "another controller may claim that name", ref, details={**details, "vendor": owner.about.id},
            )
            continue
        behind = f"; {item.label} seems to be behind it" if item.workload else ""
        assumed = ", and its routes are taken to go to pod addresses: let a proof by traffic confirm it" if item.workload else ""
        message = f"IngressClass {name} names controller {controller!r}, which no profile knows{behind}{assumed}"
        yield finding("MLB102", message, ref, details={**details, "workload": item.workload})
