# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rules look at, and what they say."""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, order=True)
class Problem:
    """One place that breaks a rule."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        """As compilers print it, so that editors can jump to the place."""
        return f"{self.path}:{self.line}: {self.message}"


@cache
def _text(path: Path) -> str | None:
    """A file's text, or None for what is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


@cache
def _tree(path: Path) -> ast.Module | None:
    """A Python file's syntax tree; what does not parse is for ruff to complain about."""
    try:
        return ast.parse(_text(path) or "")
    except SyntaxError:
        return None


@dataclass(frozen=True)
class Repository:
    """The files that git would commit, by their path from the root."""

    root: Path
    files: Sequence[str]

    def matching(self, *patterns: str) -> Iterator[str]:
        """Files whose path fits one of the patterns; an asterisk also stands for slashes."""
        return (name for name in self.files if any(fnmatch.fnmatch(name, pattern) for pattern in patterns))

    def text(self, name: str) -> str:
        """A file's text; nothing for a link or for what is no text."""
        path = self.root / name
        return "" if path.is_symlink() else _text(path) or ""

    def tree(self, name: str) -> ast.Module | None:
        """A Python file's syntax tree, or None where it has none."""
        return _tree(self.root / name)
