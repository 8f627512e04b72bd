# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of earlier runs that this plan does not write again: whoever drives a cluster from the folder loses what they hold with them.

So a file that goes is weighed like an object that is removed, and the files of what is left out of the plan stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..apply.book import load_balancers_of, parts_of
from ..apply.ownership import take_back
from ..apply.routing import LEFT_OVER
from ..balancers.tables import TABLES
from ..core.findings import finding
from ..core.model import Change, Finding, replace
from ..core.writes import Part
from ..kube.objects import Identity, Obj, identity, identity_of, ref_of
from ..kube.reading import readable_objects
from ..kube.snapshot import Snapshot, Source
from ..plan.regressions import Present, Weighed
from .session import ledger_of


@dataclass(frozen=True)
class Filed:
    """The cluster as the folder's files make it, and what goes with the files that are not written again."""

    view: Snapshot
    removals: tuple[Change, ...] = ()

    def present(self, present: Present) -> Present:
        """The cluster against which a plan is weighed."""
        return replace(present, live=self.view, differs=self.view is not present.live)

    def written(self, weighed: Weighed) -> list[Change]:
        """The changes that are made, without those that only show what goes with a file."""
        return [item for item in weighed.changes if item not in self.removals]

    def stay(self, changes: Iterable[Change], weighed: Weighed) -> frozenset[Identity]:
        """Objects whose files stay, as what was to be done with them is left out."""
        made = {identity_of(item.object) for item in weighed.changes}
        return frozenset(identity_of(item.object) for item in (*changes, *self.removals)) - made


def view_with(live: Snapshot, on_file: Sequence[Obj]) -> Snapshot:
    """The cluster with what the folder's files hold (``on_file``). Manifests lack it, a cluster has it where the files were applied."""
    found = [] if live.source.live else readable_objects(on_file, Source(live=False), TABLES)
    return live.overlay(found) if found else live


def filed(
    live: Snapshot, on_file: Sequence[Obj], part: Part, changes: Sequence[Change], scope: Collection[str], keep: Callable[[Obj], bool]
) -> Filed:
    """What the folder's files hold (``on_file``), and what goes. Files that are kept do not."""
    found = readable_objects(on_file, Source(live=False), TABLES)
    if not found:
        return Filed(live)
    view = view_with(live, on_file)
    stale = {identity(obj) for obj in found} - {identity_of(item.object) for item in changes}
    removals = take_back(
        ledger_of(view, part), lambda obj: identity(obj) not in stale or keep(obj), scope, "the plan no longer needs its file", LEFT_OVER
    )[0]
    return Filed(view, tuple(removals))


def left_to_others(on_file: Iterable[Obj], part: Part, undecided: Callable[[Obj], bool]) -> frozenset[Identity]:
    """Objects whose files stay: another module's, or such that are ``undecided``, as they are not for what this run is about."""
    return frozenset(identity(obj) for obj in on_file if undecided(obj) or part.name not in (parts_of(obj) or {part.name}))


def about_files(on_file: Iterable[Obj], changes: Sequence[Change], stay: frozenset[Identity]) -> Iterator[Finding]:
    """Files that stay though this run does not write them: it does not decide about what they hold."""
    written = {identity_of(item.object) for item in changes}
    for obj in on_file:
        if identity(obj) in stay - written:
            names = ", ".join(sorted(load_balancers_of(obj)))
            whose = f" (for {names})" if names else ""
            message = f"the file of {ref_of(obj)}{whose} in output_dir stays: this run does not decide about it"
            yield finding("MLB412", message, ref_of(obj))
