# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All modules on one cluster: what each of them ends with, and what it costs."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.runs.chained import run_chained
from ansible_collections.meshlb.istio.plugins.module_utils.runs.info import run_info
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.chained import chained_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.info import info_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import routing_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.sidecar import sidecar_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.routing import run_routing
from ansible_collections.meshlb.istio.plugins.module_utils.runs.sidecar import run_sidecar

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
