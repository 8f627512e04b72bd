# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What identifies a cluster: its name, its ranges and its folders; recorded so that clusters never overlap."""

import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from meshlab import paths
from meshlab.build.cache import lock
from meshlab.errors import LabError, UsageError
from meshlab.shell import output

DEFAULT_NAME: Final = "meshlb"
NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,19}")
MAX_CLUSTERS: Final = 16
Network = ipaddress.IPv4Network


@dataclass
class Cluster:
    """One cluster's identity; everything else follows from it."""

    name: str
    index: int
    boot_id: str = ""
    addons: dict[str, str] = field(default_factory=dict)  # addon -> hash of what was installed
    images: dict[str, str] = field(default_factory=dict)  # image ref -> key of what was imported
    stale: list[str] = field(default_factory=list)  # addons whose pods run an image that was replaced since
    prepared: list[str] = field(default_factory=list)  # addons whose images are there, not installed

    @property
    def state(self) -> Path:
        """The cluster's own folder."""
        return paths.state_root() / self.name

    @property
    def netns(self) -> str:
        """Its network namespace; the cgroup and the CNI network have the same name."""
        return self.name if self.name == DEFAULT_NAME else f"{DEFAULT_NAME}-{self.name}"

    @property
    def host_link(self) -> str:
        """The host's end of the veth pair."""
        return f"mlb{self.index}h"

    @property
    def node_link(self) -> str:
        """The node's end of the veth pair."""
        return f"mlb{self.index}n"

    @property
    def ranges(self) -> tuple[Network, Network, Network]:
        """Pods, Services, and the link between host and node."""
        return ranges(self.index)

    @property
    def pod_range(self) -> Network:
        """Addresses of pods."""
        return self.ranges[0]

    @property
    def service_range(self) -> Network:
        """Addresses of Services."""
        return self.ranges[1]

    @property
    def host_ip(self) -> str:
        """The host's address on the link."""
        return str(self.ranges[2][1])

    @property
    def node_ip(self) -> str:
        """The node's address."""
        return str(self.ranges[2][2])

    @property
    def dns_ip(self) -> str:
        """The cluster DNS Service's address."""
        return str(self.service_range[10])

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.node_ip}:6443"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, certificates embedded."""
        return self.state / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """containerd's own socket."""
        return self.state / "containerd.sock"

    def save(self) -> None:
        """Write the record, in one piece."""
        self.state.mkdir(parents=True, exist_ok=True)
        aside = self.state / "cluster.json.part"
        aside.write_text(json.dumps(asdict(self), indent=1))
        aside.rename(self.state / "cluster.json")


def ranges(index: int) -> tuple[Network, Network, Network]:
    """Pod, Service and link range of the n-th cluster; none overlaps another's."""
    return (
        Network(f"10.{100 + index}.0.0/16"),
        Network(f"10.{140 + index}.0.0/16"),
        Network(f"10.180.{index}.0/30"),
    )


def check_name(name: str) -> str:
    """Names become parts of namespaces, cgroups and host names."""
    if not NAME.fullmatch(name):
        raise UsageError(f"cluster name {name!r}: lower-case letters, digits and '-' only, at most 20, a letter first")
    return name


def load(name: str) -> Cluster | None:
    """The recorded cluster of that name."""
    path = paths.state_root() / name / "cluster.json"
    if not path.exists():
        return None
    try:
        return Cluster(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise LabError(f"{path} cannot be read ({error}); 'lab down --name {name}' removes the cluster") from error


def all_clusters() -> list[Cluster]:
    """Every recorded cluster that can be read."""
    found = []
    for path in sorted(paths.state_root().glob("*/cluster.json")):
        try:
            found.append(Cluster(**json.loads(path.read_text())))
        except (ValueError, TypeError):
            continue
    return found


def choose_index(taken: Iterable[int], routed: Iterable[Network]) -> int:
    """The first index whose ranges no other cluster has and no route of the machine touches."""
    used, routes = set(taken), list(routed)
    for index in range(MAX_CLUSTERS):
        if index not in used and not any(mine.overlaps(route) for mine in ranges(index) for route in routes):
            return index
    raise UsageError(
        f"no free address ranges: {len(used)} clusters exist, and the machine's routes touch the other ranges "
        "(10.100-115.0.0/16, 10.140-155.0.0/16, 10.180.0-15.0/30)"
    )


def host_routes() -> list[Network]:
    """Ranges the machine routes already, without the default route."""
    found = []
    for line in output(["ip", "-4", "route", "show", "table", "all"]).splitlines():
        words = line.split()
        target = words[1] if words[0] in ("local", "broadcast", "unicast", "blackhole") else words[0]
        if re.match(r"\d+\.", target):
            found.append(Network(target, strict=False))
    return found


def load_or_allocate(name: str) -> Cluster:
    """The recorded cluster, or a new one with ranges of its own."""
    with lock(paths.state_root() / "lock"):
        known = load(name)
        if known:
            return known
        index = choose_index((cluster.index for cluster in all_clusters()), host_routes())
        cluster = Cluster(name=name, index=index)
        cluster.save()
        return cluster
