# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of mtls_proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.errors import MeshlbError
from ...prove.asking import TIMEOUT
from ...prove.measuring import Load
from ...prove.prove import TRAFFIC, ProveOptions
from ...prove.sending import parse_entrypoint
from ...prove.ways import Via
from .common import CommonOptions, common_options, texts

MOST_REQUESTS = 1000
LONGEST_WINDOW = 3600
SHORTEST_TIMEOUT, LONGEST_TIMEOUT = 1, 3600


@dataclass(frozen=True)
class ProofOptions:
    """``routes`` are words (a host, or a host and a path); an empty list limits nothing. ``proving`` says how.

    Sidecars are asked ``via`` one way, each question for ``ask_timeout`` seconds at most.
    """

    common: CommonOptions = CommonOptions()
    load_balancers: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    proving: ProveOptions = ProveOptions()
    via: Via = "auto"
    ask_timeout: float = TIMEOUT


def proof_options(params: Mapping[str, Any], check_mode: bool = False, diff: bool = False) -> ProofOptions:
    """From mtls_proof's parameters. Raises :class:`MeshlbError` for what cannot be meant."""
    proving = _proving(
        tuple(params["methods"]), int(params["requests"]), float(params["window"]), params.get("entrypoint") or "", check_mode
    )
    ask_timeout = float(params["ask_timeout"])
    if not SHORTEST_TIMEOUT <= ask_timeout <= LONGEST_TIMEOUT:
        hint = f"Choose a number of seconds from {SHORTEST_TIMEOUT} to {LONGEST_TIMEOUT}."
        raise MeshlbError(f"ask_timeout is {ask_timeout:g}.", hint)
    common = common_options(params, check_mode, diff)
    load_balancers, namespaces, routes = (texts(params, name) for name in ("load_balancers", "namespaces", "routes"))
    return ProofOptions(common, load_balancers, namespaces, routes, proving, params["ask_via"], ask_timeout)


def _proving(methods: tuple[str, ...], requests: int, window: float, address: str, check_mode: bool) -> ProveOptions:
    if not methods:
        raise MeshlbError("methods is empty, so nothing would be proven.", "Name configuration, traffic, or both.")
    if not 1 <= requests <= MOST_REQUESTS:
        raise MeshlbError(f"requests is {requests}.", f"Choose a number from 1 to {MOST_REQUESTS}.")
    if not 0 <= window <= LONGEST_WINDOW:
        raise MeshlbError(f"window is {window:g}.", f"Choose a number of seconds from 0 to {LONGEST_WINDOW}.")
    entrypoint = parse_entrypoint(address) if address else None
    if TRAFFIC not in methods:
        return ProveOptions(methods)
    if entrypoint is not None and check_mode:
        return ProveOptions(methods, None, "check mode sends no requests")
    if entrypoint is None and not window:
        return ProveOptions(methods, None, "neither an entrypoint to send requests to nor a window to watch was given")
    return ProveOptions(methods, Load(entrypoint, requests, window))
