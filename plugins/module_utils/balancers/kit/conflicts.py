# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several objects that claim the same thing, of which a load balancer serves one: the oldest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ...kube.objects import Obj, created_at, dig, name_of, namespace_of

Claims = Mapping[str, Obj]
"""The object that has each host (or whatever else is claimed)."""


def by_age(objects: Iterable[Obj]) -> list[Obj]:
    """The oldest first; of one second by name, as the API gives them."""
    return sorted(objects, key=lambda item: (created_at(item), namespace_of(item), name_of(item)))


def by_age_and_uid(objects: Iterable[Obj]) -> list[Obj]:
    """The oldest first; of one second the one whose UID sorts last."""
    by_uid = sorted(by_age(objects), key=lambda item: str(dig(item, "metadata", "uid", default="")), reverse=True)
    return sorted(by_uid, key=created_at)


def first_claims(objects: Iterable[Obj], claims_of: Callable[[Obj], Iterable[str]]) -> Claims:
    """Who has what, where the first of the ``objects`` to claim it has it."""
    found: dict[str, Obj] = {}
    for obj in objects:
        for claim in claims_of(obj):
            found.setdefault(claim, obj)
    return found
