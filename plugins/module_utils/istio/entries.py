# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ServiceEntries: their hosts and ports, and those that take connections to addresses which nobody else has a listener for.

Source: istio/istio pilot/pkg/networking/core/listener.go (a TCP port without addresses listens on 0.0.0.0, one with networks matches them)
and pilot/pkg/model/sidecar.go (selectServices: of two with one name, the client's namespace goes before).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ..kube import kinds
from ..kube.objects import Obj, dig, namespace_of
from .protocols import AUTO, decided_by_address, declared_protocol, is_http
from .visibility import Visibility, oldest


def entry_hosts(entry: Obj) -> Iterator[str]:
    """Index of ServiceEntries by host as written."""
    yield from (str(item).lower() for item in dig(entry, "spec", "hosts", default=[]))


def entry_http_ports(entry: Obj) -> Iterator[int]:
    """Index of ServiceEntries by the numbers of their ports on the shared HTTP listeners: HTTP, or undeclared without an address."""
    for number, protocol in _ports(entry):
        if is_http(protocol) or (protocol == AUTO and not dig(entry, "spec", "addresses", default=[])):
            yield number


def entry_tcp_ports(entry: Obj) -> Iterator[int]:
    """Index of ServiceEntries by the numbers of their ports where the address decides."""
    yield from (number for number, protocol in _ports(entry) if decided_by_address(protocol))


def _ports(entry: Obj) -> Iterator[tuple[int, str]]:
    for port in dig(entry, "spec", "ports", default=[]):
        number = int(port.get("number", 0))
        yield number, declared_protocol(str(port.get("protocol", "")), number)


def keeps_address(entry: Obj) -> bool:
    """Whether requests go on to the address that was dialled."""
    return str(dig(entry, "spec", "resolution", default="NONE")) == "NONE" and not dig(entry, "spec", "workloadSelector")


def catching(visibility: Visibility, ip: str, port: int) -> tuple[Obj | None, bool]:
    """The ServiceEntry whose listener takes a connection to an address for which there is no other, and whether that is certain."""
    found = oldest(visibility.snapshot.lookup(kinds.SERVICE_ENTRY, entry_tcp_ports, port))
    seen = [item for item in found if visibility.sees(item, list(entry_hosts(item)), port, http=False)]
    covering = [(item, _covers(item, ip)) for item in seen]
    # A network is more specific than a listener for any address.
    for item, covers in covering:
        if covers is not False and dig(item, "spec", "addresses", default=[]):
            return item, covers is True
    return next(((item, True) for item, covers in covering if covers), (None, True))


def _covers(entry: Obj, ip: str) -> bool | None:
    """Whether an entry's addresses cover one; those of an entry without any do. ``None`` where the address is not known."""
    addresses = [str(item) for item in dig(entry, "spec", "addresses", default=[])]
    if not addresses:
        return True
    try:
        dialled = ipaddress.ip_address(ip)
    except ValueError:
        return None
    return any(dialled in network for network in _networks(addresses))


def _networks(addresses: list[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for item in addresses:
        try:
            yield ipaddress.ip_network(item, strict=False)
        except ValueError:
            continue


def namesake(visibility: Visibility, host: str, home: str) -> Obj | None:
    """The ServiceEntry that stands for a Service's own name for these clients: one of their namespace, or of the Service's."""
    own = visibility.viewer.namespace
    for item in oldest(visibility.snapshot.lookup(kinds.SERVICE_ENTRY, entry_hosts, host.lower())):
        if namespace_of(item) in (home, own) and visibility.sees(item, [host]):
            return item
    return None
