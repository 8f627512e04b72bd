# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of lb_sidecar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .common import CommonOptions, State, common_options


@dataclass(frozen=True)
class SidecarOptions:
    """``load_balancer`` is (namespace, name); ``wait_timeout`` is in seconds."""

    load_balancer: tuple[str, str]
    common: CommonOptions = CommonOptions()
    state: State = "present"
    inbound_capture: Literal["none", "all"] = "none"
    wait: bool = True
    wait_timeout: float = 300.0
    on_failed_rollout: Literal["restore", "keep"] = "restore"

    @property
    def label(self) -> str:
        return "/".join(self.load_balancer)


def sidecar_options(params: Mapping[str, Any], check_mode: bool = False, diff: bool = False) -> SidecarOptions:
    """From lb_sidecar's parameters. Raises :class:`MeshlbError` for what cannot be meant."""
    wanted = params["load_balancer"]
    return SidecarOptions(
        (wanted["namespace"], wanted["name"]), common_options(params, check_mode, diff), params["state"], params["inbound_capture"],
        bool(params["wait"]), float(params["wait_timeout"]), params["on_failed_rollout"],
    )
