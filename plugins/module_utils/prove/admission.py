# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backend's own filters say to a route's requests: Envoy's rules are evaluated as they stand in its configuration.

Nothing here knows a policy of Istio's; what is compared with a prediction has to be read from the proxy alone. As in the prediction,
whether requests of one route get different answers is tried and not concluded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from ..core.expressions import Budget
from ..core.model import Access
from ..core.printable import clipped
from ..core.re2_syntax import ExpressionError
from ..istio.authorization.answers import INVALID_TOKEN, Incoming, Match, Sample, holds
from ..istio.authorization.matching import PREFIX
from ..istio.authorization.policies import Tokens
from ..istio.authorization.requests import RouteScope, Samples
from ..istio.authorization.rules import Condition
from ..kube.objects import Obj, dig
from .guards import Guard
from .virtual_hosts import string_matches

_STEPS = 200_000
_DEEPEST = 40
_MOST_CONDITIONS = 400
_NODES_PER_VALUE = 10
"""Nodes of a configuration that Istio makes of one value in a policy."""
_SHOWN = 20
_JWT = "envoy.filters.http.jwt_authn"
_OF_HEADER = {":path": "path", ":method": "method", ":authority": "host", "host": "host"}
_NAMED = re.compile(r"ns\[(?P<namespace>[^\]]*)\]-policy\[(?P<name>[^\]]*)\]-rule\[\d+\]")


@dataclass(frozen=True)
class _Met:
    """What became of one request: ``True`` it is let through, ``False`` it is kept out, ``None`` it is not known; and by what."""

    admitted: Match
    by: tuple[str, ...] = ()
    token: bool = False


