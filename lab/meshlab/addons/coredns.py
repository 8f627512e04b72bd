# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cluster DNS."""

from typing import Final

from meshlab import paths, versions
from meshlab.addons.base import Addon
from meshlab.build.specs import Image, Item, Layer, Program
from meshlab.cluster.kubectl import apply
from meshlab.cluster.record import Cluster

MANIFEST: Final = paths.MANIFESTS / "coredns.yaml"
PROGRAM: Final = Program(name="coredns", packages={"coredns": "."}, minutes=2, disk_gb=1)
IMAGE: Final = Image(
    name="coredns",
    tag=versions.COREDNS,
    layers=(Layer("coredns", (Item("coredns", PROGRAM, "bin/coredns"),)),),
    entrypoint=("/coredns",),
)


def install(cluster: Cluster) -> None:
    """Apply the manifest with this cluster's DNS address."""
    apply(cluster, MANIFEST, image=IMAGE.ref, address=cluster.dns_ip)


ADDON: Final = Addon(
    name="coredns",
    install=install,
    images=(IMAGE,),
    inputs=(MANIFEST,),
    deployments=(("kube-system", "coredns"),),
    always=True,
)
