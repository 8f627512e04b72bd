# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an HTTP request goes inside a sidecar: virtual host by Host, then the first route that matches.

A route whose conditions depend on what is not known here (headers, cookies, query, a fraction) may or may not match; it is
then a possible destination beside the ones that follow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.expressions import Budget, matches_whole
from ..core.re2_syntax import ExpressionError
from ..kube.objects import Obj, dig

_CONDITIONS = ("query_parameters", "runtime_fraction", "dynamic_metadata", "tls_context", "grpc", "cookies", "filter_state")


@dataclass(frozen=True)
class ProxyDestination:
    """``clusters`` is empty where the sidecar answers by itself; ``answer`` then says with what.

    ``doubt`` says why it is not known whether the request goes there.
    """

    virtual_host: str
    route: str
    clusters: tuple[str, ...] = ()
    answer: str = ""
    conditional: bool = False
    understood: bool = True
    doubt: str = ""


class RouteTable:
    """One route configuration of Envoy, with its virtual hosts indexed by domain."""

    def __init__(self, config: Obj) -> None:
        self.name = str(config.get("name") or "(inline)")
        self._ignores_port = bool(config.get("ignore_port_in_host_matching"))
        self._exact: dict[str, Obj] = {}
        self._patterns: list[tuple[str, Obj]] = []
        for virtual_host in config.get("virtual_hosts") or []:
            for domain in virtual_host.get("domains") or []:
                self._add(str(domain).lower(), virtual_host)

    def _add(self, domain: str, virtual_host: Obj) -> None:
        if domain.startswith("*") or domain.endswith("*"):
            self._patterns.append((domain, virtual_host))
        else:
            self._exact.setdefault(domain, virtual_host)

    @property
    def looks_at_host(self) -> bool:
        """Whether any virtual host is for less than every Host."""
        return bool(self._exact) or any(domain != "*" for domain, _virtual_host in self._patterns)

    def find(self, host: str) -> Obj | None:
        """The virtual host for a Host: exact name, longest ``*.suffix``, longest ``prefix.*``, then ``*``."""
        wanted = strip_port(host.lower()) if self._ignores_port else host.lower()
        if wanted in self._exact:
            return self._exact[wanted]
        best, chosen = 0, None
        for domain, virtual_host in self._patterns:
            score = _pattern_score(domain, wanted)
            if score > best:
                best, chosen = score, virtual_host
        return chosen


@dataclass(frozen=True)
class _Asked:
    """The request; ``budget`` is for the expressions that it is compared with."""

    host: str
    path: str | None
    budget: Budget


def destinations(table: RouteTable, host: str, path: str | None, budget: Budget | None = None) -> list[ProxyDestination]:
    """All destinations that a GET request for a Host and a path can meet; an empty list means: no virtual host or route (404).

    ``path`` may be ``None`` for a path that is not known (the load balancer rewrites it).
    """
    asked = _Asked(host, path, budget or Budget())
    virtual_host = table.find(host)
    if virtual_host is None:
        return []
    found = []
    for route in virtual_host.get("routes") or []:
        matched, doubt = _certainly(route.get("match") or {}, asked)
        if matched is None:
            continue
        found.append(_destination(virtual_host, route, conditional=not matched, doubt=doubt))
        if matched:
            break
    return found


def _pattern_score(domain: str, host: str) -> int:
    """0 where it does not match; otherwise higher is more specific."""
    if domain == "*":
        return 1
    if domain.startswith("*") and host.endswith(domain[1:]) and len(host) >= len(domain):
        return 10_000 + len(domain)
    if domain.endswith("*") and host.startswith(domain[:-1]) and len(host) >= len(domain):
        return 10 + len(domain)
    return 0


def strip_port(host: str) -> str:
    """A Host without its port; IPv6 literals keep their brackets."""
    head, colon, port = host.rpartition(":")
    return head if colon and port.isdigit() and (":" not in head or head.endswith("]")) else host


def _certainly(match: Obj, asked: _Asked) -> tuple[bool | None, str]:
    """What :func:`_matches` says; ``False``, with the reason, where an expression is not evaluated."""
    try:
        return _matches(match, asked), ""
    except ExpressionError as error:
        return False, str(error)


