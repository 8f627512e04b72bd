# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plugins' source: every definition, and what each name in a file stands for."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

PLUGINS = "ansible_collections.meshlb.istio.plugins."
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def read_source(root: Path) -> Source:
    """The plugins of a checkout."""
    plugins = root / "plugins"
    return Source({path.relative_to(plugins).as_posix(): path.read_text(encoding="utf-8") for path in sorted(plugins.rglob("*.py"))})


class Source:
    """Definitions by their full name (``module_utils.kube.snapshot.Snapshot.all``), with imports resolved across files."""

    def __init__(self, files: Mapping[str, str]) -> None:
        """``files`` maps a path below the plugins' folder to its text."""
        self.files = dict(files)
        self.paths = {_module_of(path): path for path in files}
        self.trees = {module: ast.parse(files[path]) for module, path in self.paths.items()}
        self.names = {module: dict(_imports(module, tree)) for module, tree in self.trees.items()}
        self.definitions: dict[str, Definition] = {}
        self.module_of: dict[str, str] = {}
        for module, tree in self.trees.items():
            for name, node in _definitions(module, tree):
                self.definitions[name] = node
                self.module_of[name] = module
            for name in _assigned(tree):
                self.names[module].setdefault(name, f"{module}.{name}")
            for item in tree.body:
                if isinstance(item, Definition):
                    self.names[module][item.name] = f"{module}.{item.name}"

    def path_of(self, name: str) -> str:
        """The file in which a definition stands."""
        return self.paths[self.module_of[name]]

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function, method and nested function, by its full name."""
        return ((name, node) for name, node in self.definitions.items() if isinstance(node, Function))

    def classes(self) -> Iterator[tuple[str, ast.ClassDef]]:
        return ((name, node) for name, node in self.definitions.items() if isinstance(node, ast.ClassDef))

    def resolve(self, module: str, node: ast.expr) -> str:
        """The full name that a name or a chain of attributes stands for in a file; empty for anything else."""
        if isinstance(node, ast.Name):
            return self.canonical(self.names[module].get(node.id, node.id))
        if isinstance(node, ast.Attribute):
            owner = self.resolve(module, node.value)
            return self.canonical(f"{owner}.{node.attr}") if owner else ""
        return ""

    def canonical(self, name: str) -> str:
        """A name as the file defines it that other files may have handed on."""
        owner, dummy, last = name.rpartition(".")
        if name in self.definitions or not owner:
            return name
        handed_on = self.names.get(owner, {}).get(last, name)
        return name if handed_on == name else self.canonical(handed_on)

    def method(self, owner: str, name: str) -> str:
        """The full name of a class's method, its own or inherited; empty where this source has none."""
        node = self.definitions.get(owner)
        if not isinstance(node, ast.ClassDef):
            return ""
        if isinstance(self.definitions.get(f"{owner}.{name}"), Function):
            return f"{owner}.{name}"
        bases = (self.resolve(self.module_of[owner], base) for base in node.bases)
        return next((found for base in bases if (found := self.method(base, name))), "")


def parameters(node: Function) -> list[ast.arg]:
    """All parameters of a function, in the order of the call."""
    given = node.args
    stars = [item for item in (given.vararg, given.kwarg) if item]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *stars]


def decorated(node: Definition, *names: str) -> bool:
    """Whether one of these decorators stands above a definition."""
    calls = (item.func if isinstance(item, ast.Call) else item for item in node.decorator_list)
    return any((item.attr if isinstance(item, ast.Attribute) else getattr(item, "id", "")) in names for item in calls)


def annotation(node: ast.expr | None) -> ast.expr | None:
    """An annotation without the quotes that it may stand in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return None
    return node


def _module_of(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def _definitions(prefix: str, tree: ast.AST) -> Iterator[tuple[str, Definition]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Definition):
            yield f"{prefix}.{node.name}", node
            yield from _definitions(f"{prefix}.{node.name}", node)
        else:
            yield from _definitions(prefix, node)


def _assigned(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        yield from (item.id for item in targets if isinstance(item, ast.Name))


def _imports(module: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Local names of imports, wherever they stand, with the full name of what they mean."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            # One dot is the folder of the file itself.
            folder = module.split(".")[: -node.level] if node.level else []
            base = [*folder, *([node.module] if node.module else [])]
            yield from ((item.asname or item.name, ".".join([*base, item.name]).removeprefix(PLUGINS)) for item in node.names)
        elif isinstance(node, ast.Import):
            yield from ((item.asname, item.name.removeprefix(PLUGINS)) for item in node.names if item.asname)
