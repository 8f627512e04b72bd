# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Skipper as an ingress controller, with the kind that its module carries."""

from typing import Final

from meshlab import paths, versions
from meshlab.addons.base import Addon
from meshlab.build.specs import Asset, Image, Item, Layer, Program
from meshlab.cluster.kubectl import apply, kubectl
from meshlab.cluster.record import Cluster

MANIFEST: Final = paths.MANIFESTS / "skipper.yaml"
NAMESPACE: Final = "skipper"
MODULE: Final = "github.com/zalando/skipper"
PROGRAM: Final = Program(
    name="skipper",
    packages={"skipper": f"{MODULE}/cmd/skipper"},
    variables={"main.version": f"v{versions.SKIPPER}"},
    assets=(Asset(MODULE, "dataclients/kubernetes/deploy/apply/routegroups_crd.yaml", "kinds.yaml"),),
    minutes=2,
    disk_gb=2.5,
)
IMAGE: Final = Image(
    name="teapot/skipper",
    tag=f"v{versions.SKIPPER}",
    layers=(Layer("skipper", (Item("usr/bin/skipper", PROGRAM, "bin/skipper"),)),),
    user="1000:1000",
)


def install(cluster: Cluster) -> None:
    """Apply its kind, then Skipper without a sidecar: putting it into the mesh is the collection's work."""
    kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", PROGRAM.artifact.folder / "assets" / "kinds.yaml")
    kubectl(cluster, "wait", "--for=condition=Established", "--timeout=60s", "crd/routegroups.zalando.org")
    apply(cluster, MANIFEST, image=IMAGE.ref)


ADDON: Final = Addon(
    name="skipper",
    install=install,
    images=(IMAGE,),
    programs=(PROGRAM,),
    inputs=(MANIFEST,),
    deployments=((NAMESPACE, "skipper-ingress"),),
)
