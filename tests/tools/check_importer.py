# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Has Galaxy's importer judge the built archive. Its warnings count: it warns where a reviewer would refuse."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

COMPLAINT = re.compile(r"^(WARNING|ERROR|CRITICAL)\b")
# Galaxy asks for a tag of its own list only where this is set.
SETTINGS = {"GALAXY_IMPORTER_CHECK_REQUIRED_TAGS": "true"}


def complaints(lines: Iterable[str]) -> list[str]:
    """The lines of the importer's output that complain."""
    return [line.rstrip() for line in lines if COMPLAINT.match(line)]


def main() -> int:
    """Runs the importer on the one archive in the folder that is named."""
    folder = Path(sys.argv[1]).resolve()
    archive = next(folder.glob("meshlb-istio-*.tar.gz"), None)
    if archive is None:
        sys.stdout.write("no archive was built\n")
        return 1
    result = subprocess.run(
        [sys.executable, "-m", "galaxy_importer.main", archive.name],
        cwd=folder, env={**os.environ, **SETTINGS}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    found = complaints(result.stdout.splitlines())
    finished = (folder / "importer_result.json").is_file()
    if found or not finished:
        sys.stdout.write(result.stdout)
    return 1 if found or not finished else 0


if __name__ == "__main__":
    sys.exit(main())
