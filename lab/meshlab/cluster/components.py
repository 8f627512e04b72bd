# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's processes as data: command line and readiness, in the order of their start."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from meshlab.cluster import pki
from meshlab.cluster.core import ETCD, KUBE
from meshlab.cluster.record import Cluster
from meshlab.packages import SBIN

ETCD_URL = "http://127.0.0.1:2379"


@dataclass(frozen=True)
class Component:
    """One process of the node."""

    name: str
    argv: tuple[str, ...]


def program(name: str) -> str:
    """Full path of a Debian program, also where PATH lacks the sbin folders."""
    return shutil.which(name) or shutil.which(name, path=":".join(SBIN)) or name


def flags(**values: object) -> tuple[str, ...]:
    """Command-line flags; underscores stand for dashes."""
    return tuple(f"--{name.replace('_', '-')}={value}" for name, value in values.items())


def kube(name: str) -> str:
    """Full path of one of the Kubernetes programs."""
    return str(KUBE.artifact.folder / "bin" / name)


def containerd(cluster: Cluster) -> Component:
    """The container runtime."""
    return Component("containerd", (program("containerd"), "-c", str(cluster.state / "config" / "containerd.toml")))


def etcd(cluster: Cluster) -> Component:
    """The store. It does not wait for the disk: a lab's state is not worth the time."""
    settings = flags(
        data_dir=cluster.state / "etcd",
        listen_client_urls=ETCD_URL,
        advertise_client_urls=ETCD_URL,
        listen_peer_urls="http://127.0.0.1:2380",
    )
    return Component("etcd", (str(ETCD.artifact.folder / "bin" / "etcd"), *settings, "--unsafe-no-fsync"))


def apiserver(cluster: Cluster) -> Component:
    """The API server; one CA signs both client and front-proxy certificates, hence the allowed names."""
    keys = pki.folder(cluster)
    settings = flags(
        etcd_servers=ETCD_URL,
        advertise_address=cluster.node_ip,
        allow_privileged="true",
        authorization_mode="Node,RBAC",
        service_cluster_ip_range=cluster.service_range,
        client_ca_file=keys / "ca.crt",
        tls_cert_file=keys / "apiserver.crt",
        tls_private_key_file=keys / "apiserver.key",
        service_account_issuer="https://kubernetes.default.svc",
        service_account_key_file=keys / "service-account.pub",
        service_account_signing_key_file=keys / "service-account.key",
        kubelet_client_certificate=keys / "admin.crt",
        kubelet_client_key=keys / "admin.key",
        kubelet_certificate_authority=keys / "ca.crt",
        kubelet_preferred_address_types="InternalIP",
        requestheader_client_ca_file=keys / "ca.crt",
        requestheader_allowed_names="front-proxy",
        requestheader_username_headers="X-Remote-User",
        requestheader_group_headers="X-Remote-Group",
        requestheader_extra_headers_prefix="X-Remote-Extra-",
        proxy_client_cert_file=keys / "front-proxy.crt",
        proxy_client_key_file=keys / "front-proxy.key",
        cert_dir=keys,
    )
    return Component("apiserver", (kube("kube-apiserver"), *settings))


def controller_manager(cluster: Cluster) -> Component:
    """The controllers."""
    keys = pki.folder(cluster)
    settings = flags(
        kubeconfig=keys / "controller-manager.kubeconfig",
        service_account_private_key_file=keys / "service-account.key",
        root_ca_file=keys / "ca.crt",
        cluster_signing_cert_file=keys / "ca.crt",
        cluster_signing_key_file=keys / "ca.key",
        use_service_account_credentials="true",
        leader_elect="false",
        cluster_cidr=cluster.pod_range,
        cert_dir=keys,
    )
    return Component("controller-manager", (kube("kube-controller-manager"), *settings))


def scheduler(cluster: Cluster) -> Component:
    """The scheduler."""
    keys = pki.folder(cluster)
    settings = flags(kubeconfig=keys / "scheduler.kubeconfig", leader_elect="false", cert_dir=keys)
    return Component("scheduler", (kube("kube-scheduler"), *settings))


def kubelet(cluster: Cluster) -> Component:
    """The node's agent."""
    settings = flags(
        config=cluster.state / "config" / "kubelet.json",
        kubeconfig=pki.folder(cluster) / "kubelet.kubeconfig",
        node_ip=cluster.node_ip,
        hostname_override=cluster.name,
        root_dir=cluster.state / "kubelet",
        cert_dir=pki.folder(cluster),
    )
    return Component("kubelet", (kube("kubelet"), *settings))


def proxy(cluster: Cluster) -> Component:
    """The Service rules of the node."""
    return Component("proxy", (kube("kube-proxy"), *flags(config=cluster.state / "config" / "proxy.json")))


FACTORIES: dict[str, Callable[[Cluster], Component]] = {
    "containerd": containerd,
    "etcd": etcd,
    "apiserver": apiserver,
    "controller-manager": controller_manager,
    "scheduler": scheduler,
    "kubelet": kubelet,
    "proxy": proxy,
}
NAMES = tuple(FACTORIES)


def component(cluster: Cluster, name: str) -> Component:
    """One component of a cluster."""
    return FACTORIES[name](cluster)
