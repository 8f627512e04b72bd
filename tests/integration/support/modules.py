# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the collection's modules and playbooks, as Ansible starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
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


def start_module(name: str, check: bool = False, diff: bool = False, **options: Any) -> subprocess.Popen[str]:
    """One module in a process of its own, without the controller before it."""
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_no_log": False}
    command = [sys.executable, "-m", f"ansible_collections.meshlb.istio.plugins.modules.{name}"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment())
    assert process.stdin is not None
    # Not on the command line, nor in a file: there may be a token in it.
    json.dump({"ANSIBLE_MODULE_ARGS": arguments}, process.stdin)
    process.stdin.close()
    process.stdin = None
    return process


def result_of(process: subprocess.Popen[str]) -> Result:
    """What a module returned, failed or not; nothing where it was killed."""
    try:
        out, err = process.communicate(timeout=600)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    if process.returncode == -signal.SIGKILL:
        return {}
    try:
        result: Result = json.loads(out.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise AssertionError(f"the module printed no result: {out}\n{err}") from error
    return result


def run_module(name: str, check: bool = False, diff: bool = False, **options: Any) -> Result:
    """One module; gives what it returns, failed or not."""
    return result_of(start_module(name, check, diff, **options))


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
