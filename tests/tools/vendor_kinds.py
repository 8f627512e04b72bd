# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the CustomResourceDefinitions of load balancers are that cannot run here; they are no part of this project.

The folder that MESHLB_CRDS names goes first, then what the lab gets from the vendors' own Go modules (``lab/lab kinds``), then
shared/crds beside the checkout, for those that cannot be had as modules. Each has a folder per vendor.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


@cache
def _of_the_lab(get: bool) -> dict[str, str]:
    words = [sys.executable, str(ROOT / "lab" / "lab"), "kinds", "--json", *([] if get else ["--built"])]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    found: dict[str, str] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def folder_of(vendor: str, *, get: bool = False) -> Path | None:
    """The folder of one vendor; ``get``: have the lab bring what it has not got yet."""
    named, beside = os.environ.get("MESHLB_CRDS"), ROOT.parent / "shared" / "crds" / vendor
    if named and (Path(named) / vendor).is_dir():
        return Path(named) / vendor
    path = _of_the_lab(get).get(vendor)
    return Path(path) if path else beside if beside.is_dir() else None


def definitions(folder: Path) -> Iterator[dict[str, Any]]:
    """The CustomResourceDefinitions in a folder, each once."""
    seen = set()
    for path in sorted(folder.glob("*.y*ml")):
        for item in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if item and item.get("kind") == "CustomResourceDefinition" and item["metadata"]["name"] not in seen:
                seen.add(item["metadata"]["name"])
                yield item
