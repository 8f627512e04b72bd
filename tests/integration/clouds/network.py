# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two network namespaces outside the cluster: one for the load balancer, one for its clients behind it.

The load balancer's is joined to the node's namespace by a veth pair, the clients' to the load balancer's; the node gets a route back to the
clients. Nothing of the machine's own network is touched.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.support.cluster import ROOT

NAMESPACES = Path("/run/netns")


def ip(*words: str, check: bool = True) -> str:
    """The ip command."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"
    return done.stdout


@dataclass(frozen=True)
class Network:
    """Names and addresses. ``client`` is who asks, ``address`` where the load balancer listens for clients."""

    node: str
    balancer: str
    clients: str
    number: int

    @property
    def address(self) -> str:
        return f"203.0.113.{self.number * 8 + 1}"

    @property
    def client(self) -> str:
        return f"203.0.113.{self.number * 8 + 2}"

    @property
    def inside(self) -> list[str]:
        """Words before a command that is to run in the load balancer's namespace."""
        return ["nsenter", f"--net={NAMESPACES / self.balancer}", "--"]

    @property
    def outside(self) -> list[str]:
        """Words before a command that is to run where clients are."""
        return ["nsenter", f"--net={NAMESPACES / self.clients}", "--"]


def lab(name: str) -> dict[str, Any]:
    """What the lab says of a cluster; it has to be the lab's, because only there its node's namespace is known."""
    words = [sys.executable, str(ROOT / "lab" / "lab"), "status", "--json", "--name", name]
    document: dict[str, Any] = json.loads(subprocess.run(words, capture_output=True, text=True, check=False).stdout or "{}")
    assert document.get("netns") and not document.get("external"), "Stand-ins need a cluster of the lab: they are joined to its node."
    return document


def _free() -> int:
    """A number that no other stand-in of this machine has."""
    used = {line.split(" ")[0] for line in ip("netns", "list").splitlines()}
    return min(set(range(31)) - {number for number in range(31) if f"standin-{number}" in used})


@contextmanager
def network(name: str) -> Iterator[Network]:
    """Make the namespaces beside a lab's cluster, and remove them."""
    about = lab(name)
    number = _free()
    made = Network(about["netns"], f"standin-{number}", f"standin-{number}-clients", number)
    try:
        _lay(made, about)
        yield made
    finally:
        # Links go with their namespaces, and routes with the links.
        for item in (made.clients, made.balancer):
            ip("netns", "delete", item, check=False)
        with suppress(AssertionError):
            ip("-n", made.node, "link", "delete", f"standin-{number}")


def _lay(made: Network, about: dict[str, Any]) -> None:
    node_end, here = f"198.18.{made.number}.1", f"198.18.{made.number}.2"
    ip("netns", "add", made.balancer)
    ip("netns", "add", made.clients)
    ip("-n", made.balancer, "link", "add", "node", "type", "veth", "peer", "name", f"standin-{made.number}", "netns", made.node)
    ip("-n", made.balancer, "link", "add", "clients", "type", "veth", "peer", "name", "balancer", "netns", made.clients)
    for place, link, address in (
        (made.node, f"standin-{made.number}", f"{node_end}/30"), (made.balancer, "node", f"{here}/30"),
        (made.balancer, "clients", f"{made.address}/29"), (made.clients, "balancer", f"{made.client}/29"),
    ):
        ip("-n", place, "address", "add", address, "dev", link)
        ip("-n", place, "link", "set", link, "up")
    for place in (made.balancer, made.clients):
        ip("-n", place, "link", "set", "lo", "up")
    for target in (about["pod_range"], about["service_range"], f"{about['node_ip']}/32"):
        ip("-n", made.balancer, "route", "add", target, "via", node_end)
    ip("-n", made.clients, "route", "add", "default", "via", made.address)
    ip("-n", made.node, "route", "add", f"203.0.113.{made.number * 8}/29", "via", here)
    subprocess.run([*made.inside, "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
