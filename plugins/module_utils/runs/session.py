# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every run does around its own work: reading, delivering changes, and turning errors into a readable failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..apply import files, writer
from ..apply.ledger import Ledger, ledger
from ..apply.ownership import Keep, take_back
from ..balancers.contract.profile import Registry, preceded_by
from ..balancers.registry import REGISTRY
from ..balancers.tables import TABLES
from ..core.errors import MeshlbError, NotFound
from ..core.findings import finding
from ..core.model import Change, Finding, ObjectRef, replace
from ..core.parallel import attempt_all
from ..core.printable import printable_result
from ..core.unforeseen import defect
from ..core.writes import Part
from ..detect.load_balancers import as_understood
from ..istio.mesh import read_mesh
from ..kube import kinds
from ..kube.client.api import Api, open_api
from ..kube.cluster import read_cluster
from ..kube.manifests import read_manifests
from ..kube.objects import Obj, identity_of
from ..kube.reading import readable_object
from ..kube.rights import hint_for
from ..kube.snapshot import Snapshot
from ..plan.chain.target import ISTIO_GATEWAY
from .lock import Guarded, Lock
from .options.common import CommonOptions
from .results import Result, left_undone

Namespaces = Callable[[Snapshot, Registry], Iterable[str]]
ESSENTIAL = (kinds.SERVICE, kinds.POD, kinds.INGRESS, kinds.INGRESS_CLASS, kinds.NAMESPACE, *kinds.WORKLOADS)
"""Without these no plan can be right, so a run that may not read them stops; all others become findings."""


@dataclass(frozen=True)
class Session:
    """One run: its options, what was read, and the client (``None`` when manifests were read)."""

    options: CommonOptions
    snapshot: Snapshot
    registry: Registry = REGISTRY
    api: Api | None = None
    lock: Lock | None = None

    @property
    def cluster(self) -> Result:
        """Where objects were read: ``{server, context}``, empty for manifests."""
        return {} if self.api is None else {"server": self.api.server, "context": self.api.context}

    @property
    def writes_to_cluster(self) -> bool:
        """Whether changes go to a cluster, and not to files, or nowhere."""
        return self.api is not None and not self.options.check_mode and not self.options.output_dir


@dataclass(frozen=True)
class Delivery:
    """Whether something was (in check mode: would be) written, findings of the writing, and the files where some were asked for."""

    changed: bool = False
    findings: tuple[Finding, ...] = ()
    files: tuple[str, ...] | None = None


def reading_kinds() -> tuple[str, ...]:
    """Kind keys that a run reads."""
    return (*kinds.BASE, *REGISTRY.route_kinds())


def start(options: CommonOptions, wanted: Iterable[str], namespaces: Namespaces, earlier: Session | None = None) -> Session:
    """Read the manifests or the cluster: objects of the ``wanted`` kinds, and of those that custom profiles read.

    ``namespaces`` gives those whose ConfigMaps are read. An ``earlier`` session of the run lends its connection.
    """
    registry = preceded_by(options.profiles, REGISTRY)
    if options.manifests:
        return Session(options, as_understood(read_manifests(options.manifests, TABLES, options.default_namespace), registry), registry)
    connection = {**options.connection, "request_timeout": options.request_timeout}
    api = (earlier.api if earlier else None) or open_api(connection, options.workers)
    own = (kind for item in options.profiles for reader in item.routes for kind in reader.kinds)
    snapshot = read_cluster(
        api, dict.fromkeys([*wanted, *own]), lambda snapshot: namespaces(snapshot, registry), options.workers,
        needed_kinds, TABLES,
    )
    snapshot.source.remarks.extend(_about_connection(api))
    return Session(options, as_understood(snapshot, registry), registry, api)


def _about_connection(api: Api) -> Iterator[Finding]:
    if api.unsafe:
        message = (
            f"{api.server}: {api.unsafe}. Whoever is between it and this machine may read the credentials, and may answer in its place"
        )
        yield finding("MLB123", message, details={"server": api.server, "context": api.context})


