# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of service_routing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.errors import MeshlbError
from ...kube.objects import Obj, labels_of
from ...kube.selectors import text_selector
from ...plan.pins import PINNABLE
from ...plan.strategies.table import AUTO
from .common import CommonOptions, State, common_options, texts


@dataclass(frozen=True)
class RoutingOptions:
    """An empty ``load_balancers``, ``namespaces`` or ``label_selector`` limits nothing."""

    common: CommonOptions = CommonOptions()
    load_balancers: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    label_selector: str = ""
    strategy: str = AUTO
    preserve_host: bool = True
    strict_exemption: bool = False
    state: State = "present"
    pinnable_strategies: tuple[str, ...] = PINNABLE
    harmless_pods: tuple[str, ...] = ()

    def is_harmless(self, pod: Obj) -> bool:
        """Whether a pod beside a load balancer is named as one for which what is made for public hosts may hold, too."""
        return any(text_selector(item, "harmless_pods").matches(labels_of(pod)) for item in self.harmless_pods)


def routing_options(params: Mapping[str, Any], check_mode: bool = False, diff: bool = False) -> RoutingOptions:
    """From service_routing's parameters. Raises :class:`MeshlbError` for what cannot be meant."""
    common = common_options(params, check_mode, diff)
    label_selector = params.get("label_selector") or ""
    text_selector(label_selector, "label_selector")
    harmless = texts(params, "harmless_pods")
    if any(not text_selector(item, "harmless_pods").requirements for item in harmless):
        raise MeshlbError("harmless_pods has an empty selector, which is every pod.", "Name the pods by their labels.")
    return RoutingOptions(
        common, texts(params, "load_balancers"), texts(params, "namespaces"), label_selector, params["strategy"],
        bool(params["preserve_host"]), bool(params["strict_exemption"]), params["state"],
        texts(params, "pinnable_strategies"), harmless,
    )
