# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy Ingress (jcmoraisjr): the controller of its module, on Debian's haproxy."""

from typing import Final

from meshlab import paths, versions
from meshlab.addons.base import Addon
from meshlab.build.specs import Asset, Image, Item, Layer, Program, RootFs
from meshlab.cluster.kubectl import apply
from meshlab.cluster.record import Cluster

MANIFEST: Final = paths.MANIFESTS / "haproxy-ingress.yaml"
NAMESPACE: Final = "haproxy-ingress"
FILES: Final = paths.IMAGE_FILES / "haproxy-ingress"
SCRIPTS: Final = ("start.sh", "haproxy-reload.sh", "haproxy-shutdown.sh")
MODULE: Final = "github.com/jcmoraisjr/haproxy-ingress"
PROGRAM: Final = Program(
    name="haproxy-ingress",
    packages={"haproxy-ingress-controller": f"{MODULE}/pkg"},
    variables={f"{MODULE}/pkg/version.RELEASE": f"v{versions.HAPROXY_INGRESS}"},
    assets=(
        Asset(MODULE, "rootfs/etc", "etc"),
        *(Asset(MODULE, f"rootfs/{name}", name) for name in SCRIPTS),
    ),
    minutes=1,
    disk_gb=1.5,
)
DEBIAN: Final = RootFs(
    name="debian-haproxy",
    suite=versions.DEBIAN_SUITE,
    packages=("ca-certificates", "dumb-init", "haproxy", "lua-json", "lua5.4", "openssl", "procps", "socat"),
)


CONTENT: Final = Layer(
    "haproxy-ingress",
    (
        Item("haproxy-ingress-controller", PROGRAM, "bin/haproxy-ingress-controller"),
        *(Item(f"opt/haproxy-ingress/{name}", PROGRAM, f"assets/{name}") for name in SCRIPTS),
        *(Item(name, FILES / name) for name in SCRIPTS[1:]),
        *(Item(f"etc/{name}", PROGRAM, f"assets/etc/{name}") for name in ("lua", "templates")),
        *(Item(folder) for folder in ("etc/haproxy", "run/haproxy", "var/empty", "var/lib/haproxy")),
    ),
)
IMAGE: Final = Image(
    name="jcmoraisjr/haproxy-ingress",
    tag=f"v{versions.HAPROXY_INGRESS}",
    layers=(DEBIAN, CONTENT),
    entrypoint=("/usr/bin/dumb-init", "--", "sh", "/opt/haproxy-ingress/start.sh"),
)


def install(cluster: Cluster) -> None:
    """Apply the manifest, without a sidecar: putting it into the mesh is the collection's work."""
    apply(cluster, MANIFEST, image=IMAGE.ref)


ADDON: Final = Addon(
    name="haproxy-ingress",
    install=install,
    images=(IMAGE,),
    programs=(PROGRAM,),
    inputs=(MANIFEST,),
    deployments=((NAMESPACE, "haproxy-ingress"),),
)
