# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading Services: ports, addresses, and the endpoints behind a port."""

from __future__ import annotations

from collections.abc import Iterator

from .objects import Obj, dig, labels_of, namespace_of

CLUSTER_DOMAIN = "cluster.local"
"""The domain of a cluster's Services unless somebody chose another."""
NO_SELECTOR = ("", "")


def full_name(namespace: str, name: str, domain: str) -> str:
    """The name of a Service in a cluster with this domain."""
    return f"{name}.{namespace}.svc.{domain}"


def is_headless(service: Obj) -> bool:
    return str(dig(service, "spec", "clusterIP", default="")) == "None"


def is_external_name(service: Obj) -> bool:
    return str(dig(service, "spec", "type", default="")) == "ExternalName"


def cluster_ips(service: Obj) -> list[str]:
    """Addresses of a Service; a manifest has none, and counts as getting one (``""``) unless it is headless."""
    if is_headless(service) or is_external_name(service):
        return []
    found = dig(service, "spec", "clusterIPs", default=[]) or [dig(service, "spec", "clusterIP", default="")]
    return [str(item) for item in found]


def find_port(service: Obj, reference: int | str) -> Obj | None:
    """The entry of ``spec.ports`` that a route names by number or by name; of TCP and UDP with one number it is TCP."""
    ports = sorted(dig(service, "spec", "ports", default=[]), key=lambda item: item.get("protocol") == "UDP")
    for port in ports:
        if port.get("port") == reference or (port.get("name") == reference and reference != ""):
            return dict(port)
    if isinstance(reference, str) and reference.isdigit():
        return find_port(service, int(reference))
    return None


def by_cluster_ip(service: Obj) -> Iterator[str]:
    """Index of Services by address."""
    yield from (item for item in cluster_ips(service) if item)


def headless_by_port(service: Obj) -> Iterator[tuple[str, int, tuple[str, str]]]:
    """Index of headless Services by namespace, port number and the first pair of the selector, which its pods must have.

    Without a selector, their pods may be anywhere, and the namespace is empty.
    """
    if is_headless(service):
        selector = dig(service, "spec", "selector", default={})
        for port in dig(service, "spec", "ports", default=[]):
            home, first = (namespace_of(service), min(selector.items())) if selector else ("", NO_SELECTOR)
            yield (home, int(port.get("port", 0)), first)


def slices_by_service(item: Obj) -> Iterator[tuple[str, str]]:
    """Index of EndpointSlices by (namespace, Service name)."""
    name = labels_of(item).get("kubernetes.io/service-name")
    if name:
        yield (namespace_of(item), name)


def target_port(port: Obj) -> int | str:
    """Number or name of the port that pods listen on; the Service's own number where nothing is said."""
    return port.get("targetPort") or port.get("port") or 0
