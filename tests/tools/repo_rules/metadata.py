# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for the collection's metadata."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from .model import Problem, Repository

RUNTIME = "meta/runtime.yml"
GROUP = "meshlb"


def action_groups(repository: Repository) -> Iterator[Problem]:
    """The action group names every module, so that module_defaults reach all of them, and none that is not there."""
    loaded = yaml.safe_load(repository.text(RUNTIME)) if RUNTIME in repository.files else None
    groups = loaded.get("action_groups", {}) if isinstance(loaded, dict) else {}
    listed = {name for name in groups.get(GROUP, []) if isinstance(name, str)}
    modules = {name.rsplit("/", 1)[-1].removesuffix(".py") for name in repository.matching("plugins/modules/*.py")} - {"__init__"}
    for name in sorted(modules - listed):
        yield Problem(RUNTIME, 1, f"the action group {GROUP} lacks the module {name}")
    for name in sorted(listed - modules):
        yield Problem(RUNTIME, 1, f"the action group {GROUP} names {name}, which is no module")
