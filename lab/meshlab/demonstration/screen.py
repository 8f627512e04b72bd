# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the demonstration shows: numbered steps, the commands as one would type them, and what came of them."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from meshlab.errors import LabError

BOLD, DIM, GREEN, RED = "1", "2", "32", "31"


class Screen:
    """Writes to standard output; colours only where a person reads it."""

    def __init__(self) -> None:
        self.coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.number = 0

    def _painted(self, text: str, colour: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self.coloured else text

    def line(self, text: str = "") -> None:
        """A line as it is; flushed, so that it stands before what a program prints next."""
        print(text, flush=True)

    def step(self, title: str, why: str) -> None:
        """The heading of the next step and its one line of explanation."""
        self.number += 1
        self.line(f"\n{self._painted(f'{self.number}. {title}', BOLD)}\n   {why}\n")

    def command(self, text: str) -> None:
        """A command as one would type it."""
        self.line(self._painted(f"   $ {text}", DIM))

    def fine(self, text: str) -> None:
        """Something that is as it should be."""
        self.line(f"   {self._painted('ok', GREEN)}  {text}")

    def failed(self, text: str) -> None:
        """Something that is not."""
        self.line(f"   {self._painted('NOT AS IT SHOULD BE', RED)}  {text}")

    def run(self, argv: Sequence[str | Path], env: Mapping[str, str], cwd: Path) -> None:
        """Show a command, run it and let it speak for itself; LabError where it fails."""
        words = [str(word) for word in argv]
        self.command(shlex.join([Path(words[0]).name if words[0].endswith("kubectl") else words[0], *words[1:]]))
        process = subprocess.Popen(
            words, env={**os.environ, **env}, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        with process:
            for line in process.stdout or ():
                self.line(f"     {line.rstrip()}".rstrip())
        if process.returncode:
            raise LabError(f"{shlex.join(words[:2])} ended with exit code {process.returncode}")
