# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for any text: licence lines, and nothing that is true on one machine only."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .model import Problem, Repository

# In two parts, or the tool that collects licences would take this line for this file's own.
LICENCE = "SPDX-License-" + "Identifier: GPL-3.0-or-later"
LICENCE_WITHIN = 10
SOURCES = (
    "*.py",
    "*.sh",
    "*.bash",
    "*.go",
    "*.c",
    "*.h",
    "*.lua",
    "*.yml",
    "*.yaml",
    "*.toml",
    "*.j2",
    "Makefile",
    "*/Makefile",
)
# Data is kept as it was read; REUSE.toml speaks for it.
DATA = ("tests/fixtures/*", "tests/unit/*fixtures/*", "changelogs/changelog.yaml", "changelogs/fragments/*")
# Folders of the machine something was made on. Written in two parts, so that this file keeps its own rule.
MACHINE_PATH = re.compile(r"(?<![\w.$~{}-])/(?:root|work|farm|home/(?!\$|\{|<)[a-z][\w-]*)" + r"/[\w.-]")
REGISTRY_HOST = re.compile(
    r"\b(?:proxy|sum)\." + r"golang\.org\b|\bpypi\." + r"org\b|\bregistry\." + r"npmjs\.org\b|\bdeb\." + r"debian\.org\b"
    r"|\bfiles\." + r"pythonhosted\.org\b|\bcrates\." + r"io\b"
)
# Lock files are written by tools, and licence texts by lawyers.
FOREIGN = ("*.sum", "*.lock", "package-lock.json", "LICENSE", "LICENSES/*")


def _is_source(repository: Repository, name: str) -> bool:
    """True for files that must carry the licence line: known endings, and scripts without one."""
    return "." not in name.rsplit("/", 1)[-1] and repository.text(name).startswith("#!")


def licences(repository: Repository) -> Iterator[Problem]:
    """Every source file says under which licence it is, near its top."""
    data = set(repository.matching(*DATA))
    sources = set(repository.matching(*SOURCES))
    for name in repository.files:
        if name in data or (name not in sources and not _is_source(repository, name)):
            continue
        head = repository.text(name).splitlines()[:LICENCE_WITHIN]
        if not any(LICENCE in line for line in head) and not (repository.root / name).is_symlink():
            yield Problem(name, 1, f"no line '{LICENCE}' among the first {LICENCE_WITHIN}")


def machine_places(repository: Repository) -> Iterator[Problem]:
    """Committed text names no place on a machine and no host of a package registry: elsewhere there is neither."""
    foreign = set(repository.matching(*FOREIGN))
    for name in repository.files:
        if name in foreign:
            continue
        for number, line in enumerate(repository.text(name).splitlines(), 1):
            for pattern, what in (
                (MACHINE_PATH, "a path of one machine"),
                (REGISTRY_HOST, "a package registry's host"),
            ):
                found = pattern.search(line)
                if found:
                    yield Problem(name, number, f"names {what}: {found[0]}")
