# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module does around its own work: reading, delivering changes, and turning errors into a readable failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..apply import files, writer
from ..balancers.contract.profile import Registry
from ..balancers.custom.profile import custom_profiles
from ..balancers.registry import REGISTRY
from ..core.errors import MeshlbError
from ..core.model import Change, Finding, change_sides
from ..kube.client.api import Api, open_api
from ..kube.cluster import read_cluster
from ..kube.manifests import read_manifests
from ..kube.snapshot import Snapshot
from .arguments import WORKERS

Result = dict[str, Any]
Namespaces = Callable[[Snapshot, Registry], Iterable[str]]


@dataclass(frozen=True)
class Session:
    """One run: its parameters, what was read, and the client (``None`` when manifests were read)."""

    params: Mapping[str, Any]
    check_mode: bool
    snapshot: Snapshot
    registry: Registry = REGISTRY
    api: Api | None = None

    @property
    def workers(self) -> int:
        return workers_of(self.params)


def workers_of(params: Mapping[str, Any]) -> int:
    """The ``workers`` option. Raises :class:`core.errors.MeshlbError` for what is no number of workers."""
    workers = int(params.get("workers") or WORKERS)
    if not 1 <= workers <= 100:
        raise MeshlbError(f"workers is {workers}.", "Choose a number from 1 to 100.")
    return workers


def start(params: Mapping[str, Any], check_mode: bool, kinds: Iterable[str], namespaces: Namespaces) -> Session:
    """Read the manifests or the cluster that a module's parameters name.

    Custom profiles are checked first, and the kinds that they read are read too. ``namespaces`` gives those whose ConfigMaps are read.
    """
    own = custom_profiles(params.get("custom_profiles") or [])
    registry = REGISTRY.preceded_by(own)
    wanted = dict.fromkeys([*kinds, *(kind for item in own for reader in item.routes for kind in reader.kinds)])
    api = None if params.get("manifests") else open_api(params, workers_of(params))
    snapshot = _read(params, api, wanted, lambda snapshot: namespaces(snapshot, registry))
    return Session(params, check_mode, snapshot, registry, api)


def _read(params: Mapping[str, Any], api: Api | None, kinds: Iterable[str], namespaces: Callable[[Snapshot], Iterable[str]]) -> Snapshot:
    if api is None:
        return read_manifests(params["manifests"])
    return read_cluster(api, kinds, namespaces, workers_of(params))


def deliver(
    session: Session, changes: Sequence[Change], before: Callable[[int], None] | None = None
) -> tuple[bool, list[Finding], list[str]]:
    """Write the changes where they belong: files with ``output_dir``, else the cluster; manifests alone are only read.

    ``before`` is called before each phase that is written to a cluster.
    Gives whether something was (in check mode: would be) changed, findings of the writing, and the files.
    """
    folder = session.params.get("output_dir")
    if folder:
        changed, names = files.write_output(folder, changes, session.check_mode)
        return changed, [], names
    if session.api is None:
        return bool(changes), [], []
    findings = writer.write(session.api, changes, session.workers, session.check_mode, before)
    return bool(changes), findings, []


def report(changes: Sequence[Change], findings: Sequence[Finding], changed: bool, diff: bool, **more: Any) -> Result:
    """A module's result: ``changed``, ``changes``, ``findings``, ``diff`` when wanted, and ``more``."""
    ordered = sorted(set(findings), key=lambda item: (item.code, str(item.object or ""), item.message))
    result = {
        "changed": changed,
        "changes": [item.to_result() for item in changes],
        "findings": [item.to_result() for item in ordered],
        **more,
    }
    if diff:
        result["diff"] = [_diff(item) for item in changes]
    return result


def _diff(change: Change) -> dict[str, Any]:
    before, after = change_sides(change)
    title = str(change.object)
    return {"before_header": title, "after_header": f"{title} ({change.why})", "before": before or "", "after": after or ""}


def outcome(body: Callable[[], Result]) -> tuple[bool, Result]:
    """Run a module's work; gives whether it succeeded, and the arguments to exit or to fail with."""
    try:
        return True, body()
    except MeshlbError as error:
        return False, error.to_result()
