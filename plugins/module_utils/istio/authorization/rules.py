# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an AuthorizationPolicy says, as its proxy is told: rules, each of conditions on who asks and on what is asked for.

A rule holds where one of its lists of conditions on the sender and one of those on the operation hold as a whole. Source: istio/istio
pilot/pkg/security/authz/model/model.go (what is consolidated into what, and what becomes of values that make no sense there) and
pilot/pkg/security/trustdomain/bundle.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ...core.model import replace
from ...kube.objects import Obj, dig
from .matching import ANY, is_port, network

LOCAL_DOMAIN = "cluster.local"
"""In a policy, this name stands for the mesh's own trust domain, whatever that is called."""
HTTP_ONLY = frozenset({"host", "path", "method", "header", "request_principal", "audience", "presenter", "claim"})
"""What a proxy can only see in HTTP."""
OF_ADDRESS = frozenset({"source_ip", "remote_ip"})
_SOURCE = {
    "principals": "principal", "requestPrincipals": "request_principal", "namespaces": "namespace", "serviceAccounts": "service_account",
    "trustDomains": "trust_domain", "ipBlocks": "source_ip", "remoteIpBlocks": "remote_ip",
}
_OPERATION = {"hosts": "host", "ports": "port", "methods": "method", "paths": "path"}
_WHEN = {
    "source.ip": "source_ip", "remote.ip": "remote_ip", "source.namespace": "namespace", "source.principal": "principal",
    "source.serviceAccount": "service_account", "source.trustDomain": "trust_domain", "request.auth.principal": "request_principal",
    "request.auth.audiences": "audience", "request.auth.presenter": "presenter", "destination.ip": "destination_ip",
    "destination.port": "port", "connection.sni": "sni",
}
_NAMED = {"request.headers": "header", "request.auth.claims": "claim", "experimental.envoy.filters.": "envoy_filter"}
_OF_OPERATION = frozenset({"destination_ip", "port", "sni", "envoy_filter", *_OPERATION.values()})


@dataclass(frozen=True)
class Condition:
    """One attribute that has to have one of ``values`` (if there are any) and none of ``others``; ``name`` is a header's or a claim's."""

    attribute: str
    values: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    name: str = ""

    def told(self) -> str:
        """The attribute in words."""
        if self.attribute == "header":
            return f"header {self.name[1:-1]}"
        return _WORDS.get(self.attribute, self.attribute)


_WORDS = {
    "source_ip": "the sender's address", "remote_ip": "the client's address", "destination_ip": "the pod's address",
    "sni": "the server name (SNI)", "envoy_filter": "what an Envoy filter noted", "request_principal": "token", "audience": "token",
    "presenter": "token", "claim": "token",
}
Conditions = tuple[Condition, ...]


@dataclass(frozen=True)
class Rule:
    """Lists of conditions on the sender and on the operation; one of each has to hold."""

    sources: tuple[Conditions, ...]
    operations: tuple[Conditions, ...]

    def conditions(self) -> Iterator[Condition]:
        """All of them."""
        for group in (*self.sources, *self.operations):
            yield from group


@dataclass(frozen=True)
class TrustDomains:
    """The mesh's own trust domain and its aliases."""

    own: tuple[str, ...] = (LOCAL_DOMAIN,)

    def principals(self, values: Iterable[str]) -> Iterator[str]:
        """Principals with every name that the mesh's trust domain has."""
        for value in values:
            domain, slash, rest = value.partition("/")
            if value.count("/") != 4 or domain == ANY or not (domain == LOCAL_DOMAIN or any(_alike(domain, own) for own in self.own)):
                yield value
            else:
                yield from dict.fromkeys(value if _ends_like(own, domain) else f"{own}{slash}{rest}" for own in self.own)

    def domains(self, values: Iterable[str]) -> Iterator[str]:
        """Trust domains, with all names of the mesh's own where one of them is named."""
        for value in values:
            yield from self.own if value in self.own else (value,)


