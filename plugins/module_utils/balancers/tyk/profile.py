# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tyk with its operator: the operator makes ApiDefinitions, and the gateway carries the traffic.

Source: TykTechnologies/tyk-operator controllers/ingress_controller.go (an Ingress becomes ApiDefinitions whose target is the
Service's name, made after a template) and TykTechnologies/tyk gateway/reverse_proxy.go (the Host is the target's unless
``preserve_host_header`` says otherwise).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from urllib.parse import urlsplit

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, Scheme
from ...kube.objects import Obj, annotations_of, dig, labels_of, namespace_of, ref_of
from ...kube.services import full_name
from ...kube.snapshot import Snapshot
from ..contract.facts import About, Facts
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Signs
from ..contract.routes import RouteReader, RouteReading
from ..contract.switches import PatchSet, Switches
from ..kit.classes import ingress_classes
from ..kit.ingresses import IngressEntry, entry_group
from ..kit.objects import BackendHandling, ServedObject, object_reader
from ..kit.patches import PatchBuilder, nothing_to_set, object_of
from ..kit.readers import read_ingresses

DEFINITION = "ApiDefinition.tyk.tyk.io"
TEMPLATE = "tyk.io/template"
FACTS = Facts(
    routes=("Ingress", "ApiDefinition"), service_routing="nothing to set: the operator names the Service",
    host="nothing to set: the target's name is sent", default="the Service, its name as Host",
    remark="an ApiDefinition written by hand goes where its target_url says; preserve_host_header undoes the Host",
    versions="operator 0.x (its source is no longer public), gateway 5",
)
SIGNS = Signs(
    variables=(frozenset({"TYK_GW_LISTENPORT"}), frozenset({"TYK_GW_SECRET"})), images=("tyk-gateway", "tyk-gateway-ee", "tyk-gateway-fips")
)


def read_ingress_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of Ingresses, as the operator makes ApiDefinitions of them."""

    def of_entry(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
        template = _template(ingress, partial(snapshot.get, DEFINITION))
        host = "" if keeps_host(template) else full_name(namespace_of(ingress), entry.service, load_balancer.cluster_domain)
        return BackendHandling("cluster_ip", host, entry_group(ingress, entry))

    return read_ingresses(snapshot, load_balancer, only, of_entry)


def check_definitions(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
    """Nothing is to be set, but the client's Host must not be kept."""
    patches = PatchBuilder()
    for obj in (object_of(snapshot, route) for route in routes):
        definition = obj if obj.get("kind") == "ApiDefinition" else _template(obj, partial(snapshot.get, DEFINITION))
        if keeps_host(definition):
            patches.conflict(definition or obj, "preserve_host_header is True, the plan needs the target's own name")
    return patches.switch()


def keeps_host(definition: Obj | None) -> bool:
    """Whether an ApiDefinition sends the client's Host on."""
    return bool(dig(definition, "spec", "proxy", "preserve_host_header", default=False))


def _template(ingress: Obj, definitions: Callable[[str, str], Obj | None]) -> Obj | None:
    """The ApiDefinition after which the operator makes those of an Ingress."""
    name = annotations_of(ingress).get(TEMPLATE, "")
    return definitions(namespace_of(ingress), name) if name else None


def read_definition(item: ServedObject) -> Iterator[Route | Finding]:
    """The route of an ApiDefinition that somebody wrote, unless it is a template."""
    obj, owners = item.obj, dig(item.obj, "metadata", "ownerReferences", default=[])
    if labels_of(obj).get("template") == "true" or any(owner.get("kind") == "Ingress" for owner in owners):
        return
    target = str(dig(obj, "spec", "proxy", "target_url", default=""))
    parts = urlsplit(target)
    labels = (parts.hostname or "").split(".")
    if len(labels) < 2 or (len(labels) > 2 and labels[2:] not in (["svc"], ["svc", *item.load_balancer.cluster_domain.split(".")])):
        yield finding("MLB208", f"its target {target!r} is no Service of the cluster", ref_of(obj))
        return
    scheme: Scheme = "tls" if parts.scheme == "https" else "tcp" if parts.scheme in ("tcp", "tls") else "http"
    yield item.route(
        (labels[1], labels[0], parts.port or (443 if parts.scheme == "https" else 80)),
        BackendHandling("cluster_ip", "" if keeps_host(obj) else parts.hostname, scheme=scheme),
        host=str(dig(obj, "spec", "domain", default="")), path=str(dig(obj, "spec", "proxy", "listen_path", default="/")),
        rewrites_path=bool(dig(obj, "spec", "proxy", "strip_listen_path", default=False)),
    )


PROFILE = Profile(
    About("tyk", "Tyk", facts=FACTS), Recogniser(SIGNS), InstanceReader(classes=ingress_classes(names=("tyk",))),
    (RouteReader(read_ingress_routes), object_reader(DEFINITION, read_definition)),
    Switches(to_service=nothing_to_set, host=check_definitions),
)
