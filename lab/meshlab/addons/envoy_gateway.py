# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Envoy Gateway: the chart of its module, and one Gateway whose Envoy its operator makes from an EnvoyProxy."""

from typing import Final

from meshlab import paths, versions
from meshlab.addons import envoy
from meshlab.addons.base import Addon, Chart
from meshlab.build.specs import Asset, Image, Item, Layer, Program
from meshlab.cluster.core import DEBIAN
from meshlab.cluster.kubectl import apply, helm, kubectl
from meshlab.cluster.record import Cluster

OBJECTS: Final = paths.MANIFESTS / "envoy-gateway.yaml"
VALUES: Final = paths.MANIFESTS / "envoy-gateway-values.yaml"
NAMESPACE: Final = "envoy-gateway-system"
#: The operator makes this name from those of the Gateway and its namespace.
PROXY: Final = "envoy-envoy-gateway-system-lab-e04561c8"
MODULE: Final = "github.com/envoyproxy/gateway"
PROGRAM: Final = Program(
    name="envoy-gateway",
    packages={"envoy-gateway": f"{MODULE}/cmd/envoy-gateway"},
    variables={f"{MODULE}/internal/cmd/version.envoyGatewayVersion": f"v{versions.ENVOY_GATEWAY}"},
    assets=(
        Asset(MODULE, "charts/gateway-helm", "envoy-gateway"),
        # The module has the values as a template only; what is filled in there is set by the lab.
        Asset(MODULE, "charts/gateway-helm/values.tmpl.yaml", "envoy-gateway/values.yaml"),
        Asset(MODULE, "charts/gateway-helm/charts/crds/crds/generated", "kinds"),
    ),
    minutes=4,
    disk_gb=6,
)
IMAGE: Final = Image(
    name="envoyproxy/gateway",
    tag=f"v{versions.ENVOY_GATEWAY}",
    # Its shutdown manager, which runs beside every Envoy, needs a folder for temporary files.
    layers=(DEBIAN, Layer("envoy-gateway", (Item("usr/local/bin/envoy-gateway", PROGRAM, "bin/envoy-gateway"),))),
    entrypoint=("/usr/local/bin/envoy-gateway",),
    user="65532:65532",
)
CHART: Final = Chart(PROGRAM, "envoy-gateway")


def install(cluster: Cluster) -> None:
    """Apply kinds, the operator and its Gateway, without a sidecar: putting it into the mesh is the collection's work."""
    kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", PROGRAM.artifact.folder / "assets" / "kinds")
    kubectl(cluster, "wait", "--for=condition=Established", "--timeout=60s", "crd/envoyproxies.gateway.envoyproxy.io")
    place = ["-n", NAMESPACE, "--create-namespace", "--skip-crds"]
    image = f"global.images.envoyGateway.image={IMAGE.ref}"
    helm(cluster, "upgrade", "--install", "envoy-gateway", CHART.path, *place, "-f", VALUES, "--set", image)
    apply(cluster, OBJECTS, image=envoy.IMAGE.ref)


ADDON: Final = Addon(
    name="envoy-gateway",
    install=install,
    images=(IMAGE, envoy.IMAGE),
    programs=(PROGRAM,),
    needs=("gateway-api",),
    inputs=(OBJECTS, VALUES),
    deployments=((NAMESPACE, "envoy-gateway"), (NAMESPACE, PROXY)),
    charts={"envoy-gateway": CHART},
)
