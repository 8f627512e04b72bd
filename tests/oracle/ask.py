# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What would Istio do? For a folder of manifests: each route's call, the way that it takes, and what the collection says of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from . import cluster, product
from .client import NotBuilt, Oracle
from .compare import Asking, asking, together
from .envoy import Envoy
from .words import describe


def report(oracle: Oracle, folder: Path) -> Iterator[str]:
    """Lines about every route of a case."""
    given = cluster.read(folder / "manifests" if (folder / "manifests").is_dir() else folder)
    objects = cluster.completed(given)
    yield f"{folder.name}: {len(given)} objects, and {len(objects) - len(given)} that a cluster would add"
    said = product.said(objects)
    if said.error:
        yield f"the collection refuses: {said.error}"
    asked = asking(oracle, objects)
    for key, item in asked.items.items():
        yield ""
        yield item.title
        rows = said.routes.get(item.key, [])
        if item.why:
            yield f"  nothing to ask: {item.why}"
        else:
            yield from (f"  {line}" for line in _answer(asked, key))
        for side in ("before", "after") if rows else ():
            strategy = f" with {rows[0]['after']['strategy']}" if side == "after" else ""
            one = rows[0][side]
            yield f"  the collection, {side}{strategy}: {one['verdict']}, {one['why']}; access: {one['access']['decision']}"


def _answer(asked: Asking, key: str) -> Iterator[str]:
    judged, pod = asked.judged(key), asked.items[key].client or {}
    if asked.scene.error:
        yield f"Istio takes no such case: {asked.scene.error}"
        return
    yield f"{cluster.namespace(pod)}/{cluster.name(pod)} {'with' if cluster.has_sidecar(pod) else 'without'} a sidecar"
    for (call, outcome), one in zip(asked.scene.outcomes(key), judged, strict=True):
        yield from describe(call, outcome, one)
    truth = together(judged)
    if len(judged) > 1:
        yield f"Istio, for all of them: {truth.verdict}"
    access = asked.access(key, truth)
    if access.judges:
        yield f"{' and '.join(access.judges)} about the filters there: {access.decision or 'not known'}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ask", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    options = parser.parse_args(argv)
    try:
        with Envoy() as envoy, Oracle(envoy=envoy) as oracle:
            for folder in options.folders:
                if not folder.is_dir():
                    parser.error(f"{folder} is no folder")
                sys.stdout.writelines(f"{line}\n" for line in report(oracle, folder))
                sys.stdout.flush()
    except NotBuilt as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