def _matches(match: Obj, asked: _Asked) -> bool | None:
    """``True`` for certainly, ``False`` for perhaps, ``None`` for not at all."""
    if "connect_matcher" in match:
        return None
    by_path = _path_matches(match, asked)
    if by_path is None:
        return None
    verdicts = [by_path, *(_header_matches(item, asked) for item in match.get("headers") or [])]
    if None in verdicts:
        return None
    return all(verdicts) and not any(match.get(name) for name in _CONDITIONS)


def _path_matches(match: Obj, asked: _Asked) -> bool | None:
    if match.get("prefix") in ("/", ""):
        return True
    if asked.path is None or "path_match_policy" in match:
        return False
    sensitive = match.get("case_sensitive", True) is not False
    return _certain(any(_path_tests(match, asked.path, sensitive, asked.budget)))


def _path_tests(match: Obj, path: str, sensitive: bool, budget: Budget) -> Iterator[bool]:
    given = path if sensitive else path.lower()
    for kind in ("prefix", "path", "path_separated_prefix"):
        if kind not in match:
            continue
        wanted = str(match[kind]) if sensitive else str(match[kind]).lower()
        if kind == "prefix":
            yield given.startswith(wanted)
        else:
            yield given == wanted or (kind == "path_separated_prefix" and given.startswith(wanted + "/"))
    if "safe_regex" in match:
        yield matches_whole(_expression(match), path, budget)


def _certain(matched: bool) -> bool | None:
    return True if matched else None


def _header_matches(header: Obj, asked: _Asked) -> bool | None:
    known = {":authority": asked.host, "host": asked.host, ":method": "GET", ":path": asked.path}
    value = known.get(str(header.get("name", "")).lower())
    if value is None:
        return False
    result = _value_matches(header, value, asked.budget)
    if result is None:
        return False
    return _certain(result != bool(header.get("invert_match")))


def _value_matches(header: Obj, value: str, budget: Budget) -> bool | None:
    if "string_match" in header:
        return string_matches(header["string_match"], value, budget)
    if "exact_match" in header:
        return bool(header["exact_match"] == value)
    if header.get("present_match"):
        return True
    return None


def string_matches(matcher: Obj, value: str, budget: Budget | None = None) -> bool | None:
    """Envoy's StringMatcher; ``None`` where it uses a way of matching that is not known here.

    Raises :class:`core.re2_syntax.ExpressionError` where it has an expression that is not evaluated.
    """
    if "safe_regex" in matcher:
        return matches_whole(_expression(matcher), value, budget)
    for kind in ("exact", "prefix", "suffix", "contains"):
        if kind in matcher:
            wanted = str(matcher[kind])
            return _compare(kind, wanted.lower(), value.lower()) if matcher.get("ignore_case") else _compare(kind, wanted, value)
    return None


def _compare(kind: str, wanted: str, value: str) -> bool:
    if kind == "exact":
        return value == wanted
    if kind == "contains":
        return wanted in value
    return value.startswith(wanted) if kind == "prefix" else value.endswith(wanted)


def _expression(holder: Obj) -> str:
    found = holder["safe_regex"]
    return str(found if isinstance(found, str) else dig(found, "regex", default=""))


def _destination(virtual_host: Obj, route: Obj, *, conditional: bool, doubt: str = "") -> ProxyDestination:
    clusters, answer = _clusters(route.get("route") or {}), ""
    if "direct_response" in route:
        answer = f"status {dig(route, 'direct_response', 'status', default=200)}"
    elif "redirect" in route:
        answer = "a redirect"
    return ProxyDestination(
        virtual_host=str(virtual_host.get("name", "")),
        route=str(route.get("name") or "") or "(unnamed)",
        clusters=clusters,
        answer=answer,
        conditional=conditional,
        understood=bool(clusters or answer),
        doubt=doubt,
    )


def _clusters(action: Obj) -> tuple[str, ...]:
    if "cluster" in action:
        return (str(action["cluster"]),)
    weighted = dig(action, "weighted_clusters", "clusters", default=[])
    return tuple(str(item["name"]) for item in weighted if item.get("name") and int(item.get("weight") or 0) > 0)
