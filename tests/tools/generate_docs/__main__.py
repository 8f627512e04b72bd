# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the generated pages, or with --check tells which of them the code has left behind."""

from __future__ import annotations

import argparse
import sys

from tests.tools.stage_collection import ROOT

from . import findings, modules, platforms, rbac, readme, roles, truth, vendors
from .frame import Generator, outdated, write

GENERATORS = (
    Generator("docs/findings.md", findings.pages),
    Generator("docs/modules/*.md", modules.pages),
    Generator("docs/roles/*.md", roles.pages),
    Generator("docs/vendors.md", vendors.pages),
    Generator("docs/platforms.md", platforms.pages),
    Generator("docs/rbac/vendors.yaml", rbac.pages),
    Generator("docs/truth.md", truth.pages),
    Generator("README.md", readme.pages),
)


def main() -> int:
    """The exit status of --check is 1 where a page differs, is missing, or has lost its source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something would be written")
    check = parser.parse_args().check
    behind = [entry for generator in GENERATORS for entry in (outdated if check else write)(generator, ROOT)]
    sys.stdout.write("".join(f"{entry}\n" for entry in behind))
    if check and behind:
        sys.stdout.write("Run: make docs\n")
    return 1 if check and behind else 0


if __name__ == "__main__":
    sys.exit(main())
