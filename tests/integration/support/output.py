# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests as input, and files as output: exporting, applying as the files say, and comparing with a live run."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from .cluster import Cluster, Obj
from .objects import KINDS, Record, differences, holds, key_of, lasting, record

# The server's own marks of one object, and kubectl's note of what it applied.
MARKS = ("uid", "creationTimestamp")
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def export(cluster: Cluster, folder: Path) -> list[str]:
    """One file per kind, as 'kubectl get --output=yaml' prints it."""
    folder.mkdir(parents=True)
    for kind in KINDS:
        text = cluster.run("get", kind, "--all-namespaces", "--output=yaml").stdout
        (folder / f"{kind}.yaml").write_text(text, encoding="utf-8")
    print(f"{len(KINDS)} files")
    return []


def same_plan(files: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """The plan of manifests and that of the cluster they were exported from."""
    problems = []
    mine, theirs = ({json.dumps([item["object"], item["action"]]): item for item in found["changes"]} for found in (files, live))
    for key in sorted(mine.keys() | theirs.keys()):
        one, other = mine.get(key), theirs.get(key)
        if not one or not other:
            problems.append(f"{key} is only in the plan of the {'manifests' if one else 'cluster'}")
        elif one["after"] != other["after"]:
            problems.append(f"{key}: manifests {json.dumps(one['after'])[:400]}, cluster {json.dumps(other['after'])[:400]}")
    for one, other in zip(files["routes"], live["routes"], strict=True):
        for field in ("object", "host", "path", "backend"):
            if one[field] != other[field]:
                problems.append(f"routes differ: {one[field]} and {other[field]}")
        if (one["after"]["verdict"], one["after"]["strategy"]) != (other["after"]["verdict"], other["after"]["strategy"]):
            problems.append(f"{one['object']['name']}: manifests {one['after']}, cluster {other['after']}")
    print(f"{len(mine)} changes, {len(files['routes'])} routes")
    return problems


def apply_output(cluster: Cluster, folder: Path) -> list[str]:
    """Run the commands that the kustomization's head lists, in that order."""
    commands = [line.lstrip("# ") for line in (folder / "kustomization.yaml").read_text().splitlines() if line.startswith("#   kubectl ")]
    for line in commands:
        words = [cluster.kubectl, f"--kubeconfig={cluster.kubeconfig}", *shlex.split(line)[1:]]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            return [f"{line}: {done.stderr.strip()}"]
    print(f"{len(commands)} commands")
    return [] if commands else ["the kustomization names no commands"]


def unmarked(obj: Obj) -> Obj:
    """An object without what tells it from another one made in the same way."""
    found = lasting(obj)
    metadata = {key: value for key, value in found["metadata"].items() if key not in MARKS}
    metadata["annotations"] = {key: value for key, value in metadata.get("annotations", {}).items() if key != APPLIED}
    return {**found, "metadata": metadata}


def same_objects(cluster: Cluster, other: Record) -> list[str]:
    """The cluster's objects and a record of them, made in two ways."""
    now = record(cluster)
    problems = differences({key: unmarked(item) for key, item in other.items()}, {key: unmarked(item) for key, item in now.items()})
    print(f"{len(now)} objects compared")
    return problems


def same_by_kustomize(cluster: Cluster, before: Record, folder: Path) -> list[str]:
    """The output as a component over the manifests as they were: what kustomize builds is what the live run made."""
    now = record(cluster)
    patched = {str(entry.get("path", "")) for entry in yaml.safe_load((folder / "kustomization.yaml").read_text()).get("patches", [])}
    names = {path.removeprefix("json-").removeprefix("patch.").removesuffix(".yaml") for path in patched}
    with TemporaryDirectory() as place:
        base = Path(place) / "base"
        base.mkdir()
        files: list[str] = []
        for key, item in before.items():
            kind, namespace, name = key.split("/")
            if "_".join(filter(None, (kind.lower(), namespace, name))) in names:
                files.append(f"{len(files)}.json")
                (base / files[-1]).write_text(json.dumps(unmarked(item)), encoding="utf-8")
        (base / "output").symlink_to(folder)
        top = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": files, "components": ["output"]}
        (base / "kustomization.yaml").write_text(yaml.safe_dump(top), encoding="utf-8")
        built = cluster.run("kustomize", "--load-restrictor=LoadRestrictionsNone", str(base), check=False)
    if built.returncode:
        return [f"kustomize: {built.stderr.strip()}"]
    problems = []
    objects = [item for item in yaml.safe_load_all(built.stdout) if item]
    for item in objects:
        key = key_of(item)
        if key not in now:
            problems.append(f"{key} was not made by the live run")
        elif not holds(now[key], item):
            problems += differences({key: unmarked(now[key])}, {key: unmarked(item)})
    print(f"{len(objects)} objects built by kustomize, {len(files)} of them patched")
    return problems if objects else ["kustomize built nothing"]
