# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the collection's modules and playbooks, as Ansible starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.tools.stage_collection import stage

from .cluster import ROOT, Cluster

Result = dict[str, Any]


def environment(kubeconfig: str = "") -> dict[str, str]:
    """Variables for Ansible: where the collection is, and no other cluster than the one that is meant."""
    tree = str(stage("link"))
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("K8S_AUTH_", "KUBE"))}
    found = {**kept, "ANSIBLE_COLLECTIONS_PATH": tree, "PYTHONPATH": tree, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0"}
    if kubeconfig:
        found["K8S_AUTH_KUBECONFIG"] = kubeconfig
    return found


def run_module(name: str, check: bool = False, diff: bool = False, **options: Any) -> Result:
    """One module in a process of its own, without the controller before it; gives what it returns, failed or not."""
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_no_log": False}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"ANSIBLE_MODULE_ARGS": arguments}, file)
        file.flush()
        command = [sys.executable, "-m", f"ansible_collections.meshlb.istio.plugins.modules.{name}", file.name]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False, timeout=600)
    try:
        result: Result = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise AssertionError(f"{name} printed no result: {done.stdout}\n{done.stderr}") from error
    return result


def module(cluster: Cluster, name: str, check: bool = False, **options: Any) -> Result:
    """A module that has to succeed on the cluster."""
    result = run_module(name, check, kubeconfig=cluster.kubeconfig, **options)
    assert not result.get("failed"), result.get("msg")
    return result


def failure(name: str, **options: Any) -> Result:
    """A module that has to fail, with a message and nothing that looks like a crash."""
    result = run_module(name, **options)
    assert result.get("failed"), f"{name} succeeded"
    assert result["msg"] and "Traceback" not in result["msg"] and not result.get("exception"), result["msg"]
    return result


def run_playbook(name: str, kubeconfig: str, *words: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """One of the collection's playbooks, by its full name."""
    command = ["ansible-playbook", f"meshlb.istio.{name}", "--inventory=localhost,", "--connection=local", *words]
    extra = {"ansible_python_interpreter": sys.executable, **variables}
    command += [f"--extra-vars={json.dumps(extra)}"]
    env = {**environment(kubeconfig), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=900, cwd=ROOT)
