# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts from real dumps against what really happened to the requests (see tests/fixtures/envoy/README.md)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.interception import Interception
from ansible_collections.meshlb.istio.plugins.module_utils.istio.endpoints import view_of
from ansible_collections.meshlb.istio.plugins.module_utils.prove.configuration import evaluate
from ansible_collections.meshlb.istio.plugins.module_utils.prove.counters import parse_certs, parse_clusters
from ansible_collections.meshlb.istio.plugins.module_utils.prove.proxy import Proxy, parse_config_dump
from ansible_collections.meshlb.istio.plugins.module_utils.prove.servers import Readings, ServerSide, server_side
from ansible_collections.meshlb.istio.plugins.module_utils.prove.trace import Dialed

FIXTURES = next(folder for folder in Path(__file__).parents if (folder / "fixtures").is_dir()) / "fixtures" / "envoy"
MEASURED = json.loads((FIXTURES / "measured.json").read_text())
MODES = {"inbound_strict": "STRICT", "inbound_permissive": "PERMISSIVE", "inbound_disable": "DISABLE"}


@cache
def dump(name: str) -> Proxy:
    return parse_config_dump((FIXTURES / f"{name}.json").read_text())


def backend(ip: str, port: int, *, asked: bool) -> ServerSide:
    known = MEASURED["pods"][ip]
    containers = [{"name": "app"}, *([{"name": "istio-proxy"}] if known["inbound"] else [])]
    view = view_of(
        {
            "metadata": {"namespace": known["namespace"], "name": known["name"]},
            "spec": {"containers": containers, "serviceAccountName": known["service_account"]},
            "status": {"podIP": ip},
        },
        Interception(),
    )
    proxies = {(view.namespace, view.name): dump(known["inbound"])} if asked and known["inbound"] else {}
    mode = MODES.get(known["inbound"], "")
    return server_side(view, port, Readings(proxies), lambda _pod, _port: mode, view.spiffe("cluster.local"), lambda: False)


def servers(ip: str, port: int, *, asked: bool) -> tuple[ServerSide, ...]:
    if ip in MEASURED["pods"]:
        return (backend(ip, port, asked=asked),)
    addresses = [item.rpartition(":") for item in MEASURED["services"][f"{ip}:{port}"]]
    return tuple(backend(pod, int(number), asked=asked) for pod, _colon, number in addresses)


@pytest.mark.parametrize("asked", [True, False], ids=["inbound-dump", "policies"])
@pytest.mark.parametrize("case", MEASURED["cases"], ids=lambda case: f"{case['proxy']}-{case['name']}".replace(" ", "_"))
def test_the_verdict_is_what_happened(case: dict[str, Any], asked: bool) -> None:
    dialed = Dialed(case["ip"], case["port"], "http", case["host"], case["path"])
    result = evaluate(dump(case["proxy"]), dialed, lambda ip, port: servers(ip, port, asked=asked))
    assert result.verdict == case["measured"], result.how


def test_every_verdict_was_met() -> None:
    assert {case["measured"] for case in MEASURED["cases"]} == {"mutual_tls", "plaintext", "refused", "mixed"}


def test_counters_of_both_formats_agree() -> None:
    assert parse_clusters((FIXTURES / "clusters.json").read_text()) == parse_clusters((FIXTURES / "clusters.txt").read_text())


def test_the_certificate_names_the_client() -> None:
    assert parse_certs((FIXTURES / "certs.json").read_text()).identity == "spiffe://cluster.local/ns/prove-lb/sa/client"
