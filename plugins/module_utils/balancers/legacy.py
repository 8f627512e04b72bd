# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles as classes, and how one becomes a profile put together from parts."""

# ruff: noqa
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from ..core.model import Finding, LoadBalancer, ObjectRef, Route, replace
from ..kube import kinds as known
from ..kube.objects import Obj, dig, name_of
from ..kube.snapshot import Snapshot
from .contract.chain import ChainFacts, ChainOption, ChainRequest, CheckTarget, ClientAddress, HealthChecker, LoadBalancerSide, ServerName
from .contract.facts import About, Facts, Proof
from .contract.instances import InstanceReader, SidecarTarget
from .contract.profile import Profile as Composed
from .contract.recognition import Confidence, Recogniser, Recognition, Signs, Trace
from .contract.routes import RouteReader, RouteReading, joined_readings
from .contract.switches import FieldPatch, PatchSet, Switches
from .kit.chain.answers import chain_side, usual_client_address
from .kit.chain.ingress import Names, alias_bodies, alias_name, new_ingress, redirected, with_annotations
from .kit.chain.references import References, _alone, _rule_of, distinct_places, in_backend_refs
from .kit.gateway.routes import KINDS, AttachPoint, BackendHandling, read_gateway_routes
from .kit.ingresses import Entry, class_of
from .kit.patches import object_of
from .kit.plain import classes_of_controller, read_ingresses
from .kit.recognition import by_signs, programs_of, recognise_container, words_of


__all__ = [
    "Chained", "Confidence", "Facts", "FieldPatch", "IngressChain", "Limited", "PatchSet", "Profile", "Recognition", "ReferenceChain",
    "RouteReading", "SidecarTarget", "Signs", "Trace", "adapted", "programs_of", "recognise_container", "words_of",
]


class Chained:
    """One kind of load balancer, seen from the gateway behind it."""

    title: str = ""
    also_called: tuple[str, ...] = ()
    """Other words by which the option ``platform`` may name it."""
    chain: ChainFacts = ChainFacts(proof=Proof.NONE)
    """Facts; an empty ``proof`` says that nothing is known of it in chained mode."""
    switches_routes: bool = False
    """Whether routes that exist can be led to a gateway (:meth:`chain_switch`); else new ones are made beside them."""
    begins_with: bool = False
    """Whether a path of type ImplementationSpecific takes every path that begins so, not only whole elements of it."""
    chain_options: tuple[ChainOption, ...] = ()
    """Keys of ``platform_options`` that it understands; all others are refused."""
    chain_kinds: tuple[str, ...] = ()
    """Kind keys that :meth:`chain_front` may create: read in a run of chained mode, besides those of ``kinds``."""

    check_kinds: tuple[str, ...] = ()
    """Kind keys that :meth:`health_check` may create, also for an application: standalone mode has to find them again."""

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        """What it needs on its own side so that it sends to the gateway: a pure function of the request."""
        return LoadBalancerSide(refusal=f"how {self.title} is given a new route to a gateway is not known")

    def chain_switch(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest
    ) -> PatchSet:
        """Fields (and helper objects) that lead routes of one object to the gateway, so that each can be taken back alone.

        Bodies are made with the mesh's side, before any of the fields is set, and go after all of them were given back.
        """
        return PatchSet(refusal=f"{self.title} has no way that is known to lead its routes to a gateway one by one")

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        """What else the cluster shows to fail with this load balancer: findings of severity error refuse the run."""
        return ()

    def client_address(self, request: ChainRequest) -> ClientAddress:
        return usual_client_address(self.title, self.chain, request)

    def ends_tls(self, request: ChainRequest) -> bool:
        """Whether clients' TLS ends at the load balancer in this chain, so that only a header says that it was there."""
        return self.chain.ends_tls == "always"

    def server_name(self, request: ChainRequest) -> ServerName:
        """What it sends as server name (SNI) to the gateway in this chain."""
        return self.chain.server_name

    def own_mutual_tls(self, snapshot: Snapshot, route: Route) -> str:
        """Why it may speak the mesh's mutual TLS on a route without a sidecar, so that nothing is certain; empty where it does not."""
        return ""

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        """What makes it check these pods that way: objects, annotations of the Service, or the reason why it cannot."""
        return LoadBalancerSide(check=target.check)


