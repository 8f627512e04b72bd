# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a cluster once: one discovery, one paged list per kind that exists, ConfigMaps where a reader asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..core.errors import ApiError, Forbidden, MeshlbError, NotFound
from ..core.parallel import attempt_all
from . import kinds as known
from .client.api import Api
from .objects import Obj
from .reading import readable_objects
from .rights import hint_for
from .shapes import Shape
from .snapshot import Snapshot, Source
from .tables import TABLE

Namespaces = Callable[[Snapshot], Iterable[str]]
Used = Callable[[Snapshot], Mapping[str, str]]
"""Kinds that a cluster must have, by kind key, each with the clause that says why."""
# Secrets are never read, whatever a profile asks for.
NEVER_READ = frozenset({"Secret"})


def read_cluster(
    api: Api, kinds: Iterable[str], config_map_namespaces: Namespaces, workers: int = 8, used: Used = lambda snapshot: {},
    table: Mapping[str, Shape] = TABLE,
) -> Snapshot:
    """Read all objects of ``kinds`` that the API serves, then the ConfigMaps of the namespaces that a reader names.

    ``config_map_namespaces`` and ``used`` get the snapshot without ConfigMaps. A kind that may not be listed (403) is noted in
    ``Source.denied``, and one that ``used`` names and the API does not serve in ``Source.gone``, each with a sentence; an object that
    does not have the types of ``table`` in ``Source.unreadable``. Any other list that fails is raised:
    :class:`core.errors.ApiUnreachable`, :class:`core.errors.Unauthorized`, or another :class:`core.errors.ApiError`;
    :class:`core.errors.Forbidden` where not one kind may be read.
    """
    asked = list(dict.fromkeys(kind for kind in kinds if kind not in NEVER_READ and kind != known.CONFIG_MAP))
    # Runs that write look for each other by their Leases later.
    groups = {kind.partition(".")[2] for kind in (*asked, known.LEASE)}
    served = api.discover(groups)
    _demand_usual_kinds(api.server, asked, served)
    wanted = [kind for kind in asked if kind in served]
    reading = _read([(kind, "") for kind in wanted], api, workers)
    if wanted and all(kind in reading.denied for kind in wanted):
        raise Forbidden(f"Nothing may be read: {reading.denied[wanted[0]]}", hint_for(wanted[0]))
    source = Source(live=True, server=api.server, available=frozenset(served) - reading.lost, denied=reading.denied)
    objects = readable_objects(reading.objects, source, table)
    first = Snapshot(objects, source)
    gone = {
        kind: f"The API server {api.server} does not serve {kind}, {why}."
        for kind, why in used(first).items() if kind in asked and kind not in source.available
    }
    settings = _read([(known.CONFIG_MAP, namespace) for namespace in sorted(set(config_map_namespaces(first)))], api, workers)
    denied = {**source.denied, **settings.denied}
    source = replace(source, gone=gone, denied=denied, closed=settings.closed)
    return Snapshot([*objects, *readable_objects(settings.objects, source, table)], source)


def _demand_usual_kinds(server: str, asked: Iterable[str], served: Mapping[str, object]) -> None:
    missing = [kind for kind in asked if kind in known.USUAL and kind not in served]
    if missing:
        raise ApiError(
            f"The API server {server} does not name {', '.join(missing)} among its kinds. Every cluster has them, so that is not all.",
            "Run again. If it stays so, look for APIServices that are not available.",
        )


@dataclass
class _Reading:
    """What lists gave. ``lost`` are kinds that were discovered and are no longer served, ``closed`` as in :class:`Source`."""

    objects: list[Obj] = field(default_factory=list)
    denied: dict[str, str] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()


def _read(lists: list[tuple[str, str]], api: Api, workers: int) -> _Reading:
    reading, stop = _Reading(), threading.Event()

    def one(item: tuple[str, str]) -> list[Obj]:
        if stop.is_set():
            return []
        try:
            return api.list(*item)
        except (Forbidden, NotFound):
            raise
        except MeshlbError:
            # Nothing will be made of the other lists.
            stop.set()
            raise

    for (kind, namespace), result in attempt_all(one, lists, workers):
        if isinstance(result, Forbidden):
            reading.denied.setdefault(kind, result.message)
            if namespace:
                reading.closed |= {namespace}
        elif isinstance(result, NotFound) and kind not in known.USUAL:
            reading.lost |= {kind}
        elif isinstance(result, MeshlbError):
            raise result
        else:
            reading.objects += result
    return reading
