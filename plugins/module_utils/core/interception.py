# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections of a pod pass its sidecar, by the settings that traffic interception is made from.

Source: istio/istio tools/istio-iptables (flags, and the order of the rules), the istiod chart's injection template, and
cni/pkg/plugin/sidecar_redirect.go.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

INTERCEPTION_MODE = "sidecar.istio.io/interceptionMode"
INCLUDE_INBOUND_PORTS = "traffic.sidecar.istio.io/includeInboundPorts"
EXCLUDE_INBOUND_PORTS = "traffic.sidecar.istio.io/excludeInboundPorts"
INCLUDE_OUTBOUND_RANGES = "traffic.sidecar.istio.io/includeOutboundIPRanges"
EXCLUDE_OUTBOUND_RANGES = "traffic.sidecar.istio.io/excludeOutboundIPRanges"
INCLUDE_OUTBOUND_PORTS = "traffic.sidecar.istio.io/includeOutboundPorts"
EXCLUDE_OUTBOUND_PORTS = "traffic.sidecar.istio.io/excludeOutboundPorts"

OWN_PORTS = frozenset({"15008", "15020", "15021", "15090"})
"""The proxy's own inbound ports, which Istio always leaves out where it captures all others."""


class SettingNames(NamedTuple):
    """A setting's name as a flag of istio-iptables, as an annotation, and in the injector's values (``global.proxy``)."""

    flag: str
    annotation: str
    value: str


SETTINGS = {
    "mode": SettingNames("m", INTERCEPTION_MODE, ""),
    "include_inbound_ports": SettingNames("b", INCLUDE_INBOUND_PORTS, "includeInboundPorts"),
    "exclude_inbound_ports": SettingNames("d", EXCLUDE_INBOUND_PORTS, "excludeInboundPorts"),
    "include_outbound_ranges": SettingNames("i", INCLUDE_OUTBOUND_RANGES, "includeIPRanges"),
    "exclude_outbound_ranges": SettingNames("x", EXCLUDE_OUTBOUND_RANGES, "excludeIPRanges"),
    "include_outbound_ports": SettingNames("q", INCLUDE_OUTBOUND_PORTS, "includeOutboundPorts"),
    "exclude_outbound_ports": SettingNames("o", EXCLUDE_OUTBOUND_PORTS, "excludeOutboundPorts"),
}


@dataclass(frozen=True)
class Interception:
    """The settings as Istio writes them: lists separated by commas, where ``*`` is everything and an empty text nothing.

    The field defaults are Istio's own. ``annotated`` names the fields whose value the pod's annotations give.
    """

    mode: str = "REDIRECT"
    include_inbound_ports: str = "*"
    exclude_inbound_ports: str = ""
    include_outbound_ranges: str = "*"
    exclude_outbound_ranges: str = ""
    include_outbound_ports: str = ""
    exclude_outbound_ports: str = ""
    annotated: frozenset[str] = frozenset()

    @property
    def inbound_capture(self) -> str:
        """How much of the pod's inbound ports the sidecar takes: ``none``, ``some`` or ``all``."""
        if self.mode == "NONE" or not _items(self.include_inbound_ports):
            return "none"
        all_but_its_own = self.include_inbound_ports == "*" and _items(self.exclude_inbound_ports) <= OWN_PORTS
        return "all" if all_but_its_own else "some"

    def takes_inbound(self, port: int) -> bool:
        """Whether the sidecar gets connections that others make to this port of the pod."""
        if self.mode == "NONE":
            return False
        if self.include_inbound_ports == "*":
            return str(port) not in OWN_PORTS | _items(self.exclude_inbound_ports)
        return str(port) in _items(self.include_inbound_ports)

    def takes_outbound(self, ip: str, port: int) -> tuple[bool | None, str]:
        """Whether the sidecar gets a connection that the pod makes, and if not, the setting that keeps it away.

        ``None`` where that depends on an address that is not known, as in manifests.
        """
        if self.mode == "NONE":
            return False, "interceptionMode is NONE"
        if str(port) in _items(self.exclude_outbound_ports):
            return False, f"excludeOutboundPorts holds {port}"
        address, included = _address(ip), self.include_outbound_ranges
        if address and _covers(self.exclude_outbound_ranges, address):
            return False, f"excludeOutboundIPRanges covers {ip}"
        listed = str(port) in _items(self.include_outbound_ports)
        if address is None and not listed and included not in ("", "*"):
            return None, f"whether includeOutboundIPRanges ({included!r}) covers it is not known, as its address is not"
        if address is None and (listed or included) and _is_wide(self.exclude_outbound_ranges):
            return None, f"whether excludeOutboundIPRanges ({self.exclude_outbound_ranges!r}) covers it is not known, as its address is not"
        if included == "*" or listed:
            return True, ""
        if address is None:
            return False, "includeOutboundIPRanges is empty"
        return (True, "") if _covers(included, address) else (False, f"includeOutboundIPRanges ({included!r}) does not cover {ip}")

    @property
    def takes_nothing(self) -> bool:
        """Whether somebody asked for no outbound traffic to be captured at all."""
        return self.include_outbound_ranges == "" and "include_outbound_ranges" in self.annotated

    def outbound_gaps(self, own: Iterable[tuple[str, str]] = ()) -> tuple[str, ...]:
        """What keeps outbound traffic away from the sidecar; ``own`` are annotations that the load balancer needs."""
        needed = set(own)
        keeps_away = {
            "mode": self.mode == "NONE",
            "include_outbound_ranges": self.include_outbound_ranges != "*",
            # Single addresses are those of a server that is nobody's backend, such as the API server's.
            "exclude_outbound_ranges": _is_wide(self.exclude_outbound_ranges),
            "exclude_outbound_ports": bool(self.exclude_outbound_ports),
        }
        names = (name for name, applies in keeps_away.items() if applies)
        return tuple(self._told(name) for name in names if (SETTINGS[name].annotation, getattr(self, name)) not in needed)

    def _told(self, name: str) -> str:
        annotation, value = SETTINGS[name].annotation, getattr(self, name)
        if name in self.annotated:
            return f'is annotated {annotation}: "{value}"'
        return f'has the mesh-wide setting {annotation.rpartition("/")[2]}: "{value}"'


def _items(text: str) -> set[str]:
    return {item.strip() for item in text.split(",") if item.strip()}


def _address(ip: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(ip)
    except ValueError:
        return None


def _covers(ranges: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(address in network for network in _networks(ranges))


def _is_wide(ranges: str) -> bool:
    """Whether ranges hold more than single addresses."""
    return any(network.num_addresses > 1 for network in _networks(ranges))


@functools.cache
def _networks(ranges: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    found = []
    for item in sorted(_items(ranges)):
        try:
            found.append(ipaddress.ip_network(item, strict=False))
        except ValueError:
            # The injector lets a typing error through; a rule that cannot be made covers nothing.
            continue
    return tuple(found)
