# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the load balancers in a snapshot: evidence before names, each workload at most one, none of them twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ..balancers.contract.instances import Neighbours
from ..balancers.contract.profile import Profile, Registry
from ..balancers.contract.recognition import Recognition
from ..balancers.kit.chain.answers import about_chaining
from ..balancers.kit.objects import is_ignored
from ..balancers.kit.scope import scope_of
from ..balancers.kit.settings import neighbours_of
from ..core.findings import finding
from ..core.guard import attempt
from ..core.marks import IGNORE
from ..core.model import UNKNOWN, Finding, LoadBalancer, Mode, ObjectRef, SidecarState, replace
from ..istio.ambient import about_clients
from ..istio.beyond import about_clusters
from ..istio.blockers import injection_blockers
from ..istio.injection import sidecar_state
from ..istio.interception import interception_of
from ..istio.mesh import about_age, cluster_domain, interception_defaults, misread_settings
from ..istio.mesh import config_map_namespaces as mesh_namespaces
from ..istio.network import about_network
from ..istio.network import config_map_namespaces as network_namespaces
from ..istio.reaching_istiod import about_istiod
from ..istio.revisions import revision_of
from ..kube import kinds
from ..kube.objects import Obj, dig, labels_of, name_of, namespace_of, pod_template, ref_of
from ..kube.pods import workload_pods
from ..kube.reading import about_object, not_understood
from ..kube.snapshot import Snapshot
from .candidates import recognised
from .classes import about_unknown, about_unserved, owner_of, unserved_classes, without_workload, workload_behind
from .gateways import with_gateways
from .outside import outside


def detect(snapshot: Snapshot, registry: Registry) -> tuple[list[LoadBalancer], list[Finding]]:
    """Return the load balancers (sorted by namespace and name) and what is remarkable about them."""
    near = neighbours_of(snapshot)
    make, behind = partial(_load_balancer, snapshot, near), partial(workload_behind, near, snapshot.all)
    found, not_read = [], []
    for match in recognised(near, registry):
        made, error = attempt(partial(_read, make, *match))
        found += made
        not_read += [about_object(not_understood(match[0], error))] if error else [*_about_rivals(*match)]
    found += list(outside(snapshot, near, registry, found))
    found += list(_unknown(near, registry, found, behind, make))
    found, about_gateways = with_gateways(snapshot, registry, found)
    found = [_as_far_as_known(snapshot, registry, item) for item in found]
    found.sort(key=lambda item: item.key)
    conflicts = _conflicts(registry, found, _namespaces(snapshot, found))
    findings = [*not_read, *conflicts, *about_unserved(near.ingress_classes, registry, found)]
    findings += [*about_network(snapshot), *about_age(snapshot), *about_clusters(snapshot), *about_gateways]
    findings += (remark for item in found for remark in (*about_istiod(snapshot, item), *about_clients(snapshot, item)))
    for item in found:
        findings += registry.get(item.vendor).instance.notices(snapshot, item)
        if item.vendor == registry.unknown.about.id:
            findings += about_unknown(near.ingress_classes, registry, item)
    return found, findings


def _as_far_as_known(snapshot: Snapshot, registry: Registry, load_balancer: LoadBalancer) -> LoadBalancer:
    """In the cluster's domain; and what seems to have no workload may have one of a kind that cannot be read."""
    load_balancer = replace(load_balancer, cluster_domain=cluster_domain(snapshot))
    if load_balancer.workload or registry.get(load_balancer.vendor).about.outside or all(map(snapshot.readable, kinds.WORKLOADS)):
        return load_balancer
    return replace(load_balancer, sidecar=SidecarState(UNKNOWN, UNKNOWN))


def _about_rivals(workload: Obj, profile: Profile, match: Recognition) -> Iterator[Finding]:
    """That a workload fits others just as well."""
    if match.rivals:
        message = (
            f"{namespace_of(workload)}/{name_of(workload)} is taken for {profile.about.title} ({', '.join(match.evidence)}), "
            f"but fits {' and '.join(match.rivals)} just as well"
        )
        yield finding("MLB153", message, ref_of(workload), details={"vendor": profile.about.id, "others": match.rivals})


def setting_namespaces(snapshot: Snapshot, registry: Registry) -> set[str]:
    """Namespaces whose ConfigMaps a reading needs: the mesh's, the network's, and those of the load balancers recognised."""
    wanted = {*mesh_namespaces(snapshot), *network_namespaces(snapshot)}
    for workload, profile, match in recognised(neighbours_of(snapshot), registry):
        wanted.update(profile.instance.config_maps(workload, match.container))
    return wanted


def as_understood(snapshot: Snapshot, registry: Registry) -> Snapshot:
    """The snapshot in which ConfigMaps count as unreadable whose settings, of the mesh or of a load balancer, could not be read."""
    misread = list(misread_settings(snapshot))
    near, read_in = neighbours_of(snapshot), set(map(namespace_of, snapshot.all(kinds.CONFIG_MAP)))
    near = replace(near, workloads=tuple(item for item in near.workloads if namespace_of(item) in read_in))
    for workload, profile, match in recognised(near, registry):
        found, dummy = attempt(partial(profile.instance.config_maps.misread, workload, match.container, near))
        misread += found
    return snapshot.doubting(misread)


def _read(make: Callable[..., LoadBalancer], workload: Obj, profile: Profile, match: Recognition) -> list[LoadBalancer]:
    return [make(workload, profile, match)]


