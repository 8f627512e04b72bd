# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes what the code writes while the tests run."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract import chain, instances, switches
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain import gateway_api, sides
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies import base

PATCHED: set[str] = set()
"""Kind keys of objects of others on which some code set a field."""
MADE: set[str] = set()
"""Kind keys of objects that some code made."""
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
