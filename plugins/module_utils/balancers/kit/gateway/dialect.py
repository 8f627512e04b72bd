# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What implementations of the Gateway API do each in their own way: where it leaves a choice, and where one departs from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ....core.expressions import why_no_expression
from ....core.model import replace
from ....kube.objects import Obj, dig, name_of, namespace_of
from ..scope import Scope
from .names import WITHOUT_HOSTS

_HTTP = frozenset({"HTTPRoute", "GRPCRoute"})
USUAL_KINDS: Mapping[str, frozenset[str]] = {
    "HTTP": _HTTP, "HTTPS": _HTTP, "TLS": frozenset({"TLSRoute", "TCPRoute"}), "TCP": frozenset({"TCPRoute"}),
    "UDP": frozenset({"UDPRoute"}),
}
"""Kinds of routes by the protocol of a listener."""


@dataclass(frozen=True)
class Effect:
    """What filters make of a rule's requests.

    ``host``: the Host that is sent, empty where it is left alone; one with a ``$`` is not known beforehand. ``answers``: what answers
    in the backends' place. ``refused``: why the implementation does not serve the rule. ``unread``: the filter whose effect is not known.
    """

    host: str = ""
    answers: str = ""
    refused: str = ""
    unread: str = ""


def unread_extension(route: Obj, reference: Obj) -> Effect:
    """The effect of a filter that nobody here knows: it may set the Host, so what is sent is not known."""
    kind, name = reference.get("kind"), reference.get("name")
    return Effect("$filter", unread=f"{kind} {name}")


def no_extension(route: Obj, reference: Obj) -> Effect:
    """The answer of an implementation that knows no filters by reference."""
    return Effect(refused=f"it has no filter {reference.get('kind')}.{reference.get('group')}")


def ignored_extension(route: Obj, reference: Obj) -> Effect:
    """The answer of an implementation whose filters by reference leave backends and Host alone, or are not looked at."""
    return Effect()


def _nothing(*_about: Obj) -> str:
    return ""


@dataclass(frozen=True)
class Dialect:
    """One implementation; the defaults are the standard's.

    ``kinds``: those that it serves, by the protocol of a listener. ``listener_sets``: kind keys of ListenerSets that it reads.
    ``strict_kinds``: a listener that lists a kind which its protocol lacks does not work. ``first_wins``: protocols of which the first
    of several listeners in conflict works; of the others none does. ``shares_ports``: protocols that differ are no conflict.
    ``isolates_hosts``: a host that another listener of the port has is that listener's alone. ``certificates``: how many of those that
    a listener names it has to be allowed to read. ``one_stream``: a TCP or UDP route has one rule, and a listener carries the oldest of
    them. ``filters``, ``backend_filters``: types of filters that it has for rules and for single backends, ``None`` for all.
    ``checks_expressions``: it leaves out a rule with an expression that RE2 does not know. ``extension``: the effect of a filter by
    reference. ``gateway``, ``listener``, ``route``, ``rule``, ``filter``, ``backend_filter``: why it does not serve one, or refuses it,
    empty where it does not; a listener comes with its Gateway, a rule with its route.
    """

    kinds: Mapping[str, frozenset[str]] = field(default_factory=lambda: USUAL_KINDS)
    listener_sets: frozenset[str] = frozenset()
    strict_kinds: bool = False
    first_wins: frozenset[str] = frozenset()
    shares_ports: bool = False
    isolates_hosts: bool = False
    certificates: Literal["all", "any", "none"] = "any"
    one_stream: bool = True
    filters: frozenset[str] | None = None
    backend_filters: frozenset[str] | None = None
    checks_expressions: bool = True
    extension: Callable[[Obj, Obj], Effect] = unread_extension
    gateway: Callable[[Obj], str] = _nothing
    listener: Callable[[Obj, Obj], str] = _nothing
    route: Callable[[Obj], str] = _nothing
    rule: Callable[[Obj, Obj], str] = _nothing
    filter: Callable[[Obj], str] = _nothing
    backend_filter: Callable[[Obj], str] = _nothing

    def kinds_of(self, listener: Obj) -> frozenset[str]:
        """Kinds of routes that a listener can take by its protocol."""
        through = (listener.get("protocol"), dig(listener, "tls", "mode")) == ("TLS", "Passthrough")
        return self.kinds.get(str(listener.get("protocol")), frozenset()) - (WITHOUT_HOSTS if through else frozenset())

    def without(self, *route_kinds: str) -> Dialect:
        """The same for one that does not serve these kinds."""
        return replace(self, kinds={protocol: found - set(route_kinds) for protocol, found in self.kinds.items()})

    def effect(self, route: Obj, rule: Obj) -> Effect:
        """What becomes of a rule's requests, whatever its backends."""
        bad = next(_bad_expressions(rule), "") if self.checks_expressions else ""
        found = self._together(route, rule.get("filters") or [], self.filters, "a rule")
        return replace(found, refused=bad or self.rule(route, rule) or found.refused)

    def effect_of_backend(self, route: Obj, reference: Obj) -> Effect:
        """What the filters of one backend make of its requests."""
        listed = reference.get("filters") or []
        refused = next(filter(None, map(self.backend_filter, listed)), "")
        return Effect(refused=refused) if refused else self._together(route, listed, self.backend_filters, "a backend")

    def _together(self, route: Obj, filters: Iterable[Obj], known: frozenset[str] | None, of_what: str) -> Effect:
        found = Effect()
        for item in filters:
            kind = str(item.get("type") or "")
            refused = f"it has no filter {kind} of {of_what}" if known is not None and kind not in known else self.filter(item)
            effect = Effect(refused=refused) if refused else self._of_filter(route, item)
            found = Effect(*(getattr(effect, part) or getattr(found, part) for part in ("host", "answers", "refused", "unread")))
        return found

    def _of_filter(self, route: Obj, item: Obj) -> Effect:
        if item.get("requestRedirect") is not None:
            return Effect(answers="a redirect")
        return self.extension(route, item["extensionRef"]) if item.get("extensionRef") else Effect(host_of_filter(item))


def within_scope(dialect: Dialect, *scopes: Scope) -> Dialect:
    """The same for an instance that looks at some namespaces only."""

    def unwatched(obj: Obj) -> str:
        if all(scope.covers(namespace_of(obj)) for scope in scopes):
            return ""
        return f"namespace {namespace_of(obj)}, where {obj.get('kind')} {name_of(obj)} is, is none of those that are watched"

    return replace(
        dialect, gateway=lambda obj: unwatched(obj) or dialect.gateway(obj), route=lambda obj: unwatched(obj) or dialect.route(obj)
    )


def host_of_filter(item: Obj) -> str:
    """The Host that a filter of the standard's own sets, empty where it does not."""
    for header in dig(item, "requestHeaderModifier", "set", default=[]):
        if str(header.get("name", "")).lower() == "host":
            return str(header.get("value", ""))
    return str(dig(item, "urlRewrite", "hostname", default=""))


def _bad_expressions(rule: Obj) -> Iterator[str]:
    for match in rule.get("matches") or []:
        path, method = match.get("path") or {}, match.get("method")
        by_name = (*(match.get("headers") or []), *(match.get("queryParams") or []))
        asked = [(item.get("type"), item.get("value")) for item in (path, *by_name)]
        if isinstance(method, dict):
            asked += [(method.get("type"), method.get(part)) for part in ("service", "method")]
        for kind, text in asked:
            why = why_no_expression(str(text)) if kind == "RegularExpression" and text else ""
            if why:
                yield f"{text!r} is no regular expression: {why}"