class Profile(Chained, ABC):
    """One kind of load balancer. What it is asked in chained mode is in :class:`Chained`."""

    id: str = ""
    placement: Literal["in_cluster", "node", "cloud", "external"] = "in_cluster"
    class_controllers: tuple[str, ...] = ()
    """``spec.controller`` of its IngressClasses; an entry that ends in ``/`` is a prefix."""
    gateway_controllers: tuple[str, ...] = ()
    """``spec.controllerName`` of its GatewayClasses, where that is not a setting."""
    outside: str = ""
    """Where its traffic leaves, if that may be no workload of the cluster: its classes and its controller then stand for it."""
    controller_signs: Signs | None = None
    """How the controller of such a load balancer is recognised."""
    kinds: tuple[str, ...] = ()
    """Kind keys that it reads besides the common ones."""
    signs: Signs = Signs()
    facts: Facts = Facts()
    retired: str = ""
    """A sentence when the project no longer publishes releases."""
    forbids_injection: str = ""
    """The reason when a sidecar must not be injected beside it."""

    def recognise(self, workload: Obj) -> Recognition | None:
        return by_signs(self.signs, workload)

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        """What this instance was started with: kept on the LoadBalancer for the profile's own use."""
        return {}

    def config_map_namespaces(self, workload: Obj, container: Obj) -> Iterable[str]:
        """Namespaces whose ConfigMaps hold this instance's settings."""
        return ()

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        """Names of the classes that this instance serves."""
        return ()

    def sidecar_target(self, snapshot: Snapshot, workload: Obj) -> SidecarTarget:
        """Where its pods get their labels and annotations; the workload itself unless an operator makes that."""
        return SidecarTarget(workload)

    def traces(self, snapshot: Snapshot) -> tuple[Trace, ...]:
        """What else than classes and a controller tells that it is used here, where its traffic leaves from no workload."""
        return ()

    def blockers(self, workload: Obj) -> tuple[str, ...]:
        """Reasons of its own why a sidecar beside this workload is impossible or would not help."""
        return ()

    def notices(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[Finding, ...]:
        """Findings about the instance itself."""
        return ()

    @abstractmethod
    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        """Read its routes; ``only`` limits the reading to routes of these objects (the planner tries things out)."""

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        """Fields that make it send these routes to the Service's address."""
        return PatchSet(refusal=f"{self.title} has no setting for Service routing")

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        """Fields that make it send the Service's name as Host."""
        return PatchSet(refusal=f"{self.title} has no setting that rewrites the Host")

    def set_certificates(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        """Fields and objects that make it speak mutual TLS itself, with the mesh's certificate, and verify the backend's."""
        return PatchSet(refusal=f"{self.title} is not known to speak the mesh's mutual TLS itself and verify the backend's certificate")


class IngressChain(Chained):
    """What load balancers that serve Ingresses have in common in chained mode; their files say what differs."""

    switches_routes = True
    begins_with = True
    follows_names: Names = "also"
    """Whether it follows Services of type ExternalName: only those where it still reads Endpoints, which nobody makes of slices."""

    def tls_annotations(self, request: ChainRequest) -> dict[str, str]:
        """Annotations of an Ingress for TLS to the gateway."""
        return {}

    def alias_annotations(self, request: ChainRequest) -> dict[str, str]:
        """Annotations of the Service that stands for the gateway."""
        return {}

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        if request.gateway.tls and self.alias_annotations(request):
            return LoadBalancerSide(
                refusal="TLS to the gateway is an annotation of the gateway's own Service here, which a new Ingress would share"
            )
        return new_ingress(request, self.tls_annotations(request))

    def chain_switch(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest
    ) -> PatchSet:
        wanted = list(routes)
        found = redirected(snapshot, wanted, request, self.follows_names, self.alias_annotations(request))
        if found.refusal or not wanted:
            return found
        ref = wanted[0].object
        return with_annotations(found, snapshot.get(known.INGRESS, ref.namespace, ref.name) or {}, wanted, self.tls_annotations(request))




class ReferenceChain(IngressChain, Profile):
    """A load balancer with kinds of its own whose objects name Services."""

    references: ClassVar[References] = {}
    """Per kind of its own, besides HTTPRoute: where its objects name Services, and by which key (the port is always ``port``)."""

    def chain_switch(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest
    ) -> PatchSet:
        wanted = list(routes)
        references = {"HTTPRoute": (in_backend_refs, "name"), **self.references}
        if not wanted or wanted[0].object.kind not in references:
            return super().chain_switch(snapshot, load_balancer, wanted, request)
        find, name = references[wanted[0].object.kind]
        obj, ref = object_of(snapshot, wanted[0]), wanted[0].object
        if len(dig(obj, "spec", "parentRefs", default=[])) > 1:
            return PatchSet(refusal=f"{ref} is for several Gateways, and only one of them is to send to the gateway")
        places = list(find(obj))
        led = self._led(snapshot, load_balancer, obj, dict.fromkeys(_rule_of(path) for path, dummy in places), wanted)
        if led is None:
            return PatchSet(refusal=f"a rule of {ref} is led to the gateway as a whole, and some of its routes stay with their backends")
        patches = []
        for path, reference in places:
            if _rule_of(path) not in led:
                continue
            if reference.get("namespace") not in (None, ref.namespace) or reference.get("kind") not in (None, "Service"):
                return PatchSet(refusal=f"{ref} names something else than a Service of its namespace")
            patches.append(FieldPatch(obj, (*path, name), alias_name(request.gateway)))
            patches.append(FieldPatch(obj, (*path, "port"), request.gateway.port))
        if not patches:
            return PatchSet(refusal=f"{ref} names no Service itself")
        bodies = alias_bodies(ref.namespace, request, self.follows_names, self.alias_annotations(request))
        return PatchSet(tuple(patches), bodies=bodies)

    def _led(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, rules: Iterable[Any], wanted: list[Route]
    ) -> set[Any] | None:
        """The rules of which all routes are wanted; ``None`` where of one only some are."""
        own, asked = frozenset({wanted[0].object}), distinct_places(wanted)
        if asked == distinct_places(self.routes(snapshot, load_balancer, own).routes):
            return set(rules)
        made = {rule: distinct_places(self.routes(snapshot.overlay([_alone(obj, rule)]), load_balancer, own).routes) for rule in rules}
        led = {rule for rule, found in made.items() if found and found <= asked}
        reached = {place for rule in led for place in made[rule]}
        in_part = any(rule not in led and not found.isdisjoint(asked) for rule, found in made.items())
        return None if in_part or reached != asked else led




class Limited(Profile):
    """Ingresses of its classes and Gateway API routes of its controllers go to pod addresses, and ``why_not`` says why for good."""

    why_not: str = ""
    class_names: tuple[str, ...] = ()
    """Names of classes that it compares, where it does not look for a controller."""
    gateway_label: str = ""
    """The label by which its workloads say for which Gateway they are made."""

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        return tuple(sorted({*classes_of_controller(self.class_controllers, snapshot), *self.class_names}))

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        treatment = BackendHandling(settable=False, why_not_settable=self.why_not)
        wanted = dict(load_balancer.pod_labels).get(self.gateway_label, "")

        def of_entry(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
            return treatment

        def of_place(place: AttachPoint) -> BackendHandling:
            return treatment

        def served(ingress: Obj) -> bool:
            return bool(set(class_of(ingress)) & set(load_balancer.classes))

        def serves(gateway: Obj) -> bool:
            return not wanted or name_of(gateway) == wanted

        plain = read_ingresses(snapshot, load_balancer, of_entry, only, served)
        return joined_readings(plain, read_gateway_routes(snapshot, load_balancer, self.gateway_controllers, of_place, only, serves))


def adapted(old: Profile) -> Composed:
    """The profile put together from a class's parts."""
    facts = replace(old.chain, options=old.chain_options, kinds=old.chain_kinds, begins_with=old.begins_with)
    side = chain_side(
        old.title, facts, old.chain_front, old.chain_switch if old.switches_routes else None, preflight=old.chain_preflight,
        client_address=old.client_address, ends_tls=old.ends_tls, server_name=old.server_name,
    )
    return Composed(
        About(old.id, old.title, old.also_called, old.placement, old.outside, old.forbids_injection, old.facts),
        Recogniser(old.signs, old.class_controllers, old.gateway_controllers, old.controller_signs, old.recognise, old.traces),
        InstanceReader(old.settings, old.config_map_namespaces, old.classes, old.notices, old.sidecar_target, old.blockers),
        (RouteReader(old.routes, old.kinds),),
        Switches(_own(old, "set_service_routing"), _own(old, "set_host"), _own(old, "set_certificates")),
        side if old.chain.proof is not Proof.NONE else None,
        HealthChecker(old.health_check, old.check_kinds),
    )


def _own(old: Profile, name: str) -> Any:
    """A switch that the class has itself."""
    return getattr(old, name) if getattr(type(old), name) is not getattr(Profile, name) else None
