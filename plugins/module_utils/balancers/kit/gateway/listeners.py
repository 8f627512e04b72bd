# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which listeners of Gateways and ListenerSets work: a route that a listener lets attach is served only if that listener is.

Source: kubernetes-sigs/gateway-api apis/v1 (Listener, GatewayTLSConfig, AllowedListeners, ListenerSet) and GEP-1713.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from ....core.model import replace
from ....kube import kinds
from ....kube.objects import Obj, created_at, dig, kind_key, labels_of, name_of, namespace_of
from ....kube.pods import by_namespace
from ....kube.selectors import object_selector
from ....kube.snapshot import Snapshot
from .dialect import Dialect
from .names import GATEWAY, GATEWAY_CLASS, GROUP, REFERENCE_GRANT

ParentKey = tuple[str, str, str]
"""Kind key, namespace and name of what a route can name as its parent."""
Gateways = Mapping[tuple[str, str], Obj]
Grants = Callable[[str], Iterable[Obj]]
"""The ReferenceGrants of a namespace."""
_FAMILIES = {"HTTPS": "TLS"}


@dataclass(frozen=True)
class GatewayListener:
    """A listener of a Gateway, or of a ListenerSet that adds to one; ``why_not`` says why it does not work, empty where it does."""

    holder: Obj
    gateway: Obj
    spec: Obj
    why_not: str = ""

    @property
    def port(self) -> int:
        return int(self.spec.get("port", 0))

    @property
    def protocol(self) -> str:
        return str(self.spec.get("protocol", ""))

    @property
    def hostname(self) -> str:
        return str(self.spec.get("hostname") or "").lower()

    @property
    def label(self) -> str:
        return f"listener {self.spec.get('name')} of {label_of(self.holder)}"

    @property
    def passes_through(self) -> bool:
        # A listener that ends TLS, which is the default, sends what was inside.
        return bool(self.protocol == "TLS" and dig(self.spec, "tls", "mode", default="Terminate") == "Passthrough")


Listeners = Mapping[ParentKey, "tuple[GatewayListener, ...]"]


def label_of(obj: Obj) -> str:
    """An object in words."""
    return f"{obj.get('kind')} {namespace_of(obj)}/{name_of(obj)}"


def gateways_of(listed: Callable[[str], Iterable[Obj]], controllers: Iterable[str]) -> dict[tuple[str, str], Obj]:
    """Gateways by namespace and name whose GatewayClass has one of these controller names; ``listed`` gives all objects of a kind."""
    wanted = set(controllers)
    classes = {name_of(item) for item in listed(GATEWAY_CLASS) if dig(item, "spec", "controllerName") in wanted}
    return {
        (namespace_of(item), name_of(item)): item for item in listed(GATEWAY) if dig(item, "spec", "gatewayClassName") in classes
    }


def listeners_of(snapshot: Snapshot, gateways: Gateways, dialect: Dialect) -> Listeners:
    """The listeners of these Gateways, by what routes name as their parent."""
    sets = [item for kind in sorted(dialect.listener_sets) for item in snapshot.all(kind)]
    found: dict[ParentKey, tuple[GatewayListener, ...]] = {}
    for place, gateway in gateways.items():
        parts = [_own(snapshot, gateway, gateway, dialect)]
        added = (item for item in sets if added_to(item) == place)
        for item in sorted(added, key=lambda one: (created_at(one), namespace_of(one), name_of(one))):
            admitted = _admits(gateway, item, _labels(snapshot, item))
            refused = "" if admitted else f"{label_of(gateway)} admits no {label_of(item)} (allowedListeners)"
            parts.append([replace(one, why_not=refused or one.why_not) for one in _own(snapshot, gateway, item, dialect)])
        for one in _settled([one for part in parts for one in part], dialect):
            key = parent_key(one.holder)
            found[key] = (*found.get(key, ()), one)
        found.setdefault(parent_key(gateway), ())
    return found


def parent_key(obj: Obj) -> ParentKey:
    """How routes name an object as their parent."""
    return kind_key(str(obj.get("apiVersion")), str(obj.get("kind"))), namespace_of(obj), name_of(obj)


