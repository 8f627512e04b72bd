# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules of one VirtualService do with a route's requests, or with a connection.

A route stands for many requests: all below its path, with whatever headers. So a rule may take all of them, some of them for certain (those
of a narrower path), some of them perhaps (those with a header), or none. Source: istio/istio pilot/pkg/networking/core/route/route.go
(TranslateRoute, sourceMatchHTTP) and pilot/pkg/networking/core/tls.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..kube.objects import Obj, dig, name_of, namespace_of
from .visibility import Viewer

ENDS = "meshlb.ends"
"""Key of a rule that is made of a route without a backend, which no VirtualService has: what the sidecar does with what it takes."""
ALL, SOME, PERHAPS, NONE = "all", "some", "perhaps", "none"
_ANY = "any"
_STATIC = frozenset({"port", "gateways", "sourceLabels", "sourceNamespace", "name", "statPrefix"})
_KNOWN = frozenset({"uri", "authority", "scheme", "ignoreUriCase"})
_LITERAL = re.compile(r"[A-Za-z0-9/_.~%-]*")
_EXACT, _PREFIX = frozenset({"exact"}), frozenset({"prefix", "pathprefix"})


@dataclass(frozen=True)
class AskedFor:
    """The requests of a route. ``host`` and ``path`` are empty where they are not known: any is possible then.

    ``without``: narrower paths with their types whose requests are other routes'.
    """

    host: str = ""
    path: str = "/"
    path_type: str = "Prefix"
    without: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RuleTarget:
    """One destination of a rule: a host as it is written, a port (0 where none is given), a subset, and how much of 100 it gets."""

    host: str
    port: int = 0
    subset: str = ""
    weight: int = 100


@dataclass(frozen=True)
class Branch:
    """What some requests of a route meet. ``part`` says which, empty for those of its own path; ``sure``: whether there are such requests.

    ``answer`` says what the sidecar answers itself, ``unclear`` why it is not known what it does; there are no targets then.
    """

    targets: tuple[RuleTarget, ...] = ()
    part: str = ""
    sure: bool = True
    answer: str = ""
    unclear: str = ""


def label_of(virtual: Obj) -> str:
    """How sentences name the object: a VirtualService, or a route of the Gateway API that Istio reads as one."""
    return f"{virtual.get('kind', 'VirtualService')} {namespace_of(virtual)}/{name_of(virtual)}"


def branches(virtual: Obj, asked: AskedFor, viewer: Viewer, port: int) -> tuple[Branch, ...]:
    """What a VirtualService does with a route's requests on a port; the first branch is for the route's own path.

    Empty where none of its rules is for this sidecar and port: Istio then goes on as if it were not there.
    """
    rules = [(rule, match) for rule, match in _matches(virtual) if _static(match, viewer, port)]
    if not rules:
        return ()
    own: Branch | None = None
    parts: list[Branch] = []
    left = _pieces(asked)
    for rule, match in rules:
        relations = {piece: _relation(match, piece, asked) for piece in left}
        for how, part in relations.values():
            if how == ALL and own is None:
                own = _branch(rule, "", how)
            elif how != NONE and (own is None or _branch(rule, "", how) != replace(own, sure=how != PERHAPS)):
                parts.append(_branch(rule, part or f"paths below {asked.path}", how))
        left = [piece for piece in left if relations[piece][0] != ALL]
    if left:
        nobody = Branch(answer=f"has no rule for path {asked.path}, so the sidecar answers 404")
        unclear = Branch(unclear="has rules for some paths, and which are asked for is not known")
        if own is None:
            own = nobody if left[0].kind != _ANY else unclear
        elif asked.path_type:
            parts.append(replace(nobody, part=f"other paths below {asked.path}"))
    return (own or Branch(), *dict.fromkeys(parts))


@dataclass(frozen=True)
class _Piece:
    """A set of paths: one (``exact``), all that begin with a text (``prefix``), or any that may (``any``)."""

    kind: str
    text: str


def _pieces(asked: AskedFor) -> list[_Piece]:
    """A route's paths: its own, and those below; as one where the path is an expression or not known."""
    kind, path = asked.path_type.lower(), asked.path
    if kind in _EXACT:
        return [_Piece("exact", path)]
    if kind in _PREFIX:
        return [_Piece("exact", path), _Piece("prefix", path.rstrip("/") + "/")]
    if path and _LITERAL.fullmatch(path):
        return [_Piece("exact", path), _Piece("prefix", path)]
    literal = _LITERAL.match(path)
    return [_Piece(_ANY, literal.group() if literal else "")]


def _matches(virtual: Obj) -> Iterator[tuple[Obj, Obj]]:
    """Every rule with each of its matches; an empty match takes everything."""
    for rule in dig(virtual, "spec", "http", default=[]):
        for match in rule.get("match") or [{}]:
            yield rule, match


def _static(match: Obj, viewer: Viewer, port: int) -> bool:
    """Whether a match is for this sidecar at all: Istio leaves the others out when it makes the configuration."""
    if match.get("port") not in (None, 0, port):
        return False
    # In HTTP rules, whoever names gateways is not asked for the labels of clients any more.
    return "mesh" in match["gateways"] if match.get("gateways") else _from(match, viewer)


