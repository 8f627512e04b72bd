# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often one run of service_routing reads the load balancers' routes, counted while it runs."""

from __future__ import annotations

import functools
import importlib
import inspect
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools.record_behaviour import call
from tests.tools.stage_collection import ROOT, stage

from .source import PLUGINS

READER = "module_utils.detect.inventory.take_inventory"
"""The function that reads routes."""
LIMIT = "only"
"""Its parameter that limits a reading to some objects."""
MODULE = "service_routing"
MANIFESTS = ROOT / "tests/fixtures/readings.yaml"


@dataclass(frozen=True)
class Readings:
    """Readings of all routes, and those limited to some objects, in a run that decided about ``routes`` routes."""

    full: int
    limited: int
    routes: int


def count_readings(root: Path = ROOT, reader: str = READER) -> Readings:
    """Run the module of a checkout in check mode on a small set of manifests."""
    sys.path.insert(0, str(stage("link", root)))
    importlib.import_module(f"{PLUGINS}modules.{MODULE}")
    # The module runs in a child, as it exits its process.
    full, limited = multiprocessing.Value("i"), multiprocessing.Value("i")

    def note(is_limited: bool) -> None:
        (limited if is_limited else full).value += 1

    with watched(reader, note):
        result = call(MODULE, {"manifests": [str(MANIFESTS)], "_ansible_check_mode": True})
    if "routes" not in result:
        raise RuntimeError(f"{MODULE} failed: {result}")
    return Readings(full.value, limited.value, len(result["routes"]))


@contextmanager
def watched(reader: str, note: Callable[[bool], None]) -> Iterator[None]:
    """Tell ``note`` of each call of a function, under whatever name the collection's modules imported it."""
    owner, name = _owner_of(reader)
    original = getattr(owner, name)
    signature = inspect.signature(original)

    @functools.wraps(original)
    def counted(*args: Any, **kwargs: Any) -> Any:
        note(signature.bind(*args, **kwargs).arguments.get(LIMIT) is not None)
        return original(*args, **kwargs)

    modules = [module for key, module in list(sys.modules.items()) if key.startswith(PLUGINS)]
    places = [(module, word) for module in modules for word, value in vars(module).items() if value is original]
    places.append((owner, name))
    for place, word in places:
        setattr(place, word, counted)
    try:
        yield
    finally:
        for place, word in places:
            setattr(place, word, original)


def _owner_of(reader: str) -> tuple[Any, str]:
    """The module or the class in which a function stands, and its name there."""
    path, dummy, name = reader.rpartition(".")
    try:
        owner = importlib.import_module(PLUGINS + path)
    except ModuleNotFoundError:
        module, dummy, kind = path.rpartition(".")
        owner = getattr(importlib.import_module(PLUGINS + module), kind)
    return owner, name
