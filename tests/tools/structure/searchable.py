# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions that can search all objects: those with a parameter that is a snapshot, or that holds one under any name.

Such a function may depend on everything that was read, and its signature does not say on what.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .source import Definition, Function, Source, annotation, decorated, parameters

SEARCHED = "Snapshot"
"""The class through which all objects can be searched."""
# A function that is handed over answers one question; through it nothing else can be searched. A literal names no class.
CLOSED = frozenset({"Callable", "Literal"})
MADE_FROM_TYPES = frozenset({"TypeVar", "NewType"})


@dataclass(frozen=True)
class Signature:
    """What a function can search: by a parameter that names the snapshot, by any parameter, or also by ``self``."""

    name: str
    plain: bool
    searches: bool
    with_self: bool


def signatures(source: Source) -> list[Signature]:
    """Every function of the source."""
    holding = holders(source)
    plain = {name for name in holding if _is_searched(name)}
    return [_signature(source, name, node, plain, holding) for name, node in source.functions()]


def holders(source: Source) -> frozenset[str]:
    """Full names of classes, and of names for types, through which all objects can be searched."""
    parts = {name: frozenset(_parts(source, name, node)) for name, node in source.classes()}
    parts |= {name: frozenset(_named(source, module, value)) for name, module, value in _aliases(source)}
    searched = {name for name, dummy in source.classes() if _is_searched(name)}
    if not searched:
        raise ValueError(f"No class is called {SEARCHED}. Say in {__name__} through which one all objects can be searched now.")
    found = searched | {name for name, node in source.classes() if _is_narrowed(node, searched, source)}
    while more := {name for name, held in parts.items() if name not in found and held & found}:
        found |= more
    return frozenset(found)


def _is_searched(name: str) -> bool:
    return name.rpartition(".")[2] == SEARCHED


def _is_narrowed(node: ast.ClassDef, searched: set[str], source: Source) -> bool:
    """Whether a class is a protocol that the searched class fits, whatever the protocol is called."""
    if not any(getattr(base, "id", "") == "Protocol" for base in node.bases):
        return False
    asked = {item.name for item in node.body if isinstance(item, Function)}
    return bool(asked) and any(all(source.method(name, word) for word in asked) for name in searched)


def _signature(source: Source, name: str, node: Function, plain: set[str], holding: frozenset[str]) -> Signature:
    module = source.module_of[name]
    owner = name.rpartition(".")[0]
    given = parameters(node)
    is_method = isinstance(source.definitions.get(owner), ast.ClassDef) and not decorated(node, "staticmethod")
    typed = [item.annotation for item in (given[1:] if is_method else given) if item.annotation]
    named = {full for item in typed for full in _named(source, module, item)}
    return Signature(name, bool(named & plain), bool(named & holding), bool(named & holding) or (is_method and owner in holding))


def _aliases(source: Source) -> Iterator[tuple[str, str, ast.expr]]:
    """Names that a file gives to types, with the module and the type."""
    for module, tree in source.trees.items():
        for node in tree.body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name) and _is_type(node.value):
                yield f"{module}.{node.targets[0].id}", module, node.value


def _is_type(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in MADE_FROM_TYPES
    return isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp))


def _parts(source: Source, name: str, node: ast.ClassDef) -> Iterator[str]:
    """Full names of the types that a class is made of: its bases, its fields, its properties, and what it keeps when it is made."""
    module = source.module_of[name]
    for base in node.bases:
        yield from _named(source, module, base)
    for item in node.body:
        if isinstance(item, ast.AnnAssign):
            yield from _named(source, module, item.annotation)
        elif isinstance(item, Function) and item.returns and decorated(item, "property", "cached_property"):
            yield from _named(source, module, item.returns)
    for method in (item for item in node.body if isinstance(item, Function)):
        yield from _kept(source, module, method)


def _kept(source: Source, module: str, method: Function) -> Iterator[str]:
    """Types of what a method puts on ``self``: an annotated attribute, a parameter of its own, or an object that it makes."""
    typed = {item.arg: item.annotation for item in parameters(method) if item.annotation}
    for node in ast.walk(method):
        if isinstance(node, ast.AnnAssign) and _is_own(node.target):
            yield from _named(source, module, node.annotation)
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        if not any(map(_is_own, node.targets if isinstance(node, ast.Assign) else [node.target])):
            continue
        if isinstance(node.value, ast.Name) and node.value.id in typed:
            yield from _named(source, module, typed[node.value.id])
        elif isinstance(node.value, ast.Call):
            yield source.resolve(module, node.value.func)


def _is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _named(source: Source, module: str, node: ast.expr) -> Iterator[str]:
    """Full names of everything that a type names, wherever inside it."""
    inner = annotation(node)
    if isinstance(inner, (ast.Name, ast.Attribute)):
        yield source.resolve(module, inner)
    elif isinstance(inner, ast.Subscript) and source.resolve(module, inner.value).rpartition(".")[2] in CLOSED:
        return
    elif inner is not None and not isinstance(inner, Definition):
        for child in ast.iter_child_nodes(inner):
            if isinstance(child, ast.expr):
                yield from _named(source, module, child)
            elif isinstance(child, ast.keyword):
                yield from _named(source, module, child.value)
