# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs every test of ansible-test sanity on a copy of the checkout, and tells which of them had something to look at.

ansible-test makes an environment per test under the home folder and wants to download pip for it. Here it gets a home
folder of its own, with tests/tools/get_pip.py in the place of that download.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.tools import stage_collection

RUNNING = re.compile(r'^Running sanity test "(?P<name>[^"]+)"')
FAILED_LIST = re.compile(r"^(?:ERROR|FATAL): The \d+ sanity test\(s\) listed below")
# Verbose output is needed for what was not applicable; the rest of it is of no use here.
NOISE = re.compile(
    r"^(Run command|Configured locale|Loaded configuration|Creating container|Read \d+ sanity|Initializing|Using cached|"
    r"Looking in|Collecting|Installing|Successfully|Obtaining|Requirement already|  (Downloading|Using cached|━| )|"
    r"No tests applicable|WARNING: (Using locale|Reviewing)|>>> |Created Python|Stream command|Execute command|Checking \d)"
)


@dataclass
class Outcome:
    """What one run of ansible-test said."""

    ran: list[str] = field(default_factory=list)
    not_applicable: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


def read_outcome(lines: Iterable[str]) -> Outcome:
    """Sorts the lines that ansible-test printed with --verbose."""
    outcome = Outcome()
    in_failed_list = False
    for line in (raw.rstrip() for raw in lines):
        if in_failed_list and re.fullmatch(r"[a-z0-9-]+(\.[\d.]+)?", line):
            outcome.failed.append(line)
            continue
        in_failed_list = bool(FAILED_LIST.match(line))
        running = RUNNING.match(line)
        if running:
            outcome.ran.append(running["name"])
        elif line == "No tests applicable." and outcome.ran:
            outcome.not_applicable.append(outcome.ran.pop())
        elif re.match(r"^WARNING: .*[Ss]kipping", line):
            outcome.skipped.append(line.removeprefix("WARNING: "))
        elif line and not NOISE.match(line):
            outcome.text.append(line)
    outcome.ran = list(dict.fromkeys(outcome.ran))
    outcome.skipped = list(dict.fromkeys(outcome.skipped))
    return outcome


def pip_version() -> str:
    """The version of pip that this ansible-test asks for: part of the name under which it looks for the script."""
    package = importlib.util.find_spec("ansible_test._internal")
    source = Path(package.origin).with_name("python_requirements.py") if package and package.origin else None
    found = re.search(r"pip='([\d.]+)'", source.read_text(encoding="utf-8")) if source else None
    if not found:
        raise SystemExit("sanity: this ansible-test names its pip differently; please adapt tests/tools/sanity.py")
    return found[1]


def prepare_home() -> Path:
    """A home folder for ansible-test, with the pip settings that hold outside it."""
    home = stage_collection.cache_folder() / "ansible-test"
    cached = home / ".ansible" / "test" / "cache" / f"get_pip_{pip_version().replace('.', '_')}.py"
    cached.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).with_name("get_pip.py"), cached)
    listing = [sys.executable, "-m", "pip", "config", "list"]
    settings = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.splitlines()
    # ansible-test passes no PIP_ variables on, so what they say has to be in a file.
    pairs = (re.fullmatch(r"(?:global|:env:)\.(?P<key>[\w-]+)='(?P<value>.*)'", line) for line in settings)
    merged = {pair["key"]: pair["value"] for pair in pairs if pair and pair["key"] != "config-file"}
    target = home / ".config" / "pip" / "pip.conf"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in merged.items()), encoding="utf-8")
    return home


def report(outcome: Outcome, status: int) -> int:
    """Prints what happened and the closing line; returns the exit status."""
    failed = set(outcome.failed)
    for name in outcome.ran:
        sys.stdout.write(f"  {'FAILED ' if name in failed else 'ok     '} {name}\n")
    for name in sorted(set(outcome.not_applicable) - set(outcome.ran)):
        sys.stdout.write(f"  note: {name} had no file to look at\n")
    for text in outcome.skipped:
        sys.stdout.write(f"  note: {text}\n")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    sys.stdout.write("  note: lab/ is left out: it is no part of the collection\n")
    sys.stdout.write(f"  note: compile and import ran on Python {python}, the one the tools run on, and on no other\n")
    if status:
        sys.stdout.write("".join(f"          {line}\n" for line in outcome.text))
    failures = len(failed) or (1 if status else 0)
    passed = len([name for name in outcome.ran if name not in failed])
    sys.stdout.write(f"sanity: {passed} passed, {failures} failed\n")
    return 1 if failures or not passed else 0


def main() -> int:
    """Stages the copy, runs ansible-test in it, tells what it said."""
    ignores = [str(path) for path in Path("tests/sanity").glob("ignore*.txt")]
    if ignores:
        sys.stdout.write(f"Sanity tests are not ignored in this project: {', '.join(ignores)}\nsanity: 0 passed, 1 failed\n")
        return 1
    collection = stage_collection.stage("copy") / "ansible_collections" / "meshlb" / "istio"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    # The lab is a program of its own, not a part of the collection; ruff and mypy look after it.
    command = ["ansible-test", "sanity", "--local", "--python", python, "--color", "no", "-v", "--exclude", "lab/", *sys.argv[1:]]
    environment = {**os.environ, "HOME": str(prepare_home())}
    result = subprocess.run(
        command, cwd=collection, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return report(read_outcome(result.stdout.splitlines()), result.returncode)


if __name__ == "__main__":
    sys.exit(main())