def needed_kinds(snapshot: Snapshot) -> dict[str, str]:
    """Kinds that have to be served, as they come with Istio, each with the reason as a clause.

    Those that objects of earlier runs note are not among them: whoever may edit such an object could have any kind missed by everybody.
    """
    needed = (kind for kind in (*kinds.ISTIO, *kinds.ACCESS, ISTIO_GATEWAY) if kind not in kinds.WITHOUT_IF_UNSERVED)
    return dict.fromkeys(needed, "though Istio is installed") if read_mesh(snapshot).installed else {}


def read_again(session: Session, refs: Iterable[ObjectRef]) -> Session:
    """The session with these objects as they are now. Kinds that are not served, or were not readable before, stay as they were."""
    api, snapshot = session.api, session.snapshot
    keys = {ref: identity_of(ref) for ref in refs}
    asked = [ref for ref, key in keys.items() if snapshot.serves(key[0]) and snapshot.readable(key[0])]
    put: list[Obj] = []
    gone: list[tuple[str, str, str]] = []
    for ref, found in attempt_all(api.get, asked, session.options.workers) if api else ():
        if isinstance(found, NotFound):
            gone.append(keys[ref])
        elif isinstance(found, MeshlbError):
            raise found
        else:
            put += filter(None, [readable_object(found, snapshot.source, TABLES)])
    return replace(session, snapshot=snapshot.overlay(put, gone))


def demand(snapshot: Snapshot) -> None:
    """Stop where the cluster has no mesh, or where what every plan rests on may not be read."""
    denied = {kind: snapshot.source.denied[kind] for kind in ESSENTIAL if kind in snapshot.source.denied}
    if denied:
        sentences = " ".join(denied.values())
        raise MeshlbError(
            f"{', '.join(denied)} cannot be read, and no plan is right without. {sentences}",
            hint_for(next(iter(denied))), details={"denied": dict(denied)},
        )
    if not read_mesh(snapshot).installed:
        raise MeshlbError(
            "Istio is not installed here: no istiod was found, and the API server serves none of Istio's kinds.",
            "Install Istio, or choose the cluster (kubeconfig, context) that has it.",
        )


def ledger_of(snapshot: Snapshot, part: Part) -> Ledger:
    """All that a part wrote in a cluster."""
    return snapshot.cached(("ledger", part), lambda view: ledger(part, view.everything(), view.get), tuple(snapshot.kinds()))


def without(snapshot: Snapshot, part: Part, keep: Keep | None = None) -> Snapshot:
    """A view of the cluster as it would be without a part: what it created is gone, what it changed is restored."""
    return snapshot.after(take_back(ledger_of(snapshot, part), keep)[0])


def deliver(
    session: Session, changes: Sequence[Change], before: Callable[[int], None] | None = None, keep: Keep = lambda obj: False
) -> Delivery:
    """Write the changes where they belong: files with ``output_dir``, else the cluster; manifests alone are only read.

    ``before`` is called before each phase that is written to a cluster. Of files, those of objects that are to be kept stay.
    """
    options = session.options
    if options.output_dir:
        changed, names = files.write_output(options.output_dir, changes, options.check_mode, keep)
        return Delivery(changed, files=tuple(names))
    if session.api is None:
        return Delivery()
    api: writer.Writes = Guarded(session.api, session.lock.demand) if session.lock else session.api
    findings = writer.write(api, changes, options.workers, options.check_mode, before, all_or_nothing=options.all_or_nothing)
    return Delivery(bool(changes), tuple(findings))


def outcome(body: Callable[[], Result], module: str = "the module", verbosity: int = 0) -> tuple[bool, Result]:
    """Run a module's work; gives whether it succeeded, and the arguments to exit or to fail with, whatever happens.

    What was left undone fails as well, with the whole result: the rest was done.
    """
    try:
        result = body()
        return not result.get("unfinished"), printable_result({**result, **left_undone(result)})
    except MeshlbError as error:
        return False, printable_result(error.to_result())
    except Exception as error:  # a defect of ours, or of a library that we call
        return False, printable_result(defect(error, module, verbosity).to_result())