def _load_balancer(snapshot: Snapshot, near: Neighbours, workload: Obj, profile: Profile, match: Recognition) -> LoadBalancer:
    template, namespace = pod_template(workload), namespace_of(workload)
    pods = workload_pods(snapshot, workload)
    shown = pods[0] if pods else template
    own = labels_of(snapshot.get(kinds.NAMESPACE, "", namespace) or {})
    revision = revision_of(snapshot, own, template, pods)
    on_host = bool(dig(template, "spec", "hostNetwork", default=False))
    made = LoadBalancer(
        name=name_of(workload),
        namespace=namespace,
        vendor=profile.about.id,
        title=profile.about.title,
        placement="node" if on_host else profile.about.placement,
        version=match.version,
        workload=ref_of(workload),
        confidence=match.confidence,
        evidence=match.evidence,
        sidecar=sidecar_state(snapshot, namespace, template, pods),
        pod_labels=tuple(sorted(labels_of(shown).items())),
        revision=revision,
        interception=interception_of(shown, interception_defaults(snapshot, revision)),
        settings=profile.instance.settings(workload, match.container, near),
        needed_annotations=profile.instance.sidecar_target(workload, near).annotations,
    )
    blockers = (*injection_blockers(snapshot, namespace, template, revision), *_own_blockers(profile, workload))
    classes = profile.instance.classes(made, near.ingress_classes)
    evidence = made.evidence + tuple(_class_evidence(near.ingress_classes, classes))
    return replace(made, classes=classes, evidence=evidence, modes=_modes(blockers, profile))


def _own_blockers(profile: Profile, workload: Obj) -> tuple[str, ...]:
    forbidden = (profile.about.forbids_injection,) if profile.about.forbids_injection else ()
    asked = (f"it asks to be left alone ({IGNORE})",) if is_ignored(workload) else ()
    return asked + forbidden + profile.instance.blockers(workload)


def _class_evidence(ingress_classes: Iterable[Obj], classes: tuple[str, ...]) -> Iterator[str]:
    by_name = {name_of(item): item for item in ingress_classes}
    for name in classes:
        if name in by_name:
            yield f"IngressClass {name} has controller {dig(by_name[name], 'spec', 'controller')}"


def _modes(blockers: tuple[str, ...], profile: Profile) -> tuple[tuple[str, Mode], ...]:
    mtls = Mode(False, "a sidecar is not possible: " + blockers[0], blockers) if blockers else Mode(
        True, "a sidecar beside it can speak mutual TLS with the backends"
    )
    return (
        ("standalone_plaintext", Mode(True, "it reaches backends that accept plaintext (PERMISSIVE, or without a sidecar)")),
        ("standalone_mtls", mtls),
        ("chained", Mode(True, about_chaining(profile.chain))),
    )


def _unknown(
    near: Neighbours, registry: Registry, found: list[LoadBalancer], behind: Callable[[Obj, set[ObjectRef]], tuple[Obj, str] | None],
    make: Callable[[Obj, Profile, Recognition], LoadBalancer],
) -> Iterator[LoadBalancer]:
    """What is ``behind`` the classes that nothing known serves; several classes may belong to one workload."""
    taken = {item.workload for item in found if item.workload}
    made: dict[ObjectRef, LoadBalancer] = {}
    for item in unserved_classes(near.ingress_classes, {name for other in found for name in other.classes}):
        # A class of a known vendor without that vendor's workload is not guessed at: somebody else may claim its name.
        owner = owner_of(registry, item)
        if owner is not None and any(other.vendor == owner.about.id for other in found):
            continue
        seems = None if owner else behind(item, taken)
        if seems is None:
            yield without_workload(registry.unknown, item)
            continue
        workload, evidence = seems
        earlier = made.get(ref_of(workload))
        classes = (*(earlier.classes if earlier else ()), name_of(item))
        match = Recognition("possible", (evidence,), {})
        made[ref_of(workload)] = replace(make(workload, registry.unknown, match), classes=classes)
    yield from made.values()


def _namespaces(snapshot: Snapshot, found: Iterable[LoadBalancer]) -> set[str]:
    """The namespaces that there are, or that a load balancer was told of; among them one that stands for any other."""
    named = {name for item in found for name in scope_of(item).names}
    routed = (*snapshot.all(kinds.NAMESPACE), *snapshot.all(kinds.INGRESS))
    return {"", *named, *(name_of(item) if item.get("kind") == "Namespace" else namespace_of(item) for item in routed)}


def _overlapping(sharing: list[LoadBalancer], namespaces: set[str]) -> list[LoadBalancer]:
    """Those of several load balancers that watch a namespace which another one watches too."""
    watched = [(item, {name for name in namespaces if scope_of(item).covers(name)}) for item in sharing]
    return [item for item, own in watched if any(item is not other and own & names for other, names in watched)]


def _conflicts(registry: Registry, found: Iterable[LoadBalancer], namespaces: set[str]) -> Iterator[Finding]:
    by_class: dict[str, list[LoadBalancer]] = {}
    for item in found:
        for name in item.classes:
            by_class.setdefault(name, []).append(item)
    for name, claiming in sorted(by_class.items()):
        sharing = _overlapping(claiming, namespaces)
        if len(sharing) < 2 or all(registry.get(item.vendor).instance.shares_classes for item in sharing):
            continue
        ref = ObjectRef("networking.k8s.io/v1", "IngressClass", "", name)
        code = "MLB104" if len({item.vendor for item in sharing}) > 1 else "MLB109"
        labels = [item.label for item in sharing]
        yield finding(code, f"class {name} is served by " + ", ".join(labels), ref, details={"class": name, "load_balancers": labels})
