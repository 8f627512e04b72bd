# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plain upstream Envoy as an image of its own, for load balancers whose data plane it is."""

from typing import Final

from meshlab import versions
from meshlab.addons.istio import ENVOY
from meshlab.build.specs import Image, Item, Layer
from meshlab.cluster.core import DEBIAN

IMAGE: Final = Image(
    name="envoyproxy/envoy",
    tag=f"v{versions.ENVOY_WHEEL[1]}",
    layers=(DEBIAN, Layer("envoy-alone", (Item("usr/local/bin/envoy", ENVOY, "bin/envoy"),))),
    entrypoint=("/usr/local/bin/envoy",),
)