def named_parents(route: Obj) -> Iterator[tuple[ParentKey, Obj]]:
    """What a route names as its parents, each with the reference."""
    for item in dig(route, "spec", "parentRefs", default=[]):
        group, kind = str(item.get("group", GROUP)), str(item.get("kind") or "Gateway")
        yield (f"{kind}.{group}" if group else kind, str(item.get("namespace") or namespace_of(route)), str(item.get("name", ""))), item


def by_parent(route: Obj) -> Iterator[ParentKey]:
    """Index of routes by what they name as their parents."""
    yield from dict.fromkeys(key for key, dummy in named_parents(route))


def _labels(snapshot: Snapshot, obj: Obj) -> Mapping[str, str]:
    return labels_of(snapshot.get(kinds.NAMESPACE, "", namespace_of(obj)) or {})


def added_to(listener_set: Obj) -> tuple[str, str]:
    """Namespace and name of the Gateway that a ListenerSet adds to."""
    parent = dig(listener_set, "spec", "parentRef", default={})
    return str(parent.get("namespace") or namespace_of(listener_set)), str(parent.get("name", ""))


def _admits(gateway: Obj, listener_set: Obj, labels: Mapping[str, str]) -> bool:
    return allows_namespace(dig(gateway, "spec", "allowedListeners", "namespaces", default={}), "None", gateway, listener_set, labels)


def allows_namespace(allowed: Obj, usual: str, holder: Obj, obj: Obj, labels: Mapping[str, str]) -> bool:
    """Whether ``from`` and ``selector`` of a holder allow an object, whose namespace has these labels; ``usual`` is the default."""
    source = str(allowed.get("from") or usual)
    if source == "Selector":
        return object_selector(allowed.get("selector")).matches({"kubernetes.io/metadata.name": namespace_of(obj), **labels})
    return source == "All" or (source == "Same" and namespace_of(obj) == namespace_of(holder))


def _own(snapshot: Snapshot, gateway: Obj, holder: Obj, dialect: Dialect) -> list[GatewayListener]:
    """An object's listeners, each judged by itself."""
    grants = partial(snapshot.lookup, REFERENCE_GRANT, by_namespace)
    left_alone = dialect.gateway(gateway)
    found = []
    for spec in dig(holder, "spec", "listeners", default=[]):
        one = GatewayListener(holder, gateway, spec)
        judged = (_noted(one), dialect.listener(gateway, spec), _unknown_kind(spec, dialect), _without_certificate(one, grants, dialect))
        why = next(filter(None, judged), "")
        found.append(replace(one, why_not=left_alone or (f"{one.label} does not work: {why}" if why else "")))
    return found


def _noted(listener: GatewayListener) -> str:
    """Why a listener does not work by the conditions that its implementation wrote; that it is accepted proves nothing."""
    own = (item for item in dig(listener.holder, "status", "listeners", default=[]) if item.get("name") == listener.spec.get("name"))
    generation = dig(listener.holder, "metadata", "generation", default=0)
    for item in dig(next(own, {}), "conditions", default=[]):
        bad = (item.get("type"), item.get("status")) in (("Conflicted", "True"), ("Accepted", "False"), ("Programmed", "False"))
        if bad and item.get("observedGeneration", generation) == generation and item.get("reason") != "Pending":
            return f"its status says {item.get('type')}: {item.get('status')} ({item.get('reason')})"
    return ""


def _unknown_kind(listener: Obj, dialect: Dialect) -> str:
    known, listed = dialect.kinds_of(listener), dig(listener, "allowedRoutes", "kinds", default=[]) if dialect.strict_kinds else []
    unknown = (item.get("kind") for item in listed if item.get("group", GROUP) != GROUP or item.get("kind") not in known)
    return next((f"it allows {kind}, which its protocol {listener.get('protocol')} cannot carry" for kind in unknown), "")


def _without_certificate(listener: GatewayListener, grants: Grants, dialect: Dialect) -> str:
    """Why a listener that ends TLS has no certificate; whether a Secret is there is not looked at, as somebody may make it later."""
    tls = listener.spec.get("tls")
    if dialect.certificates == "none" or listener.protocol not in ("HTTPS", "TLS") or listener.passes_through:
        return ""
    references = dig(tls, "certificateRefs", default=[])
    if not references:
        return "" if dig(tls, "options") else "it ends TLS and names no certificate"
    refused = [why for item in references if (why := _no_certificate(listener.holder, item, grants))]
    return refused[0] if refused and (dialect.certificates == "all" or len(refused) == len(references)) else ""


