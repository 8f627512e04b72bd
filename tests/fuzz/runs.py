# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All modules on one cluster: what each of them ends with, and what it costs. A proof is told anything by sidecars."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import yaml
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client import exec as exec_way
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client import portforward as port_way
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client.api import Api
from ansible_collections.meshlb.istio.plugins.module_utils.runs import proof as proof_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs import session
from ansible_collections.meshlb.istio.plugins.module_utils.runs.chained import run_chained
from ansible_collections.meshlb.istio.plugins.module_utils.runs.info import run_info
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.chained import chained_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.common import CommonOptions
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.info import info_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.proof import proof_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import routing_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.sidecar import sidecar_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.routing import run_routing
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import Session
from ansible_collections.meshlb.istio.plugins.module_utils.runs.sidecar import run_sidecar

from tests.fuzz.sidecars import Pods

Obj = dict[str, Any]
_ROUTING = {"strategy": "auto", "preserve_host": True, "strict_exemption": True, "state": "present"}
_SIDECAR = {"state": "present", "inbound_capture": "none", "wait": False, "wait_timeout": 1, "on_failed_rollout": "restore"}
_CHAINED = {
    "state": "present", "hosts": "from_load_balancer", "gateway": {"namespace": "istio-ingress"}, "wait": False, "wait_timeout": 1,
    "drain": 0,
}


@dataclass(frozen=True)
class Ended:
    """One run: ``trace`` is where it broke, empty where it did not. ``unforeseen`` are findings about what nobody had foreseen."""

    module: str
    seconds: float
    trace: str = ""
    unforeseen: tuple[str, ...] = ()


def all_runs(folder: Path, objects: list[Obj], load_balancer: tuple[str, str], *, as_yaml: bool) -> Iterator[Ended]:
    """Every module in manifest mode, and both ways of service_routing."""
    for other in folder.glob("cluster.*"):
        other.unlink()
    with _any_depth():
        file, text = folder / "cluster.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        if as_yaml and "\\ud800" not in text:
            file, text = folder / "cluster.yaml", yaml.dump_all(objects, Dumper=yaml.CSafeDumper)
    file.write_text(text)
    given = {"manifests": [str(file)]}
    namespace, name = load_balancer
    output = {"output_dir": str(folder / "output")}
    yield _run("service_routing", lambda: run_routing(routing_options({**given, **_ROUTING})))
    yield _run("service_routing to files", lambda: run_routing(routing_options({**given, **_ROUTING, **output, "strategy": "host_entry"})))
    yield _run("service_routing absent", lambda: run_routing(routing_options({**given, **_ROUTING, "state": "absent"})))
    yield _run("lb_info", lambda: run_info(info_options(given)))
    wanted = {"load_balancer": {"namespace": namespace, "name": name}}
    yield _run("lb_sidecar", lambda: run_sidecar(sidecar_options({**given, **_SIDECAR, **wanted})))
    yield _run("chained_gateway", lambda: run_chained(chained_options({**given, **_CHAINED, **wanted})))


@contextmanager
def _any_depth() -> Iterator[None]:
    """For what writes clusters, and not for what reads them."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(100 * usual)
    try:
        yield
    finally:
        sys.setrecursionlimit(usual)


def proof(folder: Path, load_balancer: tuple[str, str], rng: Random) -> tuple[Ended, list[str]]:
    """mtls_proof on the cluster that :func:`all_runs` wrote to a folder, and what its sidecars said otherwise than usual."""
    file, pods = next(folder.glob("cluster.*")), Pods(rng)

    def start(options: CommonOptions, *_what: object) -> Session:
        return replace(session.start(replace(options, manifests=(str(file),)), (), lambda snapshot, registry: ()), api=Api(pods))

    name = "/".join(load_balancer)
    asked = {
        "methods": rng.choice((["configuration"], ["configuration", "traffic"])), "requests": 1, "window": 0.001, "ask_timeout": 30,
        "ask_via": rng.choice(("auto", "portforward", "exec")), "workers": 1, "load_balancers": rng.choice(([], [name])),
    }
    ways = (patch.object(module, "opened", pods.opened) for module in (exec_way, port_way))
    with patch.object(proof_run, "start", start), next(ways), next(ways):
        return _run("mtls_proof", lambda: proof_run.run_proof(proof_options(asked))), pods.done


def _run(module: str, body: Callable[[], Any]) -> Ended:
    begun, trace, unforeseen = time.process_time(), "", ()
    try:
        result = json.loads(json.dumps(body().to_result(True)))
        unforeseen = tuple(item["message"] for item in result["findings"] if "did not expect" in item["message"])
    except MeshlbError as error:
        json.dumps(error.to_result())
    except Exception:  # whatever a module would end with, which is what is looked for
        trace = traceback.format_exc()
    return Ended(module, time.process_time() - begun, trace, unforeseen)
