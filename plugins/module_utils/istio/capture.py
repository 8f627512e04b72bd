# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a pod's traffic goes through its sidecar at all: what its interception rules were given when it was injected.

The arguments of Istio's init container are what the rules were really made from (the mesh's defaults included); where there is
no such container, the pod's annotations say.
"""

from __future__ import annotations

import ipaddress

from ..kube.objects import Obj, annotations_of, dig

_PREFIX = "traffic.sidecar.istio.io/"
# flag of the init container, annotation, what holds when neither is there
_RULES = {
    "include_ranges": ("-i", "includeOutboundIPRanges", "*"),
    "exclude_ranges": ("-x", "excludeOutboundIPRanges", ""),
    "include_ports": ("-q", "includeOutboundPorts", ""),
    "exclude_ports": ("-o", "excludeOutboundPorts", ""),
    "include_inbound": ("-b", "includeInboundPorts", "*"),
    "exclude_inbound": ("-d", "excludeInboundPorts", ""),
}


def takes_inbound(pod: Obj, port: int) -> bool:
    """Whether the sidecar receives connections that others make to this port of the pod."""
    if _rule(pod, "mode") == "NONE":
        return False
    included = _rule(pod, "include_inbound")
    if included != "*":
        return str(port) in _items(included)
    return str(port) not in _items(_rule(pod, "exclude_inbound"))


def takes_outbound(pod: Obj, ip: str, port: int) -> tuple[bool, str]:
    """Whether the sidecar receives a connection that the pod makes, and if not, the setting that keeps it away."""
    if _rule(pod, "mode") == "NONE":
        return False, "interceptionMode is NONE"
    if str(port) in _items(_rule(pod, "exclude_ports")):
        return False, f"excludeOutboundPorts holds {port}"
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        # Manifests have no addresses, so ranges cannot be compared; only that there are none can be seen.
        return _rule(pod, "include_ranges") != "", "includeOutboundIPRanges is empty"
    if _in_ranges(_rule(pod, "exclude_ranges"), address):
        return False, f"excludeOutboundIPRanges covers {ip}"
    included = _rule(pod, "include_ranges")
    if included == "*" or _in_ranges(included, address) or str(port) in _items(_rule(pod, "include_ports")):
        return True, ""
    return False, f"includeOutboundIPRanges ({included!r}) does not cover {ip}"


def _rule(pod: Obj, name: str) -> str:
    if name == "mode":
        return _argument(pod, "-m") or annotations_of(pod).get("sidecar.istio.io/interceptionMode", "REDIRECT")
    flag, annotation, default = _RULES[name]
    given = _argument(pod, flag)
    return annotations_of(pod).get(_PREFIX + annotation, default) if given is None else given


def _argument(pod: Obj, flag: str) -> str | None:
    for container in dig(pod, "spec", "initContainers", default=[]):
        words = [str(word) for word in container.get("args") or []]
        if "istio-iptables" in words and flag in words[:-1]:
            return words[words.index(flag) + 1]
    return None


def _items(text: str) -> set[str]:
    return {item.strip() for item in text.split(",") if item.strip()}


def _in_ranges(text: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    for item in _items(text):
        try:
            network = ipaddress.ip_network(item, strict=False)
        except ValueError:
            # The injector lets a typing error through; a rule that cannot be made excludes nothing.
            continue
        if network.version == address.version and address in network:
            return True
    return False