def _no_certificate(holder: Obj, reference: Obj, grants: Grants) -> str:
    namespace, name = str(reference.get("namespace") or namespace_of(holder)), str(reference.get("name", ""))
    target = (str(reference.get("group") or ""), str(reference.get("kind") or "Secret"), name)
    if target[0] not in ("", "core") or target[1] != "Secret":
        return f"it names {target[1]} {namespace}/{name}, which is no Secret"
    if not granted(holder, namespace, ("", "Secret", name), grants):
        return f"it names Secret {namespace}/{name}, and no ReferenceGrant there allows that"
    return ""


def granted(source: Obj, namespace: str, target: tuple[str, str, str], grants: Grants) -> bool:
    """Whether an object may name another one (group, kind, name): of its own namespace, or as a ReferenceGrant there allows it."""
    return namespace == namespace_of(source) or any(_grants(item, source, target) for item in grants(namespace))


def _grants(grant: Obj, source: Obj, target: tuple[str, str, str]) -> bool:
    group = kind_key(str(source["apiVersion"]), "").lstrip(".")
    allowed = any(
        (item.get("group"), item.get("kind"), item.get("namespace")) == (group, source["kind"], namespace_of(source))
        for item in dig(grant, "spec", "from", default=[])
    )
    return allowed and any(
        (item.get("group", ""), item.get("kind")) == target[:2] and item.get("name") in (None, "", target[2])
        for item in dig(grant, "spec", "to", default=[])
    )


def _settled(listeners: list[GatewayListener], dialect: Dialect) -> list[GatewayListener]:
    """The listeners of a Gateway, those in conflict marked; they are in the order in which one goes before another."""
    lost: dict[int, str] = {}
    # What does not work by itself keeps no other from working.
    live = [one for one in listeners if not one.why_not]
    places = (_own_place,) if dialect.shares_ports else (_transport, _place)
    for agreed in places:
        for group in _grouped([one for one in live if id(one) not in lost], agreed):
            for one in _losers(group, agreed is _transport, dialect.first_wins):
                others = ", ".join(sorted({str(other.spec.get("name")) for other in group if other is not one}))
                what = "protocols differ" if agreed is _transport else "hostnames are the same"
                lost[id(one)] = f"{one.label} does not work: it is in conflict with {others} on port {one.port}, as their {what}"
    return [replace(one, why_not=lost.get(id(one), one.why_not)) for one in listeners]


def _transport(one: GatewayListener) -> tuple[int, bool]:
    return one.port, one.protocol == "UDP"


def _place(one: GatewayListener) -> tuple[int, str, str]:
    return one.port, _family(one), one.hostname


def _own_place(one: GatewayListener) -> tuple[int, str, str]:
    return one.port, one.protocol, one.hostname


def _family(one: GatewayListener) -> str:
    return _FAMILIES.get(one.protocol, one.protocol)


def _grouped(listeners: list[GatewayListener], key: Callable[[GatewayListener], tuple[object, ...]]) -> Iterator[list[GatewayListener]]:
    yield from (list(group) for dummy, group in groupby(sorted(listeners, key=lambda one: str(key(one))), key=key))


def _losers(group: list[GatewayListener], by_family: bool, first_wins: frozenset[str]) -> Iterator[GatewayListener]:
    """Those in one place that do not work: all but the Gateway's own or the first, or all where the Gateway's own differ."""
    names = {_family(one) if by_family else str(number) for number, one in enumerate(group)}
    if len(names) < 2:
        return
    own = [one for one in group if one.holder is one.gateway]
    clash = len({_family(one) for one in own}) > 1 if by_family else len(own) > 1
    first = (own or group)[0]
    nobody = clash and first.protocol not in first_wins
    for one in group:
        same = _family(one) == _family(first) if by_family else one is first
        if nobody or not same:
            yield one
