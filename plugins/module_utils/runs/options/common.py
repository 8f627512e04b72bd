# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that all modules share, as values. A module that lacks one of them has its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...balancers.contract.profile import Profile
from ...balancers.custom.profile import custom_profiles
from ...core.errors import MeshlbError
from ..arguments import WORKERS, connection_of

MOST_WORKERS = 100
State = Literal["present", "absent"]


@dataclass(frozen=True)
class CommonOptions:
    """Where to read and where to write. ``connection`` is kubernetes.core's, and holds credentials."""

    connection: Mapping[str, Any] = field(default_factory=dict, repr=False)
    manifests: tuple[str, ...] = ()
    output_dir: str = ""
    workers: int = WORKERS
    profiles: tuple[Profile, ...] = ()
    check_mode: bool = False
    diff: bool = False


def common_options(params: Mapping[str, Any], check_mode: bool = False, diff: bool = False) -> CommonOptions:
    """The shared options among a module's parameters. Raises :class:`MeshlbError` for what cannot be meant."""
    profiles = custom_profiles(params.get("custom_profiles") or ())
    manifests, workers = texts(params, "manifests"), int(params.get("workers") or WORKERS)
    # Manifests are read without workers, so their number does not matter.
    if not manifests and not 1 <= workers <= MOST_WORKERS:
        raise MeshlbError(f"workers is {workers}.", f"Choose a number from 1 to {MOST_WORKERS}.")
    return CommonOptions(
        connection_of(params), manifests, str(params.get("output_dir") or ""), workers, profiles, bool(check_mode), bool(diff)
    )


def texts(params: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """An option that is a list of words, empty where it is not given."""
    return tuple(params.get(name) or ())
