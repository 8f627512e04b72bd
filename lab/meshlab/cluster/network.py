# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's network: a namespace, a veth pair to the host, and two routes on the host."""

import contextlib
import json
from pathlib import Path

from meshlab import paths
from meshlab.cluster.record import Cluster
from meshlab.shell import output, run


def namespace_inode(cluster: Cluster) -> int:
    """Identity of the namespace; 0 when there is none (a plain file left by a reboot is none)."""
    path = paths.NETNS_FOLDER / cluster.netns
    with contextlib.suppress(OSError):
        if path.stat().st_dev != paths.NETNS_FOLDER.stat().st_dev:
            return path.stat().st_ino
    return 0


def process_namespace(pid: int) -> int:
    """Identity of the namespace a process is in; 0 when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    return 0


def links(*options: str) -> dict[str, str]:
    """Links and whether they are up."""
    text = output(["ip", *options, "-json", "link", "show"])
    return {link["ifname"]: "UP" if "UP" in link["flags"] else "DOWN" for link in json.loads(text or "[]")}


def routes() -> dict[str, str]:
    """The host's routes: range and gateway."""
    text = output(["ip", "-4", "-json", "route", "show"])
    return {route["dst"]: route.get("gateway", "") for route in json.loads(text or "[]")}


def problems(cluster: Cluster) -> list[str]:
    """What of the cluster's network is missing."""
    if not namespace_inode(cluster):
        return [f"network namespace {cluster.netns} is missing"]
    found = []
    if links().get(cluster.host_link) != "UP":
        found.append(f"link {cluster.host_link} is missing or down")
    have = routes()
    for network in (cluster.pod_range, cluster.service_range):
        if have.get(str(network)) != cluster.node_ip:
            found.append(f"route to {network} is missing")
    return found


def ensure(cluster: Cluster) -> bool:
    """Make or repair the network; True when something had to be done."""
    if not problems(cluster):
        return False
    if not namespace_inode(cluster):
        (paths.NETNS_FOLDER / cluster.netns).unlink(missing_ok=True)
        run(["ip", "link", "del", cluster.host_link], check=False)
        run(["ip", "netns", "add", cluster.netns])
    inside = ["ip", "-n", cluster.netns]
    if cluster.host_link not in links():
        run(["ip", "link", "add", cluster.host_link, "type", "veth", "peer", "name", cluster.node_link,
             "netns", cluster.netns])  # fmt: skip
    run(["ip", "addr", "replace", f"{cluster.host_ip}/30", "dev", cluster.host_link])
    run(["ip", "link", "set", cluster.host_link, "up"])
    run([*inside, "addr", "replace", f"{cluster.node_ip}/30", "dev", cluster.node_link])
    run([*inside, "link", "set", cluster.node_link, "up"])
    run([*inside, "link", "set", "lo", "up"])
    run([*inside, "route", "replace", "default", "via", cluster.host_ip])
    run([*enter(cluster), "sysctl", "-qw", "net.ipv4.ip_forward=1"])
    for network in (cluster.pod_range, cluster.service_range):
        run(["ip", "route", "replace", str(network), "via", cluster.node_ip])
    return True


def enter(cluster: Cluster) -> list[str]:
    """Prefix that runs a command in the node's network; unlike 'ip netns exec' it keeps /sys with its cgroups."""
    return ["nsenter", f"--net={paths.NETNS_FOLDER / cluster.netns}", "--"]


def remove(cluster: Cluster) -> None:
    """Delete namespace and veth pair; the routes go with the link."""
    run(["ip", "link", "del", cluster.host_link], check=False)
    run(["ip", "netns", "del", cluster.netns], check=False)
    (paths.NETNS_FOLDER / cluster.netns).unlink(missing_ok=True)
