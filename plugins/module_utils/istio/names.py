# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that belong to the mesh: Services by all their names, the cluster's domain, and wildcards over them.

Source: istio/istio pilot/pkg/networking/core/route/route.go (a VirtualService takes over every registered Service that its hosts name or
cover) and pilot/pkg/networking/core/httproute.go (the shorter names by which a Service answers).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from ..core.model import ObjectRef
from ..kube import kinds
from ..kube.objects import Obj, dig, ref_of
from ..kube.pods import by_namespace
from ..kube.services import CLUSTER_DOMAIN, is_headless
from ..kube.snapshot import Snapshot
from .mesh import MESH_DEPENDS, cluster_domains, read_mesh

_SERVICES = "svc"
_LABEL = "[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?"
_NAME = re.compile(rf"(\*\.)?({_LABEL}\.)*{_LABEL}")
_LONGEST = 253


@dataclass(frozen=True)
class Taken:
    """Why a host is not free, and the object that it belongs to, where there is one."""

    why: str
    owner: ObjectRef | None = None


def plain_host(host: str) -> str:
    """A host as it is compared: lower case, without port and without the dot of a fully qualified name."""
    name = host.strip().lower()
    head, colon, port = name.rpartition(":")
    if colon and port.isdigit() and ":" not in head:
        name = head
    return name.rstrip(".")


def below(name: str) -> Iterator[str]:
    """The wildcards that cover a name, the narrowest first: ``*.b.c`` and ``*.c`` for ``a.b.c``."""
    rest = name.removeprefix("*.")
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"


def wildcards_over(entry: Obj) -> Iterator[str]:
    """Index of ServiceEntries by the wildcards that cover one of their hosts."""
    for host in dig(entry, "spec", "hosts", default=[]):
        yield from below(plain_host(str(host)))


def belongs_to_the_mesh(snapshot: Snapshot, host: str) -> Taken | None:
    """Why an object for this public host would stand for something of the mesh's own; ``None`` where it would not."""
    name = plain_host(host)
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        return Taken(f"{host!r} is no host name, nor *. before one")
    if _is_address(name):
        return Taken(f"{host} is an address, and Services answer by theirs")
    if "." not in name:
        return Taken(f"{host} has no dot: in the mesh, that names a Service of the namespace that asks")
    domains = snapshot.cached(
        "domains", lambda view: tuple(dict.fromkeys([CLUSTER_DOMAIN, *cluster_domains(view), _SERVICES])), MESH_DEPENDS
    )
    domain = _domain_of(domains, read_mesh(snapshot).trust_domain, name)
    if domain:
        return Taken(f"{host} {'covers' if name.startswith('*.') else 'is in'} {domain}, where Services have their names")
    service = _service_of(partial(snapshot.get, kinds.SERVICE), partial(snapshot.lookup, kinds.SERVICE, by_namespace), name)
    if service is None:
        return None
    return Taken(f"{host} {'covers' if name.startswith('*.') else 'is'} a name of {ref_of(service)}", ref_of(service))


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _domain_of(domains: Iterable[str], trust_domain: str, name: str) -> str:
    """The domain of the mesh in which a name is, or which it covers; empty where there is none."""
    wide, rest = name.startswith("*."), name.removeprefix("*.")
    for domain in domains:
        if rest == domain or rest.endswith(f".{domain}") or (wide and domain.endswith(f".{rest}")):
            return domain
    # The trust domain is no domain of hosts, and a company's own may well be the parent of its public ones.
    trusted = f"{_SERVICES}.{trust_domain}".lower()
    return trusted if rest == trusted or rest.endswith(f".{trusted}") else ""


def _service_of(service: Callable[[str, str], Obj | None], in_namespace: Callable[[str], list[Obj]], name: str) -> Obj | None:
    """A Service that answers by this name in whatever domain, or by one that this wildcard covers."""
    labels = name.split(".")
    in_domain = labels[2:3] in ([], [_SERVICES])
    if labels[0] == "*":
        known = in_namespace(labels[1]) if in_domain else []
        return known[0] if known else _pod_of(service, labels[1:])
    found = service(labels[1], labels[0]) if in_domain else None
    return found or _pod_of(service, labels[1:])


def _pod_of(service: Callable[[str, str], Obj | None], labels: list[str]) -> Obj | None:
    """The headless Service that these labels name, whose pods have names below it."""
    if len(labels) < 2 or labels[2:3] not in ([], [_SERVICES]):
        return None
    found = service(labels[1], labels[0])
    return found if found is not None and is_headless(found) else None
