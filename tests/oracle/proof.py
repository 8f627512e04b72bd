# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's proof by configuration, on the configuration that Istio's own code makes for the proxies of a scene."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Scheme, Verdict
from ansible_collections.meshlb.istio.plugins.module_utils.istio.addresses import Addresses
from ansible_collections.meshlb.istio.plugins.module_utils.prove.backends import Backends
from ansible_collections.meshlb.istio.plugins.module_utils.prove.configuration import Evaluation, combine, evaluate
from ansible_collections.meshlb.istio.plugins.module_utils.prove.proxy import Proxy, parse_config_dump
from ansible_collections.meshlb.istio.plugins.module_utils.prove.servers import Readings
from ansible_collections.meshlb.istio.plugins.module_utils.prove.trace import Dialed

from . import product
from .cluster import Obj, mesh_settings, name, namespace
from .judge import trust_domain

Dumps = Mapping[tuple[str, str], Proxy]


def readings(answer: Mapping[str, Any]) -> dict[tuple[str, str], Proxy]:
    """The proxies of an answer, by namespace and pod."""
    found = {}
    for who, dump in (answer.get("dumps") or {}).items():
        pod, _dot, home = who.rpartition(".")
        found[(home, pod)] = parse_config_dump(json.dumps(dump))
    return found


def proven(objects: Sequence[Obj], pod: Obj, calls: Iterable[dict[str, Any]], proxies: Dumps) -> tuple[Verdict, list[Evaluation]]:
    """The verdict that the proof gives for a route's calls, and what it comes from."""
    snapshot = product.snapshot(objects)
    backends = Backends(Addresses(snapshot), Readings(dict(proxies)), trust_domain(mesh_settings(objects)))
    own = proxies[(namespace(pod), name(pod))]
    found = [evaluate(own, _dialed(call), backends) for call in calls]
    return combine(item.verdict for item in found), found


def _dialed(call: Mapping[str, Any]) -> Dialed:
    scheme: Scheme = "tls" if call.get("tls") == "tls" else "tcp" if call.get("protocol") == "tcp" else "http"
    return Dialed(str(call["address"]), int(call["port"]), scheme, str(call["host"]), str(call["path"]))
