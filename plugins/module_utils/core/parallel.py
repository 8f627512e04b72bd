# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on a few threads, with the results in the order of the items."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .errors import MeshlbError

Item = TypeVar("Item")
Result = TypeVar("Result")


def attempt_all(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> list[tuple[Item, Result | MeshlbError]]:
    """Call ``function`` on every item, at most ``workers`` at a time; an error is that item's result.

    Anything but a :class:`MeshlbError` is a defect, and is raised.
    """

    def one(item: Item) -> tuple[Item, Result | MeshlbError]:
        try:
            return item, function(item)
        except MeshlbError as error:
            return item, error

    work = list(items)
    if len(work) < 2 or workers < 2:
        return [one(item) for item in work]
    with ThreadPoolExecutor(max_workers=min(workers, len(work))) as pool:
        return list(pool.map(one, work))
