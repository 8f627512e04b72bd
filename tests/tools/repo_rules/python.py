# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for Python files: their size, who may end a module, and who may name a load balancer."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .model import Problem, Repository

MAX_LINES = 500
MODULE_UTILS = "plugins/module_utils/"
BALANCERS = f"{MODULE_UTILS}balancers/"
# Folders below balancers/ that belong to all of them.
SHARED = frozenset({"contract", "kit", "unknown", "custom"})
BLIND = (
    *(
        f"{MODULE_UTILS}{layer}/*.py" for layer in ("core", "kube", "istio", "detect", "plan", "apply", "prove", "runs")
    ), "plugins/modules/*.py",
)
# What a module says to its users may name a vendor; what it decides may not.
DOCUMENTS = frozenset({"DOCUMENTATION", "EXAMPLES", "RETURN"})


def size(repository: Repository) -> Iterator[Problem]:
    """A file over the limit holds more than one thing."""
    for name in repository.matching("*.py"):
        lines = len(repository.text(name).splitlines())
        if lines > MAX_LINES:
            yield Problem(name, lines, f"{lines} lines, more than {MAX_LINES}")


def exits(repository: Repository) -> Iterator[Problem]:
    """Only a module ends a module: anything below it returns or raises."""
    for name in repository.matching("plugins/*.py"):
        tree = repository.tree(name)
        if tree is None or name.startswith("plugins/modules/"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("exit_json", "fail_json"):
                yield Problem(name, node.lineno, f"{node.attr} belongs into plugins/modules")


def _document_strings(tree: ast.Module) -> set[int]:
    """The identities of string nodes that are documents or docstrings."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
        elif isinstance(node, ast.Assign) and any(getattr(target, "id", "") in DOCUMENTS for target in node.targets):
            found.update(id(child) for child in ast.walk(node.value))
    return found


def balancer_ids(repository: Repository) -> frozenset[str]:
    """The ids of all load balancers: the names of their folders."""
    folders = (name.removeprefix(BALANCERS).split("/") for name in repository.matching(f"{BALANCERS}*/*.py"))
    return frozenset(parts[0] for parts in folders) - SHARED


def vendor_names(repository: Repository) -> Iterator[Problem]:
    """Nothing but a load balancer's own folder knows its name."""
    ids = balancer_ids(repository)
    for name in repository.matching(*BLIND):
        tree = repository.tree(name)
        if tree is None:
            continue
        documents = _document_strings(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value in ids and id(node) not in documents:
                yield Problem(name, node.lineno, f"names the load balancer {node.value}: ask its profile in {BALANCERS}")
