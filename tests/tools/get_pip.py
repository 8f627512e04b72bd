# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-test runs where it would otherwise download a script that installs pip into an empty environment.

It does the same out of what Python itself carries, so that the sanity tests need no host but the package registry.
ansible-test hands over options and the wanted versions (`pip==24.2`).
"""

from __future__ import annotations

import subprocess
import sys


def main(arguments: list[str]) -> int:
    """Installs the bundled pip, then lets it install the versions that were asked for."""
    packages = [argument for argument in arguments if "==" in argument]
    subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
