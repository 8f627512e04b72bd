# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's side of a connection: does it take plaintext, does it take mutual TLS, and who is it?

The client's configuration does not say whether plaintext is refused. That is read from the backend's own sidecar where it can
be read, else from the PeerAuthentication policies, and the sentence always says from which of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.observe.counters import Certificate
from ansible_collections.meshlb.istio.plugins.module_utils.observe.pods import PodView
from ansible_collections.meshlb.istio.plugins.module_utils.observe.proxy import INBOUND_PORT, Proxy
from ansible_collections.meshlb.istio.plugins.module_utils.prove.capture import takes_inbound
from ansible_collections.meshlb.istio.plugins.module_utils.prove.listeners import (
    HTTP_PROTOCOLS,
    ISTIO_PROTOCOLS,
    RAW,
    TLS,
    Connection,
    find_chain,
)

ModeOf = Callable[[dict[str, Any], int], str]


@dataclass(frozen=True)
class ServerSide:
    """What one backend address accepts; ``None`` where that is not known. ``source`` names who said so."""

    name: str
    plaintext: bool | None = None
    mutual_tls: bool | None = None
    identity: str = ""
    source: str = ""
    reason: str = ""

    @property
    def fact(self) -> str:
        """One sentence for the evidence."""
        if self.plaintext is None:
            return f"{self.name}: {self.reason or 'nothing is known of its side'}"
        words = {True: "accepts", False: "refuses"}
        encrypted = f" and {words[bool(self.mutual_tls)]} mutual TLS" if self.mutual_tls is not None else ""
        return f"{self.name} {words[self.plaintext]} plaintext{encrypted}: {self.reason}"


ServerLookup = Callable[[str, int], "tuple[ServerSide, ...]"]
"""Gives the backends behind an address: one for a pod's, all of its pods' for a Service's, none for an unknown one."""


def from_sidecar(proxy: Proxy, pod: PodView, port: int, certificate: Certificate | None = None) -> ServerSide | None:
    """Judge a backend by its own sidecar's inbound listener; ``None`` when the dump holds no such listener."""
    listener = proxy.inbound
    if listener is None or port == INBOUND_PORT:
        return None
    plain = find_chain(listener, Connection(pod.ip, port, RAW, HTTP_PROTOCOLS[:1]))
    chain = find_chain(listener, Connection(pod.ip, port, TLS, ISTIO_PROTOCOLS))
    mutual = chain is not None and chain.terminates_tls
    how = f"filter chain {plain.name or 'unnamed'} takes it" if plain else "only its TLS filter chains match"
    return ServerSide(
        name=f"{pod.namespace}/{pod.name}:{port}",
        plaintext=plain is not None,
        mutual_tls=mutual,
        identity=certificate.identity if certificate else "",
        source=f"sidecar of {pod.namespace}/{pod.name}",
        reason=f"in its inbound listener {how}",
    )


def from_policy(pod: PodView, port: int, mode: str, why_not_sidecar: str, identity: str = "") -> ServerSide:
    """Judge a backend by the PeerAuthentication mode (``STRICT``, ``PERMISSIVE``, ``DISABLE``) in force for its port."""
    return ServerSide(
        name=f"{pod.namespace}/{pod.name}:{port}",
        plaintext=mode != "STRICT",
        mutual_tls=mode != "DISABLE",
        identity=identity,
        source="PeerAuthentication policies",
        reason=f"the mode in force is {mode} ({why_not_sidecar})",
    )


def without_sidecar(pod: PodView, port: int, reason: str) -> ServerSide:
    """A backend whose sidecar is missing or does not take this port: plaintext arrives, mutual TLS is not understood."""
    return ServerSide(
        name=f"{pod.namespace}/{pod.name}:{port}",
        plaintext=True,
        mutual_tls=False,
        source=f"pod {pod.namespace}/{pod.name}",
        reason=reason,
    )


@dataclass(frozen=True)
class Readings:
    """What was read from backend sidecars: dumps and certificates by (namespace, pod), and why one is not there."""

    proxies: dict[tuple[str, str], Proxy]
    certificates: dict[tuple[str, str], Certificate]
    representatives: dict[tuple[str, str], tuple[str, str]]
    missing: str = "its sidecar was not asked"

    def of(self, pod: PodView) -> tuple[Proxy | None, Certificate | None, str]:
        """The reading that stands for this pod: its own, or that of a pod of the same workload (whose name is given)."""
        own = (pod.namespace, pod.name)
        key = self.representatives.get(own, own)
        return self.proxies.get(key), self.certificates.get(key), "" if key == own else f"{key[0]}/{key[1]}"


def server_side(pod: PodView, port: int, readings: Readings, mode_of: ModeOf, identity: str) -> ServerSide:
    """Judge one backend port from the best evidence there is: no sidecar, its sidecar, else the policies."""
    if not pod.sidecar:
        return without_sidecar(pod, port, "the pod has no sidecar")
    if not takes_inbound(pod.pod, port):
        return without_sidecar(pod, port, f"its sidecar does not capture port {port}")
    proxy, certificate, stand_in = readings.of(pod)
    found = from_sidecar(proxy, pod, port, certificate) if proxy else None
    if found is None:
        return from_policy(pod, port, mode_of(pod.pod, port), readings.missing, identity)
    name = f"sidecar of {stand_in}, of the same workload" if stand_in else found.source
    return ServerSide(found.name, found.plaintext, found.mutual_tls, found.identity or identity, name, found.reason)
