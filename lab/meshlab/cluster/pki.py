# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates: one CA per cluster, a client certificate per component, kubeconfigs made of them."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from meshlab.cluster.record import Cluster
from meshlab.shell import run

DAYS = "3650"


@dataclass(frozen=True)
class Identity:
    """Subject and names of one certificate."""

    file: str
    common_name: str
    organization: str = ""
    names: tuple[str, ...] = ()

    def config(self) -> str:
        """OpenSSL's request file for it."""
        organization = f"O={self.organization}\n" if self.organization else ""
        names = f"subjectAltName={','.join(self.names)}\n" if self.names else ""
        return (
            "[req]\nprompt=no\ndistinguished_name=dn\nx509_extensions=ext\n"
            f"[dn]\n{organization}CN={self.common_name}\n"
            "[ext]\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n"
            f"extendedKeyUsage=serverAuth,clientAuth\n{names}"
        )


def identities(cluster: Cluster) -> list[Identity]:
    """Everyone who needs a certificate."""
    api_names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
    api_addresses = [str(cluster.service_range[1]), cluster.node_ip, "127.0.0.1"]
    names = tuple([f"DNS:{name}" for name in api_names] + [f"IP:{address}" for address in api_addresses])
    return [
        Identity("apiserver", "kube-apiserver", names=names),
        Identity("admin", "admin", "system:masters"),
        Identity("controller-manager", "system:kube-controller-manager"),
        Identity("scheduler", "system:kube-scheduler"),
        Identity("proxy", "system:kube-proxy"),
        Identity("kubelet", f"system:node:{cluster.name}", "system:nodes",
                 (f"DNS:{cluster.name}", f"IP:{cluster.node_ip}")),
        Identity("front-proxy", "front-proxy"),
    ]  # fmt: skip


def folder(cluster: Cluster) -> Path:
    """Where keys and certificates are."""
    return cluster.state / "pki"


def new_key(path: Path) -> None:
    """An elliptic-curve key, readable by root only."""
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path])
    path.chmod(0o600)


def ensure(cluster: Cluster) -> bool:
    """Make what is missing; True when something was."""
    pki = folder(cluster)
    pki.mkdir(parents=True, exist_ok=True)
    pki.chmod(0o700)
    if (pki / "complete").exists() and cluster.kubeconfig.exists():
        return False
    new_key(pki / "ca.key")
    ca = ["-key", str(pki / "ca.key"), "-out", str(pki / "ca.crt"), "-subj", f"/CN={cluster.name}-ca"]
    run(["openssl", "req", "-x509", "-new", "-days", DAYS, *ca])
    new_key(pki / "service-account.key")
    run(["openssl", "pkey", "-in", pki / "service-account.key", "-pubout", "-out", pki / "service-account.pub"])
    for identity in identities(cluster):
        issue(pki, identity)
        if identity.common_name != "front-proxy":
            write_kubeconfig(cluster, identity.file, pki / f"{identity.file}.kubeconfig")
    write_kubeconfig(cluster, "admin", cluster.kubeconfig)
    (pki / "complete").touch()
    return True


def issue(pki: Path, identity: Identity) -> None:
    """A key and a certificate signed by the cluster's CA."""
    key, request = pki / f"{identity.file}.key", pki / f"{identity.file}.cnf"
    new_key(key)
    request.write_text(identity.config())
    signer = ["-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key"), "-days", DAYS]
    run(["openssl", "req", "-x509", "-new", "-config", request, "-key", key, *signer,
         "-out", pki / f"{identity.file}.crt"])  # fmt: skip
    request.unlink()


def write_kubeconfig(cluster: Cluster, user: str, path: Path) -> None:
    """A kubeconfig that can be copied away: nothing in it is a path. (JSON is YAML.)"""
    pki = folder(cluster)

    def data(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster.netns,
        "clusters": [{"name": cluster.netns,
                      "cluster": {"server": cluster.server, "certificate-authority-data": data("ca.crt")}}],
        "users": [{"name": user, "user": {"client-certificate-data": data(f"{user}.crt"),
                                          "client-key-data": data(f"{user}.key")}}],
        "contexts": [{"name": cluster.netns, "context": {"cluster": cluster.netns, "user": user}}],
    }  # fmt: skip
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=1) + "\n")
