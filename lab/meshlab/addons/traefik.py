# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Traefik: built from its module as it is, with the kinds that the module carries."""

from typing import Final

from meshlab import paths, versions
from meshlab.addons.base import Addon
from meshlab.build.specs import Asset, Image, Item, Layer, Program
from meshlab.cluster.kubectl import apply, kubectl
from meshlab.cluster.record import Cluster

MANIFEST: Final = paths.MANIFESTS / "traefik.yaml"
NAMESPACE: Final = "traefik"
MODULE: Final = "github.com/traefik/traefik/v3"
DEFINITIONS: Final = "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml"
PROGRAM: Final = Program(
    name="traefik",
    packages={"traefik": f"{MODULE}/cmd/traefik"},
    variables={f"{MODULE}/pkg/version.Version": versions.TRAEFIK},
    assets=(Asset(MODULE, DEFINITIONS, "kinds.yaml"),),
    minutes=5,
    disk_gb=5,
)
IMAGE: Final = Image(
    name="traefik",
    tag=f"v{versions.TRAEFIK}",
    layers=(Layer("traefik", (Item("usr/local/bin/traefik", PROGRAM, "bin/traefik"),)),),
    entrypoint=("/usr/local/bin/traefik",),
    user="65532:65532",
)


def install(cluster: Cluster) -> None:
    """Apply the kinds, then Traefik without a sidecar: putting it into the mesh is the collection's work."""
    definitions = PROGRAM.artifact.folder / "assets" / "kinds.yaml"
    kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", definitions)
    kubectl(cluster, "wait", "--for=condition=Established", "--timeout=60s", "-f", definitions)
    apply(cluster, MANIFEST, image=IMAGE.ref)


ADDON: Final = Addon(
    name="traefik",
    install=install,
    images=(IMAGE,),
    programs=(PROGRAM,),
    needs=("gateway-api",),
    inputs=(MANIFEST,),
    deployments=((NAMESPACE, "traefik"),),
)
