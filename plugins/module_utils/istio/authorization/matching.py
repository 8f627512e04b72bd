# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How single values of an AuthorizationPolicy match: texts with a ``*``, paths, hosts, addresses and identities.

Source: istio/istio pilot/pkg/security/authz/matcher and pilot/pkg/security/authz/model/generator.go. Nothing here runs an expression
that somebody else wrote: Istio's own ones have a fixed form, which is compared piece by piece.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

PREFIX = "spiffe://"
ANY = "*"
ONE_SEGMENT, MORE_SEGMENTS = "{*}", "{**}"
Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


def text(pattern: str, value: str) -> bool:
    """A text: exact, ``*`` (anything but nothing), ``*end`` or ``start*``."""
    if pattern == ANY:
        return value != ""
    if pattern.startswith(ANY):
        return value.endswith(pattern[1:])
    return value.startswith(pattern[:-1]) if pattern.endswith(ANY) else value == pattern


def header(pattern: str, value: str | None) -> bool:
    """A header's value, ``None`` where it is absent; ``*`` asks for its presence alone."""
    return value is not None and (pattern == ANY or text(pattern, value))


def is_host(pattern: str, value: str) -> bool:
    """A Host, in upper or lower case."""
    return header(pattern.lower(), value.lower())


def path(pattern: str, value: str) -> bool:
    """A path without its query: a text, or a template of segments."""
    return _template(pattern.split("/"), value.split("/")) if is_template(pattern) else text(pattern, value)


def is_template(pattern: str) -> bool:
    """Whether a path is a template."""
    return ONE_SEGMENT in pattern or MORE_SEGMENTS in pattern


def _template(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """``{*}`` is one segment, ``{**}`` any number of them (it is the last operator, but texts may follow)."""
    for position, segment in enumerate(wanted):
        if segment == MORE_SEGMENTS:
            rest = wanted[position + 1 :]
            return len(found) - position > len(rest) and list(found[len(found) - len(rest) :] if rest else []) == list(rest)
        if position >= len(found) or not (found[position] == segment or (segment == ONE_SEGMENT and found[position])):
            return False
    return len(wanted) == len(found)


def glob(pattern: str, value: str) -> bool:
    """A text in which every ``*`` stands for any characters, none included."""
    first, *rest = pattern.split(ANY)
    if not rest:
        return value == pattern
    if not value.startswith(first):
        return False
    *middle, last = rest
    position = len(first)
    for piece in middle:
        found = value.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return len(value) - position >= len(last) and value.endswith(last)


def principal(pattern: str, identity: str) -> bool:
    """An identity (``spiffe://…``, empty for none) by its name without ``spiffe://``."""
    if pattern == ANY or not identity:
        return identity != ""
    if pattern.startswith(ANY):
        return identity.startswith(PREFIX) and identity[len(PREFIX) :].endswith(pattern[1:])
    return text(f"{PREFIX}{pattern}", identity)


def namespace(pattern: str, identity: str) -> bool:
    """An identity by its namespace."""
    return glob(f"*/ns/{pattern}/*", identity)


def service_account(pattern: str, identity: str, home: str) -> bool:
    """An identity by its service account, ``namespace/name`` or a name in ``home``, the policy's own namespace."""
    where, slash, name = pattern.partition("/")
    wanted = (where, name) if slash else (home, pattern)
    return bool(identity) and identity.endswith(f"/ns/{wanted[0]}/sa/{wanted[1]}")


def trust_domain(pattern: str, identity: str) -> bool:
    """An identity by its trust domain."""
    if not identity.startswith(PREFIX):
        return False
    own = identity[len(PREFIX) :].partition("/")[0]
    first, star, last = pattern.partition(ANY)
    return own == pattern if not star else len(own) >= len(first) + len(last) and own.startswith(first) and own.endswith(last)


def request_principal(pattern: str, issuer: str, subject: str) -> bool:
    """A token's issuer and subject, as ``issuer/subject``; the subject is what follows the last slash."""
    wanted_issuer, slash, wanted_subject = pattern.rpartition("/")
    if pattern == ANY:
        return bool(issuer and subject)
    if not slash:
        if pattern.startswith(ANY):
            return bool(issuer) and subject.endswith(pattern[1:])
        return bool(subject) and issuer.startswith(pattern[:-1]) if pattern.endswith(ANY) else issuer == pattern and subject == ""
    if pattern.startswith(ANY):
        return text(wanted_issuer, issuer) and subject == wanted_subject
    return issuer == wanted_issuer and (text(wanted_subject, subject) if wanted_subject.endswith(ANY) else subject == wanted_subject)


@functools.lru_cache(maxsize=4096)
def network(block: str) -> Network | None:
    """A range of addresses, or a single one; ``None`` for what is neither."""
    try:
        return ipaddress.ip_network(block, strict=False)
    except ValueError:
        return None


def in_range(block: str, ip: str) -> bool:
    """Whether a range covers an address."""
    known, wanted = network(ip), network(block)
    return known is not None and wanted is not None and known.version == wanted.version and known.network_address in wanted


def is_port(value: str) -> bool:
    """Whether a port is one."""
    return value.isdecimal() and int(value) < 65536