class Admission:
    """One guard's answers to the requests of one connection."""

    def __init__(self, guard: Guard, connection: Incoming) -> None:
        self._guard = guard
        self._connection = replace(connection, http=guard.http)
        self._budget = Budget(_STEPS)
        self._texts: dict[tuple[str, str], Match] = {}

    def access(self, asked: RouteScope) -> Access:
        """Whether a route's requests are admitted."""
        if not self._guard.stages:
            return Access("allowed", "no filter of the backend keeps anybody out", reason="no_policy")
        every = (item for _name, config in self._guard.stages for item in _conditions(config, 0)) if self._guard.http else iter(())
        conditions = list(islice(every, _MOST_CONDITIONS + 1))
        samples = Samples(conditions, _tokens(self._guard) if self._guard.http else Tokens(), asked)
        if len(conditions) > _MOST_CONDITIONS or samples.too_many(self._size() // _NODES_PER_VALUE):
            return Access("unknown", "the backend's filters tell more requests apart than are tried", reason="not_known")
        seen: dict[Match, tuple[_Met, Sample]] = {}
        for sample in samples:
            found = self._answer(sample)
            seen.setdefault(found.admitted, (found, sample))
            if True in seen and False in seen:
                break
        return self._told(seen)

    def _size(self) -> int:
        return sum(_size(config, 0) for _name, config in self._guard.stages)

    def _told(self, seen: dict[Match, tuple[_Met, Sample]]) -> Access:
        who = clipped((self._connection.identity or "").removeprefix(PREFIX)) or "a sender without an identity"
        by = tuple(sorted({label for found, _sample in seen.values() for label in found.by}))[:_SHOWN]
        if True in seen and False in seen:
            what = "the token" if seen[False][0].token else "the request"
            one, other = (_shown(seen[key][1]) for key in (False, True))
            return Access("conditional", f"the backend's filters keep {one} out and let {other} through, by {what}", by)
        if None in seen:
            return Access("unknown", "what the backend's filters ask for is not known of all requests", by, "not_known")
        if False in seen:
            return Access("denied", f"the backend's filters keep requests of {who} out", by)
        return Access("allowed", f"the backend's filters let requests of {who} through", by)

    def _answer(self, sample: Sample) -> _Met:
        asked: Match = False
        doubt: tuple[str, ...] | None = None
        for name, config in self._guard.stages:
            if name == "tokens" and sample.token == INVALID_TOKEN:
                return _Met(False, token=True)
            if name == "watched":
                asked = self._policies(config, sample)[0]
            elif name == "unread" or (name == "service" and asked is not False):
                doubt = doubt or ()
            elif name == "rules":
                matched, by = self._policies(config, sample)
                action = str(config.get("action") or "ALLOW")
                if (action == "DENY" and matched is True) or (action == "ALLOW" and matched is False):
                    return _Met(False, by or tuple(_labels(config)))
                if action in ("DENY", "ALLOW") and matched is None:
                    doubt = by
        return _Met(True) if doubt is None else _Met(None, doubt)

    def _policies(self, rules: Obj, sample: Sample) -> tuple[Match, tuple[str, ...]]:
        """Whether one of the policies holds, and which."""
        found: dict[str, Match] = {}
        for name, policy in (rules.get("policies") or {}).items():
            groups = (policy.get("permissions") or [], policy.get("principals") or [])
            found[name] = _all(_any(self._node(item, sample, 0) for item in group) for group in groups)
        matched = _any(found.values())
        return matched, tuple(sorted({_label(name) for name, item in found.items() if item is matched} if matched is not False else ()))

    def _node(self, node: Obj, sample: Sample, depth: int) -> Match:
        if depth > _DEEPEST:
            return None
        for key, join in _JOINED.items():
            if key in node:
                group = node[key].get("ids") or node[key].get("rules") or []
                return join(self._node(item, sample, depth + 1) for item in group)
        for key in ("not_id", "not_rule"):
            if key in node:
                found = self._node(node[key], sample, depth + 1)
                return None if found is None else not found
        return self._leaf(node, sample)

    def _leaf(self, node: Obj, sample: Sample) -> Match:
        if node.get("any"):
            return True
        if "authenticated" in node:
            identity, wanted = self._connection.identity, dig(node, "authenticated", "principal_name")
            if identity is None:
                return None
            return bool(identity) and (wanted is None or self._text(wanted, identity))
        if "destination_port" in node:
            return int(node["destination_port"]) == self._connection.port
        if "requested_server_name" in node:
            return None if self._connection.sni is None else self._text(node["requested_server_name"], self._connection.sni)
        condition = _condition(node)
        return None if condition is None else holds(condition, "", self._connection, sample)

    def _text(self, matcher: Obj, value: str) -> Match:
        key = (str(matcher), value)
        if key not in self._texts:
            try:
                self._texts[key] = string_matches(matcher, value, self._budget)
            except ExpressionError:
                self._texts[key] = None
        return self._texts[key]


def _any(found: Iterable[Match]) -> Match:
    seen = set(found)
    return True if True in seen else None if None in seen else False


def _all(found: Iterable[Match]) -> Match:
    seen = set(found)
    return False if False in seen else None if None in seen else True


_JOINED: dict[str, Callable[[Iterable[Match]], Match]] = {"and_ids": _all, "and_rules": _all, "or_ids": _any, "or_rules": _any}


def _conditions(node: object, depth: int) -> Iterator[Condition]:
    """Every condition on what requests may differ in, anywhere in a filter's configuration."""
    if depth > _DEEPEST:
        return
    if isinstance(node, dict):
        found = _condition(node)
        if found is not None and found.attribute not in ("source_ip", "destination_ip"):
            yield found
            return
        for item in node.values():
            yield from _conditions(item, depth + 1)
    elif isinstance(node, list):
        for item in node:
            yield from _conditions(item, depth + 1)


def _size(node: object, depth: int) -> int:
    """How many values a configuration has, which is how much a request may be compared with."""
    if depth > 2 * _DEEPEST:
        return 1
    items = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return 1 + sum(_size(item, depth + 1) for item in items)


def _condition(node: Obj) -> Condition | None:
    """A leaf as a condition, where it is one on an address, a header, a path or a token; ``None`` for any other node."""
    for key, attribute in (("direct_remote_ip", "source_ip"), ("remote_ip", "remote_ip"), ("destination_ip", "destination_ip")):
        if key in node and isinstance(node[key], dict):
            length = node[key].get("prefix_len") or 0
            return Condition(attribute, (f"{node[key].get('address_prefix')}/{length}",))
    if isinstance(node.get("header"), dict):
        return _of_header(node["header"])
    if isinstance(dig(node, "url_path", "path"), dict):
        return _with_texts("path", [dig(node, "url_path", "path")])
    if "uri_template" in node:
        template = str(dig(node, "uri_template", "typed_config", "path_template", default=""))
        return Condition("path", (re.sub(r"\*\*?", lambda found: "{" + found.group() + "}", template),))
    if dig(node, "metadata", "filter") == _JWT:
        return _of_claim(node["metadata"])
    return None


def _of_header(header: Obj) -> Condition | None:
    name = str(header.get("name") or "").lower()
    matchers = [{"present": True}] if header.get("present_match") else [header["string_match"]] if "string_match" in header else [
        {key.removesuffix("_match"): value for key, value in header.items() if key in ("exact_match", "prefix_match", "suffix_match")}
    ]
    return _with_texts(_OF_HEADER.get(name, "header"), matchers, f"[{name}]")


def _of_claim(metadata: Obj) -> Condition | None:
    path = [str(item.get("key") or "") for item in metadata.get("path") or [] if isinstance(item, dict)]
    name = "][".join(path[1:] if path[:1] == ["payload"] else path)
    return _with_texts("claim", list(_of_value(metadata.get("value") or {}, 0)), f"[{name}]")


def _of_value(value: Obj, depth: int) -> Iterator[Obj]:
    """The StringMatchers of which one has to take a value, or one of the values in a list; an empty one for what is none of these."""
    if depth > _DEEPEST:
        yield {}
    elif "or_match" in value:
        for item in dig(value, "or_match", "value_matchers", default=[]):
            yield from _of_value(item, depth + 1)
    elif "list_match" in value:
        yield from _of_value(dig(value, "list_match", "one_of", default={}), depth + 1)
    else:
        yield dict(value.get("string_match") or {})


def _with_texts(attribute: str, matchers: Iterable[Obj], name: str = "") -> Condition | None:
    """A condition of these StringMatchers; ``None`` where one of them is an expression that no text with a ``*`` says."""
    texts = [_as_text(item) for item in matchers]
    found = tuple(dict.fromkeys(text for text in texts if text is not None))
    return Condition(attribute, found, (), name) if found and None not in texts else None


def _as_text(matcher: Obj) -> str | None:
    if matcher.get("present") or dig(matcher, "safe_regex", "regex") == ".+":
        return "*"
    if "exact" in matcher:
        return str(matcher["exact"])
    if "prefix" in matcher:
        return f"{matcher['prefix']}*"
    return f"*{matcher['suffix']}" if "suffix" in matcher else None


def _tokens(guard: Guard) -> Tokens:
    """Who may issue tokens that a guard takes."""
    providers = [item for name, config in guard.stages if name == "tokens" for item in (config.get("providers") or {}).values()]
    found = {(str(item.get("issuer") or ""), tuple(map(str, item.get("audiences") or ()))) for item in providers}
    return Tokens(("tokens",), tuple(sorted(found))) if found else Tokens()


def _labels(rules: Obj) -> Iterator[str]:
    yield from dict.fromkeys(_label(name) for name in rules.get("policies") or {})


def _label(name: str) -> str:
    """The policy that a rule comes from, as Istio notes it in the rule's name."""
    found = _NAMED.search(name)
    return clipped(f"{found['namespace']}/{found['name']}" if found else name)


def _shown(sample: Sample) -> str:
    headers = "".join(f", {name}: {value}" for name, value in sample.headers if value is not None)
    words = {"none": "", INVALID_TOKEN: " with an invalid token"}
    token = words[sample.token] if isinstance(sample.token, str) else " with a token"
    return clipped(f"{sample.method} {sample.host or '*'}{sample.path or ''}{headers}{token}")
