# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Envoy has counted (``/clusters``) and who it is (``/certs``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..kube.objects import Obj, dig
from .proxy import ProxyDataError, join_address, load_json

Reading = dict[tuple[str, str], dict[str, int]]
"""Counters by (cluster, ``ip:port`` of the endpoint)."""

COUNTED = ("cx_active", "cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_total")

INTERNAL = ("agent", "prometheus_stats", "sds-grpc", "xds-grpc", "zipkin")
"""Clusters by which the proxy talks to its own agent; they move by themselves."""


@dataclass(frozen=True)
class Certificate:
    """The workload certificate that the proxy presents."""

    identity: str
    expires: str = ""


def parse_clusters(text: str) -> Reading:
    """Read ``/clusters``, as JSON or as text. Only clusters for traffic that leaves the pod are kept.

    Raises :class:`ProxyDataError` when it is neither.
    """
    if text.startswith("{") or "\n{" in text:
        return _from_json(text)
    reading: Reading = {}
    for line in text.splitlines():
        _add_line(reading, line)
    if not reading and "::" not in text:
        raise ProxyDataError("The proxy's answer holds no cluster counters.")
    return reading


def _outbound(cluster: str) -> bool:
    return cluster not in INTERNAL and not cluster.startswith(("inbound|", "Inbound"))


def _from_json(text: str) -> Reading:
    reading: Reading = {}
    for status in load_json(text).get("cluster_statuses") or []:
        name = str(status.get("name", ""))
        if _outbound(name):
            for host in status.get("host_statuses") or []:
                reading[(name, _host_address(host))] = dict(_host_counters(host))
    return reading


def _host_address(host: Obj) -> str:
    address = host.get("address") or {}
    socket = address.get("socket_address") or {}
    if socket:
        return join_address(str(socket.get("address", "")), int(socket.get("port_value") or 0))
    internal = dig(address, "envoy_internal_address", "endpoint_id", default="")
    return str(internal or dig(address, "pipe", "path", default=""))


def _host_counters(host: Obj) -> Iterator[tuple[str, int]]:
    for stat in host.get("stats") or []:
        if stat.get("name") in COUNTED:
            yield str(stat["name"]), int(stat.get("value") or 0)


def _add_line(reading: Reading, line: str) -> None:
    parts = line.split("::")
    if len(parts) < 4:
        return
    # An IPv6 address holds "::" itself, so the ends are what is certain.
    cluster, address, name, value = parts[0], "::".join(parts[1:-2]), parts[-2], parts[-1]
    if name in COUNTED and value.strip().isdigit() and _outbound(cluster):
        reading.setdefault((cluster, address), {})[name] = int(value)


def parse_certs(text: str) -> Certificate:
    """Read ``/certs``: the first certificate whose name is a SPIFFE id. Raises :class:`ProxyDataError` when there is none."""
    for entry in load_json(text).get("certificates") or []:
        for certificate in entry.get("cert_chain") or []:
            for name in certificate.get("subject_alt_names") or []:
                if str(name.get("uri", "")).startswith("spiffe://"):
                    return Certificate(str(name["uri"]), str(certificate.get("expiration_time", "")))
    raise ProxyDataError("The proxy presents no certificate with a SPIFFE id.")
