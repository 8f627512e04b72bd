# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building the Go programs from the modules that go/NAME pins."""

import json
import shutil
from pathlib import Path

from meshlab import paths
from meshlab.build.specs import Asset, Program
from meshlab.build.toolchain import go_command, go_environment
from meshlab.errors import LabError
from meshlab.shell import output, run


def build(program: Program, folder: Path) -> None:
    """Compile a program's binaries into folder/bin and copy the assets its modules carry into folder/assets."""
    source = folder / "source"
    for part in filter(None, (program.base, program.name)):
        shutil.copytree(paths.GO_PROGRAMS / part, source, dirs_exist_ok=True)
    go, env = go_command(source / "go.mod"), go_environment()
    (folder / "bin").mkdir()
    for binary, package in program.packages.items():
        run([go, "build", *build_flags(program), "-o", folder / "bin" / binary, package], cwd=source, env=env)
    for link, binary in program.links.items():
        (folder / "bin" / link).symlink_to(binary)
    for asset in program.assets:
        if not program.packages:
            run([go, "mod", "download", asset.module], cwd=source, env=env)
        copy_asset(asset, module_folder(go, asset.module, source, env), folder / "assets" / asset.name)
    for name, binary in program.prints.items():
        target = folder / "assets" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(output([folder / "bin" / binary]))
    shutil.rmtree(source)


def build_flags(program: Program) -> list[str]:
    """Flags of 'go build'; module files are used as committed, never changed on the way."""
    settings = " ".join(f"-X {name}={value}" for name, value in sorted(program.variables.items()))
    tags = ["-tags", program.tags] if program.tags else []
    return ["-trimpath", "-mod=readonly", *tags, "-ldflags", f"-s -w {settings}".rstrip()]


def module_folder(go: str, module: str, source: Path, env: dict[str, str]) -> Path:
    """Where Go unpacked a module."""
    found = json.loads(output([go, "list", "-mod=readonly", "-m", "-json", module], cwd=source, env=env))
    folder = (found.get("Replace") or found).get("Dir")
    if not folder:
        raise LabError(f"module {module} could not be unpacked")
    return Path(folder)


def copy_asset(asset: Asset, module: Path, target: Path) -> None:
    """Copy a file or a folder, made writable, as module files are not."""
    origin = module / asset.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if origin.is_dir():
        shutil.copytree(origin, target, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(origin, target)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
