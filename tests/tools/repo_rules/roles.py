# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for roles: what a role says that it takes is what it has defaults for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from .model import Problem, Repository


def _load(repository: Repository, name: str) -> dict[str, Any]:
    """A YAML file's top-level mapping; nothing for a file that is missing or is no mapping."""
    loaded = yaml.safe_load(repository.text(name)) if name in repository.files else None
    return loaded if isinstance(loaded, dict) else {}


def _options(specs: dict[str, Any]) -> dict[str, bool]:
    """The options of all entry points, and whether each is one that must be given."""
    options: dict[str, bool] = {}
    for entry in (specs.get("argument_specs") or {}).values():
        for name, option in (entry.get("options") or {}).items():
            options[name] = options.get(name, False) or bool(option.get("required"))
    return options


def variables(repository: Repository) -> Iterator[Problem]:
    """Defaults and argument specs name the same variables, each beginning with the role's name."""
    roles = sorted({name.split("/")[1] for name in repository.matching("roles/*/*")})
    for role in roles:
        specs_file, defaults_file = f"roles/{role}/meta/argument_specs.yml", f"roles/{role}/defaults/main.yml"
        if specs_file not in repository.files:
            yield Problem(specs_file, 1, "missing: a role says what it takes")
        options = _options(_load(repository, specs_file))
        defaults = _load(repository, defaults_file)
        for name in sorted(defaults.keys() - options.keys()):
            yield Problem(specs_file, 1, f"{name} has a default and is not described")
        # What must be given can have no default.
        for name in sorted(name for name, required in options.items() if not required and name not in defaults):
            yield Problem(defaults_file, 1, f"{name} is described and has no default")
        for name in sorted(options.keys() | defaults.keys()):
            # Two underscores before it mark what is the role's own.
            if not name.removeprefix("__").startswith(f"{role}_"):
                yield Problem(defaults_file, 1, f"{name} does not begin with {role}_")
