# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for names: one class per name, and one signature per public function's name."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from .model import Problem, Repository
from .python import BALANCERS, MODULE_UTILS

# Each load balancer's folder has its own, which nothing outside of it reads.
IN_EACH_FOLDER = "Settings"
Place = tuple[str, int]


def classes(repository: Repository) -> Iterator[Problem]:
    """A class's name says which one is meant, wherever it is read."""
    places: dict[str, list[Place]] = defaultdict(list)
    for name, node in _top_level(repository):
        if isinstance(node, ast.ClassDef) and not (node.name == IN_EACH_FOLDER and name.startswith(BALANCERS)):
            places[node.name].append((name, node.lineno))
    for item, found in sorted(places.items()):
        for path, line in found[1:]:
            yield Problem(path, line, f"class {item} has the name of one in {found[0][0]}")


def signatures(repository: Repository) -> Iterator[Problem]:
    """Public functions of one name take and give the same types, so that knowing one is knowing all."""
    places: dict[str, dict[str, Place]] = defaultdict(dict)
    for name, node in _top_level(repository):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            places[node.name].setdefault(_signature(node), (name, node.lineno))
    for item, by_signature in sorted(places.items()):
        first, *others = by_signature.values()
        for path, line in others:
            yield Problem(path, line, f"{item} has another signature in {first[0]}")


def _top_level(repository: Repository) -> Iterator[tuple[str, ast.stmt]]:
    for name in repository.matching(f"{MODULE_UTILS}*.py"):
        tree = repository.tree(name)
        for node in tree.body if tree else ():
            yield name, node


def _signature(node: ast.FunctionDef) -> str:
    """The types of a function's parameters and of what it returns."""
    parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    types = [ast.unparse(item.annotation) if item.annotation else "" for item in parameters]
    return f"({', '.join(types)}) -> {ast.unparse(node.returns) if node.returns else ''}"
