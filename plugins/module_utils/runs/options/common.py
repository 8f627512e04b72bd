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
from ...core.model import ObjectRef, Route
from ..arguments import LOCK_TIMEOUT, REQUEST_TIMEOUT, WORKERS, connection_of

MOST_WORKERS = 100
_BOOLS = {"true": True, "yes": True, "false": False, "no": False}
State = Literal["present", "absent"]


@dataclass(frozen=True)
class Allowance:
    """What may get worse: ``everything``, or routes of these objects, each ``namespace/kind/name`` in lower case."""

    everything: bool = False
    objects: frozenset[str] = frozenset()

    def covers(self, ref: ObjectRef) -> bool:
        return self.everything or f"{ref.namespace}/{ref.kind}/{ref.name}".lower() in self.objects


@dataclass(frozen=True)
class CommonOptions:
    """Where to read and where to write. ``lock_timeout`` and ``request_timeout`` are in seconds.

    ``connection`` is kubernetes.core's, and holds credentials.
    """

    connection: Mapping[str, Any] = field(default_factory=dict, repr=False)
    manifests: tuple[str, ...] = ()
    output_dir: str = ""
    workers: int = WORKERS
    lock_namespace: str = ""
    lock_timeout: float = LOCK_TIMEOUT
    profiles: tuple[Profile, ...] = ()
    check_mode: bool = False
    diff: bool = False
    allow_regressions: Allowance = Allowance()
    expected_plan_digest: str = ""
    request_timeout: int = REQUEST_TIMEOUT
    all_or_nothing: bool = False
    default_namespace: str = ""

    def may_get_worse(self, route: Route) -> bool:
        """Whether the user allows that a route gets worse."""
        return self.allow_regressions.covers(route.object)


def allowance(given: Any) -> Allowance:
    """The option ``allow_regressions``. Raises :class:`MeshlbError` for what cannot be meant."""
    words: list[Any] = [given] if isinstance(given, (str, bool)) else list(given or ())
    if len(words) == 1 and str(words[0]).lower() in _BOOLS:
        return Allowance(everything=_BOOLS[str(words[0]).lower()])
    for word in words:
        if not isinstance(word, str) or word.count("/") != 2 or not all(word.split("/")):
            raise MeshlbError(f"allow_regressions has {word!r}.", "Write true, or a list of objects, each as namespace/kind/name.")
    return Allowance(objects=frozenset(word.lower() for word in words))


def common_options(params: Mapping[str, Any], check_mode: bool = False, diff: bool = False) -> CommonOptions:
    """The shared options among a module's parameters. Raises :class:`MeshlbError` for what cannot be meant."""
    profiles = custom_profiles(params.get("custom_profiles") or ())
    manifests, workers = texts(params, "manifests"), int(params.get("workers") or WORKERS)
    # Manifests are read without workers, so their number does not matter.
    if not manifests and not 1 <= workers <= MOST_WORKERS:
        raise MeshlbError(f"workers is {workers}.", f"Choose a number from 1 to {MOST_WORKERS}.")
    lock_timeout = _timeout(params, "lock_timeout", LOCK_TIMEOUT, 0, "0 for none")
    request_timeout = _timeout(params, "request_timeout", REQUEST_TIMEOUT, 1, "at least 1")
    return CommonOptions(
        connection_of(params), manifests, str(params.get("output_dir") or ""), workers, str(params.get("lock_namespace") or ""),
        lock_timeout, profiles, bool(check_mode), bool(diff), allowance(params.get("allow_regressions")),
        str(params.get("expected_plan_digest") or ""), request_timeout, bool(params.get("all_or_nothing")),
        str(params.get("default_namespace") or ""),
    )


def _timeout(params: Mapping[str, Any], name: str, default: float, least: int, hint: str) -> int:
    found = params.get(name)
    seconds = int(default if found is None else found)
    if seconds < least:
        raise MeshlbError(f"{name} is {seconds}.", f"Give a number of seconds, {hint}.")
    return seconds


def texts(params: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """An option that is a list of words, empty where it is not given."""
    return tuple(params.get(name) or ())