def _from(match: Obj, viewer: Viewer) -> bool:
    """Whether a match is for clients like this one."""
    labels, wanted = dict(viewer.labels), match.get("sourceLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and match.get("sourceNamespace") in (None, "", viewer.namespace)


def _relation(match: Obj, piece: _Piece, asked: AskedFor) -> tuple[str, str]:
    """Which of these paths' requests a match takes, and how to call them."""
    how, part = _path_relation(match, piece, asked)
    others = sorted(key for key, value in match.items() if value and key not in _STATIC | _KNOWN)
    for key, value in (("authority", asked.host), ("scheme", "http")):
        if not match.get(key):
            continue
        decided = _text_relation(match[key], value)
        if decided == NONE:
            return NONE, ""
        if decided == PERHAPS:
            others.append(key)
    if how == NONE or not others:
        return how, part
    return PERHAPS, f"requests by {', '.join(others)}" + (f" ({part})" if part else "")


def _text_relation(wanted: Obj, value: str) -> str:
    """Whether an authority or a scheme is what a match wants; ``perhaps`` where the value is not known."""
    if not value or value.startswith("*") or "regex" in wanted or "$" in value:
        return PERHAPS
    text = value.lower()
    if "exact" in wanted:
        return ALL if text == str(wanted["exact"]).lower() else NONE
    return ALL if text.startswith(str(wanted.get("prefix", "")).lower()) else NONE


def _path_relation(match: Obj, piece: _Piece, asked: AskedFor) -> tuple[str, str]:
    uri = match.get("uri") or {}
    kind = next((item for item in ("exact", "prefix") if item in uri), "")
    if not uri or (kind == "prefix" and uri[kind] in ("", "/")):
        return ALL, ""
    if not kind:
        return PERHAPS, f"paths like {uri.get('regex', '')}"
    text, path = str(uri[kind]), piece.text
    if match.get("ignoreUriCase"):
        text, path = text.lower(), path.lower()
    if (kind == "prefix" and path.startswith(text)) or (piece.kind == "exact" and text == path):
        return ALL, ""
    if piece.kind == "exact" or not text.startswith(path) or any(_within(text, kind, *other) for other in asked.without):
        return NONE, ""
    return (PERHAPS if piece.kind == _ANY else SOME), f"{'path' if kind == 'exact' else 'paths below'} {uri[kind]}"


def _within(text: str, kind: str, path: str, path_type: str) -> bool:
    """Whether all requests of a match are below another route's path."""
    if path_type.lower() in _EXACT:
        return kind == "exact" and text == path
    if path_type.lower() in _PREFIX:
        return text.rstrip("/") == path.rstrip("/") or text.startswith(path.rstrip("/") + "/")
    return bool(path) and _LITERAL.fullmatch(path) is not None and text.startswith(path)


def _branch(rule: Obj, part: str, how: str) -> Branch:
    sure = how != PERHAPS
    ends = {"redirect": "redirects these requests", "directResponse": "answers these requests without a backend", ENDS: rule.get(ENDS, "")}
    said = next((text for key, text in ends.items() if key in rule), "")
    if said:
        return Branch((), part, sure, said)
    if rule.get("delegate"):
        return Branch((), part, sure, unclear=f"delegates these requests to {dig(rule, 'delegate', 'name', default='another')}")
    targets = _targets(rule.get("route") or [])
    return Branch(targets, part, sure, unclear="" if targets else "has a rule without a destination for these requests")


def _targets(routes: list[Obj]) -> tuple[RuleTarget, ...]:
    """The destinations that get something, each once."""
    total = sum(int(item.get("weight") or 0) for item in routes)
    found: dict[tuple[str, int, str], int] = {}
    for item in routes:
        weight = int(item.get("weight") or 0)
        if weight or len(routes) == 1 or not total:
            key = _place(item.get("destination") or {})
            found[key] = found.get(key, 0) + (weight or 1)
    shares = sum(found.values()) or 1
    return tuple(RuleTarget(*key, weight=round(100 * weight / shares)) for key, weight in found.items())


def _place(destination: Any) -> tuple[str, int, str]:
    host, subset = (str(dig(destination, key, default="")) for key in ("host", "subset"))
    return host.lower(), int(dig(destination, "port", "number", default=0)), subset


def connections(virtuals: list[Obj], viewer: Viewer, port: int, *, tls: bool) -> tuple[Obj, Branch] | None:
    """What VirtualServices do with a connection that is passed on as it is, and which of them does it.

    ``tls``: the port is declared as one of TLS, where rules go by the name that clients ask for. ``None`` where there is no such rule.
    """
    for virtual in virtuals:
        for rule in dig(virtual, "spec", "tls" if tls else "tcp", default=[]):
            matches = [item for item in rule.get("match") or ([] if tls else [{}]) if _at(item, viewer, port)]
            if not matches or not (rule.get("route") or ENDS in rule):
                continue
            if tls or all(item.get("destinationSubnets") for item in matches):
                return virtual, Branch(unclear=f"routes by {'the name that TLS asks for' if tls else 'destination subnets'}")
            return virtual, _branch(rule, "", ALL)
    return None


def _at(match: Obj, viewer: Viewer, port: int) -> bool:
    mesh = not match.get("gateways") or "mesh" in match["gateways"]
    return match.get("port") in (None, 0, port) and mesh and _from(match, viewer)
