# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a cluster once: one discovery, one paged list per kind that exists, ConfigMaps where a reader asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..core.errors import ApiUnreachable, Forbidden, MeshlbError, NotFound, Unauthorized
from ..core.parallel import attempt_all
from . import kinds as known
from .client.api import Api
from .objects import Obj
from .snapshot import Snapshot, Source

Namespaces = Callable[[Snapshot], Iterable[str]]
# Secrets are never read, whatever a profile asks for.
NEVER_READ = frozenset({"Secret"})


def read_cluster(api: Api, kinds: Iterable[str], config_map_namespaces: Namespaces, workers: int = 8) -> Snapshot:
    """Read all objects of ``kinds`` that the API serves, then the ConfigMaps of the namespaces that a reader names.

    ``config_map_namespaces`` gets the snapshot without ConfigMaps. A kind that cannot be listed is noted in
    ``Source.denied`` with the API's sentence. Raises :class:`core.errors.ApiUnreachable`, :class:`core.errors.Unauthorized`, and
    :class:`core.errors.Forbidden` where not one kind may be read.
    """
    asked = list(dict.fromkeys(kind for kind in kinds if kind not in NEVER_READ and kind != known.CONFIG_MAP))
    # Runs that write look for each other by their Leases later.
    groups = {kind.partition(".")[2] for kind in (*asked, known.LEASE)}
    served = api.discover(groups)
    source = Source(live=True, server=api.server, available=frozenset(served))
    wanted = [kind for kind in asked if kind in served and "list" in served[kind].verbs]
    objects = _read(source, [(kind, "") for kind in wanted], api, workers)
    if wanted and all(kind in source.denied for kind in wanted):
        raise Forbidden(f"Nothing may be read: {source.denied[wanted[0]]}", "Grant list; docs/rbac.md has the rules.")
    namespaces = sorted(set(config_map_namespaces(Snapshot(objects, source))))
    objects += _read(source, [(known.CONFIG_MAP, namespace) for namespace in namespaces], api, workers)
    return Snapshot(objects, source)


def _read(source: Source, lists: list[tuple[str, str]], api: Api, workers: int) -> list[Obj]:
    found: list[Obj] = []
    for (kind, _namespace), result in attempt_all(lambda item: api.list(*item), lists, workers):
        if isinstance(result, (ApiUnreachable, Unauthorized)):
            raise result
        if isinstance(result, NotFound):
            continue  # the kind was removed since it was discovered
        if isinstance(result, MeshlbError):
            source.denied.setdefault(kind, result.message)
        else:
            found += result
    return found
