# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways of the Gateway API that no workload here serves: the load balancers that they stand for, or what follows for their routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import partial

from ..balancers.contract.profile import Profile, Registry
from ..balancers.kit.chain.answers import about_chaining
from ..balancers.kit.gateway.names import GATEWAY, GATEWAY_CLASS
from ..core.findings import finding
from ..core.guard import attempt
from ..core.marks import PART
from ..core.model import UNKNOWN, Finding, LoadBalancer, Mode, ObjectRef, SidecarState, replace
from ..istio.gateways import is_istio_gateway
from ..kube.objects import Obj, annotations_of, dig, name_of, namespace_of, ref_of
from ..kube.snapshot import Snapshot

Key = tuple[str, str]


def gateway_class_of(snapshot: Snapshot, gateway: Obj) -> tuple[str, str]:
    """The name of a Gateway's class and the controller that it names, which is empty where there is no such class."""
    name = str(dig(gateway, "spec", "gatewayClassName", default=""))
    return name, str(dig(snapshot.get(GATEWAY_CLASS, "", name), "spec", "controllerName", default=""))


def unserved_gateways(snapshot: Snapshot, registry: Registry, found: Iterable[LoadBalancer]) -> Iterator[Obj]:
    """Gateways that no load balancer serves; Istio's own are none of these, nor are those that were made for a chain."""
    served: set[Key] = set()
    for item in found:
        for reader in registry.get(item.vendor).routes:
            keys, dummy = attempt(partial(reader.gateways, snapshot, item))
            served.update(keys)
    for gateway in snapshot.all(GATEWAY):
        ours = annotations_of(gateway).get(PART) or is_istio_gateway(*gateway_class_of(snapshot, gateway))
        if not ours and (namespace_of(gateway), name_of(gateway)) not in served:
            yield gateway


def with_gateways(snapshot: Snapshot, registry: Registry, found: list[LoadBalancer]) -> tuple[list[LoadBalancer], list[Finding]]:
    """The load balancers, with those that Gateways stand for, and what is said about the Gateways' classes."""
    by_key, said = {item.key: item for item in found}, []
    for gateway in unserved_gateways(snapshot, registry, found):
        name, controller = gateway_class_of(snapshot, gateway)
        owner = _owner(registry, name, controller)
        here = [item.label for item in found if owner and item.vendor == owner.about.id]
        if owner and here and not owner.recogniser.gateway_classes.per_gateway and not owner.about.outside:
            said.append(_not_served(owner, name, gateway, here))
            continue
        made = _made(owner or registry.unknown, name, controller, gateway)
        outside = (item for item in by_key.values() if owner and owner.about.outside and item.vendor == owner.about.id)
        earlier = next(outside, None) or by_key.get(made.key) or made
        both = dict.fromkeys((*earlier.gateways, *made.gateways))
        by_key[earlier.key] = replace(earlier, gateways=tuple(both))
        if not (owner and owner.about.outside):
            said.append(_about(owner, name, controller, gateway))
    return list(by_key.values()), list(dict.fromkeys(said))


def _owner(registry: Registry, name: str, controller: str) -> Profile | None:
    """The profile whose controller a class names; without the class, the one that always gives it this name."""
    for profile in registry.profiles:
        signs = profile.recogniser.gateway_classes
        if controller in signs.controllers if controller else any(fnmatchcase(name, item) for item in signs.names):
            return profile
    return None


def _made(profile: Profile, class_name: str, controller: str, gateway: Obj) -> LoadBalancer:
    """A load balancer without a workload: of one Gateway where each has its own, else of a class."""
    own = profile.recogniser.gateway_classes.per_gateway
    namespace, name = (namespace_of(gateway), name_of(gateway)) if own else ("", class_name)
    reason = profile.about.outside or "nothing is known of the workload behind this Gateway"
    return LoadBalancer(
        name, namespace, profile.about.id, profile.about.title, profile.about.placement if own else "external",
        confidence="likely" if profile.recogniser.gateway_classes.controllers else "possible",
        evidence=(f"{ref_of(gateway)} has class {class_name}" + (f" of controller {controller}" if controller else ""),),
        # Pods that are not known may have a sidecar.
        sidecar=SidecarState() if profile.about.outside else SidecarState(UNKNOWN, UNKNOWN),
        modes=(
            ("standalone_plaintext", Mode(True, "it reaches backends that accept plaintext")),
            ("standalone_mtls", Mode(False, reason, (reason,))), ("chained", Mode(True, about_chaining(profile.chain))),
        ),
        gateways=((namespace_of(gateway), name_of(gateway)),),
    )


def _ref(class_name: str) -> ObjectRef:
    return ObjectRef("gateway.networking.k8s.io/v1", "GatewayClass", "", class_name)


def _not_served(owner: Profile, class_name: str, gateway: Obj, here: list[str]) -> Finding:
    why = f"{owner.about.title} is here ({', '.join(here)}), and does not serve its class {class_name}: it was told of another controller"
    return finding("MLB145", why, ref_of(gateway), details={"class": class_name, "load_balancers": here})


def _about(owner: Profile | None, class_name: str, controller: str, gateway: Obj) -> Finding:
    label, details = f"{ref_of(gateway)} has", {"class": class_name, "controller": controller}
    if owner is not None:
        message = f"{label} class {class_name} of {owner.about.title}, and no workload of it was found"
        return finding("MLB144", message, _ref(class_name), details={**details, "vendor": owner.about.id})
    what = f"names controller {controller!r}, which no profile knows" if controller else "does not exist, and no profile knows its name"
    message = f"{label} class {class_name}, which {what}; its routes are taken to go to pod addresses"
    return finding("MLB143", message, _ref(class_name), details=details)
