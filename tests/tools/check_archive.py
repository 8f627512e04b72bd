# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks into the built archive: what users need is in it, and what only the project needs is not.

A list of what may be in it, and not of what may not: a new folder has to be decided about.
"""

from __future__ import annotations

import re
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

ALLOWED = frozenset(
    ("CHANGELOG.md FILES.json LICENSE LICENSES MANIFEST.json README.md SECURITY.md "
     "changelogs docs extensions meta playbooks plugins roles").split()
)
REQUIRED = ("FILES.json", "LICENSE", "MANIFEST.json", "README.md", "meta/execution-environment.yml", "meta/runtime.yml")
LEFT_OVERS = re.compile(r"(^|/)(__pycache__|\.[^/]+|molecule)(/|$)|\.(pyc|tar\.gz|orig)$")


def problems(names: Iterable[str]) -> list[str]:
    """What is wrong with an archive of these names."""
    present = set(names)
    found = [f"{name}: missing" for name in REQUIRED if name not in present]
    for name in sorted(present):
        if name.split("/")[0] not in ALLOWED:
            found.append(f"{name}: not for the archive; name it in galaxy.yml's build_ignore, or allow it here")
        elif LEFT_OVERS.search(name):
            found.append(f"{name}: a tool's left-over or a test")
    return found


def main() -> int:
    """Checks the one archive in the folder that is named."""
    archives = list(Path(sys.argv[1]).glob("meshlb-istio-*.tar.gz"))
    if len(archives) != 1:
        sys.stdout.write(f"expected one archive, found {len(archives)}\n")
        return 1
    with tarfile.open(archives[0]) as archive:
        found = problems(archive.getnames())
    sys.stdout.write("".join(f"{problem}\n" for problem in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
