# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""How large the parts are: lines of packages, the longest functions, the members of the contract's classes."""

from __future__ import annotations

import ast
from collections import Counter

from .source import Function, Source


def package_of(path: str) -> str:
    """The package that a file counts for: its folder, and below ``module_utils`` the layer."""
    parts = path.split("/")
    return "/".join(parts[: min(len(parts) - 1, 2)])


def lines(source: Source) -> Counter[str]:
    """Lines per package."""
    return sum((Counter({package_of(path): len(text.splitlines())}) for path, text in source.files.items()), Counter())


def longest_functions(source: Source, number: int) -> list[tuple[int, str]]:
    """The functions with the most lines."""
    sizes = [((node.end_lineno or node.lineno) - node.lineno + 1, name) for name, node in source.functions()]
    return sorted(sizes, key=lambda item: (-item[0], item[1]))[:number]


def members(source: Source, *folders: str) -> dict[str, dict[str, int]]:
    """Fields and methods of each class of some folders (or files): how many it declares itself, and with those it inherits."""
    wanted = [name for name, dummy in source.classes() if source.path_of(name).startswith(folders)]
    return {name: {"own": len(_own(source, name)), "in all": len(_all(source, name))} for name in wanted}


def _own(source: Source, name: str) -> set[str]:
    node = source.definitions.get(name)
    return {word for item in node.body for word in _declared(item)} if isinstance(node, ast.ClassDef) else set()


def _all(source: Source, name: str) -> set[str]:
    node = source.definitions.get(name)
    bases = node.bases if isinstance(node, ast.ClassDef) else []
    return _own(source, name).union(*(_all(source, source.resolve(source.module_of[name], base)) for base in bases))


def _declared(node: ast.stmt) -> list[str]:
    if isinstance(node, Function):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [item.id for item in targets if isinstance(item, ast.Name)]
