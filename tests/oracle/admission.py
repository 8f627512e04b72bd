# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the filters of a backend's sidecar let a request in, as Envoy decides it. Nothing of the collection is imported.

Several requests of a route are asked about, as policies may tell them apart: with and without a token or header, by method and by path.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

Guard = Mapping[str, Any]


class Unclear(Exception):
    """Something is compared that is not known here."""


@dataclass(frozen=True)
class Request:
    """What policies see. ``identity`` is a SPIFFE name, empty in plaintext; ``more`` says that it has every token and header asked for."""

    identity: str
    address: str
    to: tuple[str, int]
    host: str
    path: str
    method: str = "GET"
    more: bool = False
    checked: bool = True
    """Whether a filter checks tokens. Without one, nothing is known of any token, and its claims are compared with nothing."""


def variants(first: Request, *, below: bool) -> Iterator[Request]:
    """Requests of one route; ``below`` says that paths below the route's are the route's, too."""
    paths = [first.path, *([f"{first.path.rstrip('/')}/admin", f"{first.path.rstrip('/')}/x"] if below else [])]
    for path in paths:
        for method in ("GET", "POST"):
            for more in (False, True):
                yield replace(first, path=path, method=method, more=more)


def admitted(guards: Iterable[Guard], request: Request) -> bool:
    """Whether a request passes all of these filters. Raises :class:`Unclear`."""
    there = list(guards)
    checked = any(_kind(guard) == "jwt_authn" for guard in there)
    return all(_passes(guard, replace(request, checked=checked)) for guard in there)


def _kind(guard: Guard) -> str:
    return str(guard["name"]).rpartition(".")[2]


def _passes(guard: Guard, request: Request) -> bool:
    kind, settings = _kind(guard), guard["settings"]
    if kind == "jwt_authn":
        return True  # a token is asked for by nobody but rbac; one that is there is taken to be good
    if kind != "rbac":
        raise Unclear(f"{kind} asks somebody else")
    rules = settings.get("rules")
    if rules is None:
        return True
    action = rules.get("action", "ALLOW")
    if action == "LOG":
        return True
    met = any(_policy(item, request) for item in (rules.get("policies") or {}).values())
    return met if action == "ALLOW" else not met


def _policy(policy: Mapping[str, Any], request: Request) -> bool:
    return any(_meets(item, request) for item in policy["permissions"]) and any(_meets(item, request) for item in policy["principals"])


def _meets(item: Mapping[str, Any], request: Request) -> bool:
    """A permission or a principal, which are alike in all that they share."""
    ((kind, value),) = item.items()
    if kind in ("and_rules", "and_ids"):
        return all(_meets(part, request) for part in value.get("rules") or value.get("ids") or [])
    if kind in ("or_rules", "or_ids"):
        return any(_meets(part, request) for part in value.get("rules") or value.get("ids") or [])
    if kind in ("not_rule", "not_id"):
        return not _meets(value, request)
    if kind == "any":
        return bool(value)
    return _fact(kind, value, request)


def _fact(kind: str, value: Any, request: Request) -> bool:
    if kind == "authenticated":
        # Without a name, any peer will do that showed a certificate.
        return bool(request.identity) and (not value.get("principal_name") or _text(value["principal_name"], request.identity))
    if kind == "filter_state" and value.get("key") == "io.istio.peer_principal":
        return bool(request.identity) and _text(value["string_match"], request.identity)
    if kind in ("direct_remote_ip", "source_ip"):
        return _inside(request.address, value)
    if kind == "destination_ip":
        return _inside(request.to[0], value)
    if kind == "destination_port":
        return bool(value == request.to[1])
    if kind == "url_path":
        return _text(value["path"], request.path.partition("?")[0])
    if kind == "header":
        return _header(value, request)
    if kind in ("metadata", "sourced_metadata"):
        return request.more and request.checked
    raise Unclear(f"{kind} is compared")


def _header(wanted: Mapping[str, Any], request: Request) -> bool:
    known = {":method": request.method, ":authority": request.host, ":path": request.path, "host": request.host}
    name = str(wanted["name"]).lower()
    if name not in known:
        return request.more != bool(wanted.get("invert_match"))
    found = "present_match" in wanted and bool(wanted["present_match"])
    if "string_match" in wanted:
        found = _text(wanted["string_match"], known[name])
    return found != bool(wanted.get("invert_match"))


def _text(wanted: Mapping[str, Any], text: str) -> bool:
    if wanted.get("ignore_case"):
        wanted = {key: value.lower() if isinstance(value, str) else value for key, value in wanted.items()}
        text = text.lower()
    tests: dict[str, Callable[[Any], bool]] = {
        "exact": lambda value: bool(text == value), "prefix": text.startswith, "suffix": text.endswith,
        "contains": lambda value: value in text,
        "safe_regex": lambda value: re.fullmatch(value["regex"], text) is not None,
    }
    for kind, test in tests.items():
        if kind in wanted:
            return test(wanted[kind])
    raise Unclear(f"texts are compared by {', '.join(wanted)}")


def _inside(address: str, cidr: Mapping[str, Any]) -> bool:
    length = cidr.get("prefix_len", 0)
    network = ipaddress.ip_network(f"{cidr['address_prefix']}/{length}", strict=False)
    return ipaddress.ip_address(address) in network
