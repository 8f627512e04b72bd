# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way of one parameter: through which files it is passed on, and how often back into one that it came from.

Calls are followed in the order in which they are written, into every function that can be told from imports, annotations and
constructors; both branches of a decision are taken. What a call goes to at run time only (a function handed over, a profile's own
method behind the contract) is not followed. There are two trips:

``itself``  the parameter under any name, and objects and tuples that hold it, as long as they are passed whole
``made``    also whatever is computed from it
"""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .source import Function, Source, annotation, decorated, parameters

Path = tuple[str, ...]
"""The attributes that lead from a value to the parameter; none for the parameter itself."""
Held = frozenset[Path]
NOTHING: Held = frozenset()
WHOLE: Held = frozenset({()})
DEEPEST = 4
"""Longer paths are dropped: an object that holds itself would have endless ones."""


@dataclass(frozen=True)
class Value:
    """What is known of an expression: where the parameter is in it, and the full name of its class."""

    held: Held = NOTHING
    kind: str = ""


UNKNOWN = Value()
Scope = dict[str, Value]


@dataclass
class Trip:
    """Every call that passes the parameter on, in order: the file and the function that it leads into."""

    calls: list[tuple[str, str]] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """Each file once, in the order of the first visits."""
        return list(dict.fromkeys(path for path, dummy in self.calls))

    @property
    def functions(self) -> list[str]:
        return list(dict.fromkeys(function for dummy, function in self.calls))

    @property
    def returns(self) -> int:
        """How often the parameter comes back into a file that it had left."""
        return _returns(path for path, dummy in self.calls)

    @property
    def new_returns(self) -> int:
        """The same, were it passed to each function once only."""
        return _returns(path for path, dummy in dict.fromkeys(self.calls))


def _returns(paths: Iterable[str]) -> int:
    stays = [path for path, dummy in itertools.groupby(paths)]
    return len(stays) - len(set(stays))


def walk(source: Source, start: str, parameter: str, made: bool = False) -> Trip:
    """The trip of a parameter of a function, given by its full name; ``made`` follows also what is computed from it."""
    node = source.definitions.get(start)
    if not isinstance(node, Function) or parameter not in (item.arg for item in parameters(node)):
        raise ValueError(f"There is no function {start} with a parameter {parameter}.")
    walker = _Walker(source, made)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        walker.enter(start, {parameter: Value(WHOLE)})
    finally:
        sys.setrecursionlimit(limit)
    return walker.trip


class _Walker:
    """Goes through functions with what is known of their parameters; a function with the same knowledge once."""

    def __init__(self, source: Source, made: bool) -> None:
        self.source = source
        self.made = made
        self.trip = Trip()
        self.returned: dict[tuple[str, frozenset[tuple[str, Held]]], Held] = {}
        self.attributes: dict[tuple[str, str], str] = {}

    def enter(self, name: str, given: Mapping[str, Value]) -> Value:
        """Follow a call; gives what it returns, and for ``__init__`` the object."""
        self.trip.calls.append((self.source.path_of(name), name))
        node = self.source.definitions[name]
        assert isinstance(node, Function)
        key = (name, frozenset((word, value.held) for word, value in given.items() if value.held))
        if key not in self.returned:
            self.returned[key] = NOTHING
            body = _Body(self, name, self._scope(name, node, given))
            body.run(node.body)
            # What only its heirs answer is taken for something that depends on all that they are given.
            self.returned[key] = self.mixed(given.values()) if _is_abstract(node) else body.returned
            if node.name == "__init__":
                self.returned[key] = body.scope[parameters(node)[0].arg].held
        return Value(self.returned[key], self.kind(self.source.module_of[name], node.returns))

    def _scope(self, name: str, node: Function, given: Mapping[str, Value]) -> Scope:
        """What is known of a function's parameters; of its first one, where it is a method, the class."""
        owner = name.rpartition(".")[0]
        scope = {item.arg: Value(kind=self.kind(self.source.module_of[name], item.annotation)) for item in parameters(node)}
        if isinstance(self.source.definitions.get(owner), ast.ClassDef) and scope and not decorated(node, "staticmethod"):
            scope[parameters(node)[0].arg] = Value(kind=owner)
        for word, value in given.items():
            scope[word] = Value(value.held, value.kind or scope[word].kind)
        return scope

    def kind(self, module: str, typed: ast.expr | None) -> str:
        """The class that an annotation names, alone or beside ``None``; empty where it names none of this source."""
        node = annotation(typed)
        if isinstance(node, ast.BinOp):
            return self.kind(module, node.left) or self.kind(module, node.right)
        name = self.source.resolve(module, node) if node else ""
        return name if isinstance(self.source.definitions.get(name), ast.ClassDef) else ""

    def within(self, value: Value, name: str) -> Value:
        """An attribute of a value."""
        held = value.held if self.made else frozenset(path[1:] for path in value.held if path[:1] == (name,))
        return Value(held, self._field_kind(value.kind, name))

    def _field_kind(self, owner: str, name: str) -> str:
        node = self.source.definitions.get(owner)
        for item in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id == name:
                return self.kind(self.source.module_of[owner], item.annotation)
        method = self.source.definitions.get(self.source.method(owner, name))
        if isinstance(method, Function) and decorated(method, "property", "cached_property"):
            return self.kind(self.source.module_of[owner], method.returns)
        return self.attributes.get((owner, name), "")

    def holding(self, parts: Iterable[tuple[str, Value]]) -> Held:
        """What an object holds that is made of these parts, by their names in it."""
        if self.made:
            return _union(value for dummy, value in parts)
        return frozenset((name, *path) for name, value in parts for path in value.held if len(path) < DEEPEST)

    def mixed(self, values: Iterable[Value]) -> Held:
        """What remains of the parameter in something computed from these."""
        return _union(values) if self.made else NOTHING

    def fields(self, owner: str) -> list[str]:
        """The fields of a dataclass in their order, inherited ones first."""
        node = self.source.definitions.get(owner)
        if not isinstance(node, ast.ClassDef):
            return []
        module = self.source.module_of[owner]
        inherited = [name for base in node.bases for name in self.fields(self.source.resolve(module, base))]
        own = [item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
        return list(dict.fromkeys([*inherited, *own]))


class _Body:
    """One function's statements, in order, with what is known of each name."""

    def __init__(self, walker: _Walker, name: str, scope: Scope) -> None:
        self.walker = walker
        self.source = walker.source
        self.name = name
        self.module = walker.source.module_of[name]
        self.scope = scope
        self.returned: Held = NOTHING

    def run(self, statements: Sequence[ast.stmt]) -> None:
        for node in statements:
            self._statement(node)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Return(value=given) if given:
                self.returned |= self.value(given).held
            case ast.Assign(targets=targets, value=given):
                self._bind(targets, self.value(given), given)
            case ast.AnnAssign(target=target, value=given) if given:
                found = self.value(given)
                self._bind([target], Value(found.held, found.kind or self.walker.kind(self.module, node.annotation)), given)
            case ast.AugAssign(target=target, value=given):
                held = self.walker.mixed([self.value(target), self.value(given)])
                self._bind([target], Value(held), given)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                # Its body sees the names around it, wherever it is called from.
                self._inside(node.body, [item.arg for item in parameters(node)])
            case ast.ClassDef() | ast.Import() | ast.ImportFrom() | ast.Raise():
                # With a failure the trip is over.
                pass
            case _:
                self._compound(node)

    def _compound(self, node: ast.stmt) -> None:
        """Loops, decisions and the like: what they ask, then each of their branches from the same start."""
        branches: list[Sequence[ast.stmt]] = []
        match node:
            case ast.For() | ast.AsyncFor():
                self._bind([node.target], self._element(self.value(node.iter)))
                branches = [node.body, node.orelse]
            case ast.If() | ast.While():
                self.value(node.test)
                branches = [node.body, node.orelse]
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    found = self.value(item.context_expr)
                    self._bind([item.optional_vars] if item.optional_vars else [], found)
                self.run(node.body)
            case ast.Try():
                self.run(node.body)
                branches = [*(handler.body for handler in node.handlers), node.orelse, node.finalbody]
            case ast.Match():
                self.value(node.subject)
                branches = [case.body for case in node.cases]
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.value(child)
        self._branch(branches)

    def _branch(self, branches: Iterable[Sequence[ast.stmt]]) -> None:
        before = self.scope
        after = [before]
        for statements in branches:
            self.scope = dict(before)
            self.run(statements)
            after.append(self.scope)
        names = dict.fromkeys(name for scope in after for name in scope)
        self.scope = {name: _either(scope[name] for scope in reversed(after) if name in scope) for name in names}

    def _inside(self, statements: Sequence[ast.stmt], hidden: Iterable[str]) -> None:
        """Statements that see the names around them, but for those that they give a meaning of their own."""
        outside, returned = self.scope, self.returned
        self.scope = {**outside, **dict.fromkeys(hidden, UNKNOWN)}
        self.run(statements)
        self.scope, self.returned = outside, returned

    def _bind(self, targets: Iterable[ast.expr], value: Value, given: ast.expr | None = None) -> None:
        for target in targets:
            match target:
                case ast.Name(id=name):
                    self.scope[name] = value
                case ast.Tuple(elts=items) | ast.List(elts=items):
                    parts = given.elts if isinstance(given, ast.Tuple) and len(given.elts) == len(items) else [None] * len(items)
                    for number, (item, part) in enumerate(zip(items, parts, strict=True)):
                        self._bind([item], self.value(part) if part else self.walker.within(value, str(number)), part)
                case ast.Starred(value=inner):
                    self._bind([inner], Value(self.walker.mixed([value])))
                case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                    self.walker.attributes[(self.scope.get(name, UNKNOWN).kind, attribute)] = value.kind
                    self._add(name, self.walker.holding([(attribute, value)]))
                case ast.Subscript(value=ast.Name(id=name)):
                    self._add(name, self.walker.mixed([value]))

    def _add(self, name: str, held: Held) -> None:
        """Something is put into a local object; what has another name (a module) does not hold it."""
        if name in self.scope:
            before = self.scope[name]
            self.scope[name] = Value(before.held | held, before.kind)

    def _element(self, value: Value) -> Value:
        return Value(self.walker.mixed([value]))

    def value(self, node: ast.expr) -> Value:
        """What is known of an expression; the calls in it are followed."""
        match node:
            case ast.Name(id=name):
                return self.scope.get(name, UNKNOWN)
            case ast.Attribute(value=owner, attr=name):
                return self._attribute(owner, name)
            case ast.Call():
                return self._call(node)
            case ast.NamedExpr(target=target, value=given):
                found = self.value(given)
                self._bind([target], found, given)
                return found
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node)
            case _:
                return self._composed(node)

    def _composed(self, node: ast.expr) -> Value:
        """What is known of an expression that consists of others."""
        match node:
            case ast.Tuple(elts=items):
                return Value(self.walker.holding((str(number), self.value(item)) for number, item in enumerate(items)))
            case ast.IfExp(test=test, body=one, orelse=other):
                self.value(test)
                return _either([self.value(one), self.value(other)])
            case ast.BoolOp(values=items):
                return _either([self.value(item) for item in items])
            case ast.Lambda(args=given, body=body):
                self._inside([ast.Expr(body)], [item.arg for item in (*given.posonlyargs, *given.args, *given.kwonlyargs)])
                return Value(self.walker.mixed(self._free(body)))
            case _:
                return Value(self.walker.mixed([self.value(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]))

    def _free(self, body: ast.expr) -> list[Value]:
        return [self.scope.get(item.id, UNKNOWN) for item in ast.walk(body) if isinstance(item, ast.Name)]

    def _attribute(self, owner: ast.expr, name: str) -> Value:
        found = self.value(owner)
        method = self.source.method(found.kind, name)
        node = self.source.definitions.get(method)
        if found.held and isinstance(node, Function) and decorated(node, "property", "cached_property"):
            return self.walker.enter(method, {parameters(node)[0].arg: found})
        return self.walker.within(found, name)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
        outside = dict(self.scope)
        for part in node.generators:
            self._bind([part.target], self._element(self.value(part.iter)))
            for condition in part.ifs:
                self.value(condition)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        held = self.walker.mixed([self.value(part) for part in parts])
        self.scope = outside
        return Value(held)

    def _call(self, node: ast.Call) -> Value:
        receiver = self.value(node.func.value) if isinstance(node.func, ast.Attribute) else UNKNOWN
        plain = [self.value(item) for item in node.args]
        named = {item.arg or "": self.value(item.value) for item in node.keywords}
        everything = [receiver, *plain, *named.values()]
        name, first = self._callee(node.func, receiver)
        target = self.source.definitions.get(name)
        if isinstance(target, ast.ClassDef):
            return self._construct(name, plain, named)
        if isinstance(target, Function):
            given = _arguments(target, [*first, *plain], named)
            if _union(given.values()):
                found = self.walker.enter(name, given)
                if target.name == "__init__":
                    self._add("self", found.held)
                return found
            return Value(kind=self.walker.kind(self.source.module_of[name], target.returns))
        if self.walker.made and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            # Something may have been put into the object whose method this is.
            self._add(node.func.value.id, _union([*plain, *named.values()]))
        return Value(self.walker.mixed(everything))

    def _callee(self, function: ast.expr, receiver: Value) -> tuple[str, list[Value]]:
        """The full name of what is called, and what comes before the arguments: the object whose method it is."""
        if isinstance(function, ast.Attribute):
            owner = receiver.kind
            if isinstance(function.value, ast.Call) and getattr(function.value.func, "id", "") == "super":
                owner, receiver = self._base(), self.scope.get("self", UNKNOWN)
            method = self.source.method(owner, function.attr)
            if method:
                static = decorated(self.source.definitions[method], "staticmethod")
                return method, [] if static else [receiver]
        if isinstance(function, ast.Name) and function.id in self.scope:
            return "", []
        return self.source.resolve(self.module, function), []

    def _base(self) -> str:
        owner = self.source.definitions.get(self.name.rpartition(".")[0])
        bases = owner.bases if isinstance(owner, ast.ClassDef) else []
        return self.source.resolve(self.module, bases[0]) if bases else ""

    def _construct(self, owner: str, plain: list[Value], named: Mapping[str, Value]) -> Value:
        """An object made of these arguments: through ``__init__`` where there is one, else field by field."""
        method = self.source.method(owner, "__init__")
        node = self.source.definitions.get(method)
        if not isinstance(node, Function):
            parts = [*zip(self.walker.fields(owner), plain, strict=False), *named.items()]
            return Value(self.walker.holding(parts), owner)
        given = _arguments(node, [UNKNOWN, *plain], named)
        held = self.walker.enter(method, given).held if _union(given.values()) else NOTHING
        return Value(held, owner)


def _is_abstract(node: Function) -> bool:
    """Whether a function says only what there is to answer."""
    said = [item.value if isinstance(item, ast.Expr) else item for item in node.body]
    return all(isinstance(item, (ast.Constant, ast.Pass, ast.Raise)) for item in said)


def _arguments(node: Function, plain: Sequence[Value], named: Mapping[str, Value]) -> dict[str, Value]:
    """What is known of each parameter in a call; ``*`` and ``**`` at the call may be any of them."""
    given = node.args
    order = [item.arg for item in (*given.posonlyargs, *given.args)]
    found = dict(zip(order, plain, strict=False))
    if given.vararg and plain[len(order):]:
        found[given.vararg.arg] = _either(plain[len(order):])
    words = {*order, *(item.arg for item in given.kwonlyargs)}
    for word, value in named.items():
        if word in words:
            found[word] = value
        elif given.kwarg:
            found[given.kwarg.arg] = value
    return found


def _union(values: Iterable[Value]) -> Held:
    return frozenset(path for value in values for path in value.held)


def _either(values: Iterable[Value]) -> Value:
    """What is known of a value that is one of these."""
    options = list(values)
    return Value(_union(options), next((item.kind for item in options if item.kind), ""))
