# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What 'status' and 'images' say, as documents and as tables."""

from collections.abc import Sequence
from typing import Any

from meshlab import addons
from meshlab.addons.base import Addon
from meshlab.build import images
from meshlab.cluster import components, core, health, lifecycle, processes
from meshlab.cluster.record import Cluster


def status_document(cluster: Cluster, installed: Sequence[Addon]) -> dict[str, Any]:
    """Everything a program may want to know of a cluster."""
    problems = health.problems(cluster, installed)
    return {
        "external": False,
        "name": cluster.name,
        "healthy": not problems,
        "problems": problems,
        "kubeconfig": str(cluster.kubeconfig),
        "server": cluster.server,
        "netns": cluster.netns,
        "node_ip": cluster.node_ip,
        "host_ip": cluster.host_ip,
        "pod_range": str(cluster.pod_range),
        "service_range": str(cluster.service_range),
        "dns_ip": cluster.dns_ip,
        "addons": [addon.name for addon in installed],
        "charts": charts(),
        "binaries": binaries(),
        "components": {name: component_state(cluster, name) for name in components.NAMES},
    }


def charts() -> dict[str, str]:
    """Paths of the charts that are built."""
    every = {name: chart.path for addon in addons.ADDONS.values() for name, chart in addon.charts.items()}
    return {name: str(path) for name, path in every.items() if path.exists()}


def binaries() -> dict[str, str]:
    """Paths of the clients that are built."""
    every = {"kubectl": core.kubectl_path(), "helm": core.helm_path()}
    for addon in addons.ADDONS.values():
        for name, (program, binary) in addon.binaries.items():
            every[name] = str(program.artifact.folder / "bin" / binary)
    return every


def component_state(cluster: Cluster, name: str) -> dict[str, Any]:
    """Pid, life and log of a component."""
    process = processes.load(cluster.state / "run", name)
    return {
        "running": processes.alive(process),
        "pid": process.pid if process else 0,
        "log": str(lifecycle.log_path(cluster, name)),
    }


def print_status(document: dict[str, Any]) -> None:
    """The table for people."""
    for name in ("name", "kubeconfig", "server", "netns", "pod_range", "service_range"):
        print(f"{name.replace('_', ' '):<15} {document[name]}")
    print(f"{'addons':<15} {', '.join(document['addons'])}")
    for name, state in document["components"].items():
        print(f"{name:<19} {'running' if state['running'] else 'STOPPED':<8} pid {state['pid']}")
    for name, path in {**document["binaries"], **document["charts"]}.items():
        print(f"{name:<15} {path}")
    print("healthy" if document["healthy"] else "NOT HEALTHY: " + "; ".join(document["problems"]))


def image_rows(cluster: Cluster | None) -> list[dict[str, Any]]:
    """One row per image the lab knows."""
    rows = []
    for image in lifecycle.images_of(list(addons.ADDONS.values())):
        built = all(layer.artifact.ready for layer in image.layers)
        rows.append(
            {
                "image": image.ref,
                "key": image.key,
                "built": built,
                "size_mb": round(images.size(image) / 1e6, 1) if built else 0,
                "imported": bool(cluster and cluster.images.get(image.ref) == image.key),
            }
        )
    return rows


def print_images(rows: Sequence[dict[str, Any]]) -> None:
    """The table for people."""
    print(f"{'IMAGE':<50} {'KEY':<17} {'MB':>7}  STATE")
    for row in rows:
        state = "imported" if row["imported"] else "built" if row["built"] else "not built"
        print(f"{row['image']:<50} {row['key']:<17} {row['size_mb']:>7}  {state}")
