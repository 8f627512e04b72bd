# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of lb_info."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .common import CommonOptions, common_options, texts


@dataclass(frozen=True)
class InfoOptions:
    """Only load balancers in these ``namespaces`` are shown; all where there are none."""

    common: CommonOptions = CommonOptions()
    namespaces: tuple[str, ...] = ()


def info_options(params: Mapping[str, Any], check_mode: bool = False, diff: bool = False) -> InfoOptions:
    """From lb_info's parameters. Raises :class:`MeshlbError` for what cannot be meant."""
    return InfoOptions(common_options(params, check_mode, diff), texts(params, "namespaces"))
