# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Service accounts with exactly the rights that docs/rbac names, and kubeconfigs for them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from .cluster import ROOT, Cluster, Obj
from .objects import Record, record

NAMESPACE = "meshlb-rights"
RULES = ROOT / "docs" / "rbac"
RBAC = "rbac.authorization.k8s.io"


def documented_roles() -> dict[str, Obj]:
    """The ClusterRoles of docs/rbac, by name."""
    found = {}
    for file in sorted(RULES.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            for role in document.get("items", [document]):
                found[role["metadata"]["name"]] = role
    return found


def without(role: Obj, resource: str, name: str) -> Obj:
    """A role under another name that has everything but one resource."""
    rules = [{**rule, "resources": [item for item in rule["resources"] if item != resource]} for rule in role["rules"]]
    return {**role, "metadata": {"name": name}, "rules": [rule for rule in rules if rule["resources"]]}


def account(name: str) -> Obj:
    """A service account for tests."""
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": NAMESPACE}}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def everywhere(name: str, role: str) -> Obj:
    """A role in the whole cluster."""
    return _binding("ClusterRoleBinding", {"name": f"{NAMESPACE}-{name}-{role}"}, name, role)


def within(name: str, role: str, namespaces: Iterable[str]) -> list[Obj]:
    """A role in some namespaces."""
    return [_binding("RoleBinding", {"name": f"{NAMESPACE}-{name}-{role}", "namespace": where}, name, role) for where in namespaces]


def _binding(kind: str, metadata: Obj, name: str, role: str) -> Obj:
    return {
        "apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {**metadata, "labels": {"app": NAMESPACE}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
    }  # fmt: skip


def bound(cluster: Cluster, name: str, folder: Path, places: Mapping[str, Iterable[str]]) -> Path:
    """A service account with documented roles, each bound in its places (none: in the whole cluster); gives its kubeconfig."""
    objects = [account(name)]
    for role, where in places.items():
        objects += within(name, role, where) or [everywhere(name, role)]
    cluster.apply(*objects)
    return kubeconfig(cluster, name, folder)


def recorded(cluster: Cluster) -> Record:
    """Every object but those of this file."""
    return {key: item for key, item in record(cluster).items() if f"/{NAMESPACE}/" not in key}


def kubeconfig(cluster: Cluster, name: str, folder: Path) -> Path:
    """A kubeconfig with a token of the service account and nothing else."""
    token = cluster.run("create", "token", name, "--namespace", NAMESPACE).stdout.strip()
    config = json.loads(cluster.run("config", "view", "--raw", "--minify", "--flatten", "--output=json").stdout)
    config["users"] = [{"name": name, "user": {"token": token}}]
    config["contexts"] = [{"name": name, "context": {"cluster": config["clusters"][0]["name"], "user": name}}]
    config["current-context"] = name
    path = folder / f"{name}.kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    path.chmod(0o600)
    return path


def remove(cluster: Cluster) -> None:
    """Everything that this file makes."""
    selector = f"--selector=app={NAMESPACE}"
    cluster.delete("clusterrolebindings,clusterroles", selector)
    cluster.delete("rolebindings,serviceaccounts", selector, "--all-namespaces")


def marked(role: Obj) -> Obj:
    """A role that remove() finds."""
    return {**role, "metadata": {**role["metadata"], "labels": {"app": NAMESPACE}}}
