# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes what the code writes while the tests run."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract import chain, instances, switches
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain import gateway_api, sides
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies import base

PATCHED: set[str] = set()
"""Kind keys of objects of others on which some code set a field."""
MADE: set[str] = set()
"""Kind keys of objects that some code made."""
PATCHED_FOR: dict[str, set[str]] = defaultdict(set)
MADE_FOR: dict[str, set[str]] = defaultdict(set)
"""The same by the identifier of the load balancer whose own code did it."""
COMPLETE: list[bool] = []
"""Whether all unit tests were selected: only then is what was not seen not used."""


def watch() -> None:
    """Have every object noted in a value that says what is to be written."""
    _note(switches.FieldPatch, PATCHED, "object")
    _note(instances.SidecarTarget, PATCHED, "object")
    _note(switches.PatchSet, MADE, "bodies")
    _note(chain.LoadBalancerSide, MADE, "bodies")
    _note(base.Creation, MADE, "body")
    _note(sides.Side, MADE, "bodies", "routes")
    make = gateway_api.route_bodies

    def route_bodies(*args: Any, **values: Any) -> list[dict[str, Any]]:
        found = make(*args, **values)
        MADE.update(map(_kind_key, found))
        return found

    gateway_api.route_bodies = route_bodies
    for profile in REGISTRY.profiles:
        _watch_profile(profile)


def _watch_profile(profile: Any) -> None:
    """Have noted what a load balancer's functions answer: its switches, its side of a chain, its checks, and where its pods are made."""
    answers = functools.partial(_answering, profile.about.id)

    def watched(part: Any, *names: str) -> Any:
        found = {name: getattr(part, name) for name in names}
        return replace(part, **{name: answers(function) for name, function in found.items() if function is not None})

    parts = {"switches": watched(profile.switches, "to_service", "host", "certificates")}
    place = profile.instance.sidecar_target
    if place != instances.SidecarPlace():
        parts["instance"] = replace(profile.instance, sidecar_target=watched(place, "find"))
    if profile.chain:
        parts["chain"] = watched(profile.chain, "front", "redirect")
    if profile.health:
        parts["health"] = watched(profile.health, "check")
    for name, part in parts.items():
        object.__setattr__(profile, name, part)


def _answering(owner: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def noting(*args: Any, **values: Any) -> Any:
        answer = function(*args, **values)
        PATCHED_FOR[owner].update(map(_kind_key, _patched(answer)))
        MADE_FOR[owner].update(_kind_key(body) for body in getattr(answer, "bodies", ()))
        return answer

    return noting


def _patched(answer: Any) -> Iterator[dict[str, Any]]:
    yield from (patch.object for patch in getattr(answer, "patches", ()))
    if isinstance(answer, instances.SidecarTarget):
        yield answer.object
    needs = getattr(answer, "service", None)
    if needs and (needs.annotations or needs.fields or needs.app_protocol):
        yield {"kind": "Service"}


def _note(made: Any, seen: set[str], *names: str) -> None:
    original = made.__init__

    def noting(self: Any, *args: Any, **values: Any) -> None:
        original(self, *args, **values)
        for name in names:
            found = getattr(self, name)
            for item in found if isinstance(found, tuple) else (found,):
                if isinstance(item, dict) and "kind" in item:
                    seen.add(_kind_key(item))

    made.__init__ = noting


def _kind_key(obj: dict[str, Any]) -> str:
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    return f"{obj['kind']}.{group}" if group else str(obj["kind"])
