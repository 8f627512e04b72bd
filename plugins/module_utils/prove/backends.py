# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backends behind an address, as :class:`servers.ServerSide`: what a cluster's endpoints are judged with."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from ..istio.endpoints import Endpoint, ready
from ..kube.objects import Obj
from .servers import Readings, ServerSide, server_side
from .targets import MOST_ADDRESSES


class AddressLookup(Protocol):
    """What a proof asks of addresses (:class:`istio.addresses.Addresses`)."""

    def pod_at(self, ip: str, port: int) -> Endpoint | None: ...

    def behind(self, ip: str, port: int) -> tuple[tuple[Endpoint, ...], ...]: ...

    def mode(self, pod: Obj, port: int) -> str: ...

    def expects_http(self, endpoint: Endpoint) -> bool: ...


class Backends:
    """A :data:`servers.ServerLookup` by addresses and what was read from backend sidecars."""

    def __init__(self, addresses: AddressLookup, readings: Readings, trust_domain: str) -> None:
        self._addresses = addresses
        self._readings = readings
        self._trust_domain = trust_domain
        self._known: dict[tuple[str, int], tuple[ServerSide, ...]] = {}

    @property
    def odd(self) -> dict[tuple[str, str], str]:
        """What is wrong with the answers of sidecars that answer as no sidecar does, as far as they were looked at."""
        return self._readings.odd

    def __call__(self, ip: str, port: int) -> tuple[ServerSide, ...]:
        """One for a pod's address, those of its pods for a Service's, none for an address that nobody has."""
        if (ip, port) not in self._known:
            self._known[(ip, port)] = self._look_up(ip, port)
        return self._known[(ip, port)]

    def _look_up(self, ip: str, port: int) -> tuple[ServerSide, ...]:
        pod = self._addresses.pod_at(ip, port)
        if pod is not None:
            return (self._side(pod),)
        return tuple(self._side(item) for found in self._addresses.behind(ip, port) for item in ready(found)[:MOST_ADDRESSES])

    def _side(self, endpoint: Endpoint) -> ServerSide:
        pod = endpoint.pod
        if pod is None:
            return ServerSide(f"{endpoint.ip}:{endpoint.port}", reason="the address belongs to no pod that was read")
        identity = pod.spiffe(self._trust_domain)
        declared = partial(self._addresses.expects_http, endpoint)
        return server_side(pod, endpoint.port, self._readings, self._addresses.mode, identity, declared)
