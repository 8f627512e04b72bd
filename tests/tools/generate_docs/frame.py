# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all generators share: comparing their pages with the files, and writing them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools.stage_collection import stage


def imported(root: Path, name: str) -> Any:
    """A module below ``module_utils`` of a checkout, by its dotted name; None where it is not there yet."""
    if not (root / "plugins" / "module_utils" / f"{name.replace('.', '/')}.py").is_file():
        return None
    tree = str(stage("link", root))
    if tree not in sys.path:
        sys.path.insert(0, tree)
    return importlib.import_module(f"ansible_collections.meshlb.istio.plugins.module_utils.{name}")


@dataclass(frozen=True)
class Generator:
    """Writes every file that fits `owns`: one that it does not write any more is deleted."""

    owns: str
    pages: Callable[[Path], dict[str, str]]


def _differences(generator: Generator, root: Path) -> Iterator[tuple[str, str | None]]:
    """Each page whose file is not what it should be, with the text it should have; None for a page without a source."""
    pages = generator.pages(root)
    for name, text in sorted(pages.items()):
        path = root / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            yield name, text
    for path in sorted(root.glob(generator.owns)):
        name = path.relative_to(root).as_posix()
        if name not in pages:
            yield name, None


def outdated(generator: Generator, root: Path) -> list[str]:
    """A sentence for each page that has to be written again."""
    return [
        f"{name}: the code it is generated from is gone" if text is None else f"{name}: differs from what the code says"
        for name, text in _differences(generator, root)
    ]


def write(generator: Generator, root: Path) -> list[str]:
    """Brings the files up to date; returns a line for each that was touched."""
    touched = []
    for name, text in list(_differences(generator, root)):
        path = root / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        touched.append(f"{'deleted' if text is None else 'wrote'} {name}")
    return touched
