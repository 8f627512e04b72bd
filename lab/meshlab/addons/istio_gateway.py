# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Istio gateway, from the chart in Istio's own module; for the chained way through the mesh."""

from typing import Final

from meshlab import paths
from meshlab.addons import istio
from meshlab.addons.base import Addon
from meshlab.cluster.kubectl import helm
from meshlab.cluster.record import Cluster

VALUES: Final = paths.MANIFESTS / "istio-gateway-values.yaml"
NAMESPACE: Final = "istio-ingress"


def install(cluster: Cluster) -> None:
    """Install or upgrade the release."""
    place = ["-n", NAMESPACE, "--create-namespace"]
    helm(cluster, "upgrade", "--install", NAMESPACE, istio.GATEWAY_CHART.path, *place, "-f", VALUES)


ADDON: Final = Addon(
    name="istio-gateway",
    install=install,
    images=(istio.PROXY_IMAGE,),
    programs=(istio.PROGRAM,),
    inputs=(VALUES,),
    deployments=((NAMESPACE, NAMESPACE),),
)
