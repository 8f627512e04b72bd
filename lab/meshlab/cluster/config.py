# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files of the components, written before each start."""

import json
from pathlib import Path

from meshlab.cluster import pki
from meshlab.cluster.core import PAUSE_IMAGE
from meshlab.cluster.record import Cluster


def write_all(cluster: Cluster) -> None:
    """Write every file; contents depend on the cluster only, so unchanged files stay equal."""
    folder = cluster.state / "config"
    (folder / "cni").mkdir(parents=True, exist_ok=True)
    (folder / "containerd.toml").write_text(containerd(cluster))
    write_json(folder / "cni" / "10-lab.conflist", cni(cluster))
    write_json(folder / "kubelet.json", kubelet(cluster))
    write_json(folder / "proxy.json", proxy(cluster))


def write_json(path: Path, document: object) -> None:
    """Write a document; the components read JSON as the YAML it also is."""
    path.write_text(json.dumps(document, indent=1) + "\n")


def containerd(cluster: Cluster) -> str:
    """containerd, with everything it would keep in shared places moved into the cluster's folder.

    Ports below 1024 are open to every user in a pod, as newer releases have it by default: then no image needs file
    capabilities. Namespaces of pods are mounted below the state folder so that 'down' finds them.
    """
    state = cluster.state
    cri = '[plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{state}/containerd/root"
state = "{state}/containerd/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "{cluster.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/containerd/opt"
{cri}]
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE_IMAGE.ref}"
  netns_mounts_under_state_dir = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{state}/config/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{state}/runc"
"""


def cni(cluster: Cluster) -> dict[str, object]:
    """Pod network: a veth pair and a route per pod.

    Everything between pods is routed, never bridged, so the Service rules of kube-proxy always see it.
    """
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": str(cluster.pod_range)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(cluster.state / "cni-addresses"),
    }
    return {
        "cniVersion": "0.4.0",
        "name": cluster.netns,
        "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": ipam},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet(cluster: Cluster) -> dict[str, object]:
    """kubelet, with its own cgroup parent and log folder, on any version of cgroups and with swap."""
    state, keys = cluster.state, pki.folder(cluster)
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(keys / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cluster.netns}",
        "failSwapOn": False,
        "failCgroupV1": False,
        "containerRuntimeEndpoint": f"unix://{cluster.containerd_socket}",
        "clusterDNS": [cluster.dns_ip],
        "clusterDomain": "cluster.local",
        "tlsCertFile": str(keys / "kubelet.crt"),
        "tlsPrivateKeyFile": str(keys / "kubelet.key"),
        "resolvConf": "/dev/null",
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
        "enableControllerAttachDetach": False,
        "localStorageCapacityIsolation": False,
        "maxPods": 110,
        "podLogsDir": str(state / "pod-logs"),
        "volumePluginDir": str(state / "volume-plugins"),
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "5s",
    }


def proxy(cluster: Cluster) -> dict[str, object]:
    """kube-proxy; connection tracking limits of the machine are left as they are."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(pki.folder(cluster) / "proxy.kubeconfig")},
        "clusterCIDR": str(cluster.pod_range),
        "mode": "iptables",
        "hostnameOverride": cluster.name,
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "iptables": {"minSyncPeriod": "0s", "syncPeriod": "30s"},
    }
