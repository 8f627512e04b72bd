# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that answers with Istio's own code: starting it, asking it, ending it."""

from __future__ import annotations

import functools
import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .envoy import Envoy

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "lab" / "lab"
SECONDS = 60.0
RESTART_AFTER = 2000
"""Cases after which a fresh process goes on: a control plane leaves a little behind, however well it is torn down."""

Case = dict[str, Any]
Answer = dict[str, Any]


class NotBuilt(Exception):
    """The program is not there for the sources of this checkout."""


def binary(istio: str = "") -> Path:
    """The program's path, of a minor version of Istio; raises :class:`NotBuilt` with the command that builds it."""
    chosen = ["--istio", istio] if istio else []
    if path := built(*chosen):
        return path
    raise NotBuilt(f"Istio's own code is not built for this checkout. Build it: lab/lab {' '.join(['oracle', '--keep-caches', *chosen])}")


@functools.cache
def built(*options: str) -> Path | None:
    """What the lab says that it has; nothing where it does not. It is asked once, as a run takes one program for all of its blocks."""
    done = subprocess.run([sys.executable, str(LAB), "oracle", "--built", *options], capture_output=True, text=True, check=False)
    path = done.stdout.strip()
    return Path(path) if path else None


class Oracle:
    """A running program. Use it as a context; :meth:`ask` starts it when it is needed, and anew after it died.

    ``istio`` is a minor version, the newest where it is empty; ``envoy`` runs the filters that it answers with.
    """

    def __init__(
        self, command: list[str] | None = None, *, istio: str = "", envoy: Envoy | None = None, seconds: float = SECONDS,
        restart_after: int = RESTART_AFTER,
    ) -> None:
        self.envoy = envoy
        self._istio = istio
        self._command = command
        self._seconds = seconds
        self._restart_after = restart_after
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()
        self._asked = 0

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def ask(self, case: Case) -> Answer:
        """Answer a case. A program that dies or takes too long gives ``{"error": ...}``, like a case that is not valid."""
        if self._asked >= self._restart_after:
            self.close()
        process = self._process or self._start()
        self._asked += 1
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(case, separators=(",", ":")) + "\n")
            process.stdin.flush()
            line = self._lines.get(timeout=self._seconds)
        except (BrokenPipeError, queue.Empty) as error:
            self.close()
            why = "takes too long" if isinstance(error, queue.Empty) else "died"
            return {"id": case.get("id", ""), "error": f"the program {why}"}
        if not line:
            self.close()
            return {"id": case.get("id", ""), "error": "the program died"}
        found: Answer = json.loads(line)
        return found

    def close(self) -> None:
        """End the program."""
        process, self._process, self._asked = self._process, None, 0
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    def _start(self) -> subprocess.Popen[str]:
        command = self._command or [str(binary(self._istio))]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._process, self._lines = process, queue.Queue()
        threading.Thread(target=_pump, args=(process, self._lines), daemon=True).start()
        return process


def _pump(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    """Pass on what the program says, and an empty line at its end."""
    assert process.stdout is not None
    try:
        for line in process.stdout:
            lines.put(line)
    except ValueError:  # it was closed meanwhile
        pass
    lines.put("")
