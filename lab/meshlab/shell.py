# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running other programs: never with a terminal on standard input, always with a readable error."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from meshlab.errors import LabError


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    check: bool = True,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command and collect its output; with check, a failure becomes a LabError that quotes its last words."""
    words = [str(word) for word in argv]
    try:
        result = subprocess.run(
            words,
            env={**os.environ, **env} if env is not None else None,
            cwd=cwd,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{words[0]}: no such program") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words[:3])}: no answer after {timeout:.0f} s") from error
    if check and result.returncode != 0:
        raise LabError(f"{' '.join(words[:4])} failed ({result.returncode}): {last_words(result)}")
    return result


def output(argv: Sequence[str | Path], **options: object) -> str:
    """Standard output of a command that must succeed."""
    return run(argv, **options).stdout  # type: ignore[arg-type]


def last_words(result: subprocess.CompletedProcess[str], lines: int = 12) -> str:
    """The end of what a failed command said, where the reason usually is."""
    text = (result.stderr.strip() or result.stdout.strip()).splitlines()
    return "\n".join(text[-lines:]) if text else "no output"
