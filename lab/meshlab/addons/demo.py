# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Demonstration applications: an echo server behind Services of every kind that matters, and clients."""

from typing import Final

from meshlab import paths
from meshlab.addons.base import Addon
from meshlab.build.specs import Image, Item, Layer, Program
from meshlab.cluster.core import DEBIAN_IMAGE
from meshlab.cluster.kubectl import apply
from meshlab.cluster.record import Cluster

MANIFEST: Final = paths.MANIFESTS / "demo.yaml"
PROGRAM: Final = Program(name="echo", packages={"echo": "."})
IMAGE: Final = Image(
    name="echo",
    tag="1",
    layers=(Layer("echo", (Item("echo", PROGRAM, "bin/echo"),)),),
    entrypoint=("/echo",),
    user="1000:1000",
)


def install(cluster: Cluster) -> None:
    """Apply the manifest."""
    apply(cluster, MANIFEST, echo=IMAGE.ref, client=DEBIAN_IMAGE.ref)


ADDON: Final = Addon(
    name="demo",
    install=install,
    images=(IMAGE, DEBIAN_IMAGE),
    inputs=(MANIFEST,),
    deployments=(
        ("apps", "echo"),
        ("apps", "echo-b"),
        ("apps", "echo-same"),
        ("apps", "echo-headless"),
        ("apps", "client"),
        ("legacy", "legacy-echo"),
        ("legacy", "legacy-client"),
    ),
    always=True,
)