def _alike(one: str, other: str) -> bool:
    """Whether one is the other, or a pattern for it."""
    return other in (one, ANY) or any(_ends_like(*pair) or _begins_like(*pair) for pair in ((one, other), (other, one)))


def _ends_like(value: str, pattern: str) -> bool:
    return pattern.startswith(ANY) and value.endswith(pattern[1:])


def _begins_like(value: str, pattern: str) -> bool:
    return pattern.endswith(ANY) and value.startswith(pattern[:-1])


def read_rule(rule: Obj, domains: TrustDomains) -> Rule | None:
    """A rule as it is written; ``None`` for one that Istio leaves out, as it names an attribute that there is not."""
    found = [_condition(str(item.get("key") or ""), item) for item in rule.get("when") or []]
    if None in found:
        return None
    when = [item for item in found if item is not None and (item.values or item.others)]
    senders = tuple(item for item in when if item.attribute not in _OF_OPERATION)
    asked = tuple(item for item in when if item.attribute in _OF_OPERATION)
    sources = [(*_fields(dig(item, "source", default={}), _SOURCE), *senders) for item in rule.get("from") or []] or [senders]
    operations = [(*_fields(dig(item, "operation", default={}), _OPERATION), *asked) for item in rule.get("to") or []] or [asked]
    return Rule(tuple(tuple(_migrated(item, domains) for item in group) for group in sources), tuple(operations))


def _condition(key: str, item: Obj) -> Condition | None:
    values, others = tuple(item.get("values") or ()), tuple(item.get("notValues") or ())
    if key in _WHEN:
        return Condition(_WHEN[key], values, others)
    for start, attribute in _NAMED.items():
        if key.startswith(start):
            return Condition(attribute, values, others, key[len(start) :])
    return None


def _fields(fields: Obj, names: dict[str, str]) -> Iterator[Condition]:
    for field, attribute in names.items():
        values, others = fields.get(field) or (), fields.get(f"not{field[0].upper()}{field[1:]}") or ()
        if values or others:
            yield Condition(attribute, tuple(values), tuple(others))


def _migrated(item: Condition, domains: TrustDomains) -> Condition:
    change: Callable[[Iterable[str]], Iterator[str]]
    if item.attribute == "principal":
        change = domains.principals
    elif item.attribute == "trust_domain":
        change = domains.domains
    else:
        return item
    return replace(item, values=tuple(change(item.values)), others=tuple(change(item.others)))


def as_enforced(rule: Rule, *, allows: bool, http: bool) -> Rule | None:
    """A rule as the proxy gets it for HTTP or for TCP; ``None`` where it gets none.

    What makes no sense there takes the whole rule out of a policy that allows, and itself alone out of any other: less is allowed, and
    more is denied.
    """
    sources = [_enforced(group, allows, http) for group in rule.sources]
    operations = [_enforced(group, allows, http) for group in rule.operations]
    kept = tuple(group for group in sources if group is not None), tuple(group for group in operations if group is not None)
    return None if len(kept[0]) < len(sources) or len(kept[1]) < len(operations) else Rule(*kept)


def _enforced(group: Conditions, allows: bool, http: bool) -> Conditions | None:
    found = []
    for item in group:
        makes_sense = _sense(item, http)
        kept = replace(item, values=tuple(filter(makes_sense, item.values)), others=tuple(filter(makes_sense, item.others)))
        if allows and kept != item:
            return None
        if kept.values or kept.others:
            found.append(kept)
    return tuple(found)


def _sense(item: Condition, http: bool) -> Callable[[str], bool]:
    """Tells which values Istio can make something of."""
    if not http and item.attribute in HTTP_ONLY:
        return lambda value: False
    if item.attribute in ("header", "claim") and not (item.name.startswith("[") and item.name.endswith("]")):
        return lambda value: False
    if item.attribute in ("source_ip", "remote_ip", "destination_ip"):
        return lambda value: network(value) is not None
    return is_port if item.attribute == "port" else lambda value: True
