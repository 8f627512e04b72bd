# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Contour: the manifests of its module, with Envoys that Contour configures, and one Gateway beside its HTTPProxies."""

from typing import Any, Final

from meshlab import paths, versions
from meshlab.addons import envoy
from meshlab.addons.base import Addon
from meshlab.build.specs import Asset, Image, Item, Layer, Program
from meshlab.cluster import stock
from meshlab.cluster.kubectl import apply, kubectl
from meshlab.cluster.record import Cluster

OBJECTS: Final = paths.MANIFESTS / "contour.yaml"
SETTINGS: Final = paths.MANIFESTS / "contour-settings.yaml"
NAMESPACE: Final = "projectcontour"
MODULE: Final = "github.com/projectcontour/contour"
KINDS: Final = "01-crds.yaml"
PROGRAM: Final = Program(
    name="contour",
    packages={"contour": f"{MODULE}/cmd/contour"},
    variables={f"{MODULE}/internal/build.Version": f"v{versions.CONTOUR}"},
    assets=(Asset(MODULE, "examples/contour", "manifests"),),
    minutes=2,
    disk_gb=3,
)
IMAGE: Final = Image(
    name="projectcontour/contour",
    tag=f"v{versions.CONTOUR}",
    layers=(Layer("contour", (Item("bin/contour", PROGRAM, "bin/contour"),)),),
    entrypoint=("/bin/contour",),
    user="65534:65534",
)


def adapted(obj: dict[str, Any]) -> dict[str, Any]:
    """One of the stock objects as it runs here."""
    if obj["kind"] == "Service":
        return stock.inside(obj)
    if obj["kind"] == "ConfigMap":
        obj["data"]["contour.yaml"] += SETTINGS.read_text().partition("---\n")[2]
    if obj["kind"] == "Deployment":
        obj["spec"]["replicas"] = 1
        obj["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["periodSeconds"] = 2
    if obj["kind"] == "DaemonSet":
        pod = obj["spec"]["template"]["spec"]
        pod["terminationGracePeriodSeconds"] = 10
        for port in (port for container in pod["containers"] for port in container.get("ports", [])):
            port.pop("hostPort", None)
    for container in containers(obj):
        envoys = "/envoy:" in container["image"]
        container["image"] = envoy.IMAGE.ref if envoys else IMAGE.ref
    return obj


def containers(obj: dict[str, Any]) -> list[dict[str, Any]]:
    """All containers of a workload or Job."""
    pod = obj.get("spec", {}).get("template", {}).get("spec", {})
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


def install(cluster: Cluster) -> None:
    """Apply kinds, Contour and its Envoys, without a sidecar: putting them into the mesh is the collection's work."""
    folder = PROGRAM.artifact.folder / "assets" / "manifests"
    kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", folder / KINDS)
    kubectl(cluster, "wait", "--for=condition=Established", "--timeout=60s", "crd/httpproxies.projectcontour.io")
    text = "\n---\n".join(path.read_text() for path in sorted(folder.glob("0*.yaml")) if path.name != KINDS)
    stock.write(cluster, [adapted(item) for item in stock.read(cluster, text)])
    apply(cluster, OBJECTS)


ADDON: Final = Addon(
    name="contour",
    install=install,
    images=(IMAGE, envoy.IMAGE),
    programs=(PROGRAM,),
    needs=("gateway-api",),
    inputs=(OBJECTS, SETTINGS),
    deployments=((NAMESPACE, "contour"),),
    daemon_sets=((NAMESPACE, "envoy"),),
)
