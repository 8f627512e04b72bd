# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Long-running processes: started detached, remembered by pid, start time and boot, so that a recycled pid is safe."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
BOOT_ID: Final = PROC / "sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Process:
    """What is remembered of a started process."""

    name: str
    pid: int
    start: int
    boot: str
    spec: str


def boot_id() -> str:
    """Identity of this boot of the machine."""
    return BOOT_ID.read_text().strip()


def spec_of(argv: Sequence[str]) -> str:
    """Digest of a command line and of the small files it names, to notice that it must be started anew."""
    sha = hashlib.sha256("\0".join(argv).encode())
    for word in argv:
        path = Path(word.partition("=")[2] or word)
        if path.suffix in {".json", ".toml"} and path.is_file():
            sha.update(path.read_bytes())
    return sha.hexdigest()[:16]


def parse_stat(text: str) -> tuple[str, int]:
    """State and start time from /proc/PID/stat; the program's name in it may hold spaces and brackets."""
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[19])


def start_time(pid: int) -> int:
    """When a process started, in ticks since boot; 0 when there is no such live process."""
    try:
        state, start = parse_stat(Path(f"/proc/{pid}/stat").read_text())
    except (OSError, ValueError, IndexError):
        return 0
    return 0 if state in "ZX" else start


def alive(process: Process | None) -> bool:
    """Whether this very process still runs (not another one that was given its pid)."""
    return bool(process and process.boot == boot_id() and process.start == start_time(process.pid))


def load(folder: Path, name: str) -> Process | None:
    """The remembered process of that name."""
    try:
        return Process(**json.loads((folder / f"{name}.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def start(folder: Path, name: str, argv: Sequence[str], log: Path, prefix: Sequence[str] = ()) -> Process:
    """Start a process in a session of its own, its output appended to a log, and remember it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        child = subprocess.Popen(
            [*prefix, *argv],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    process = Process(name, child.pid, start_time(child.pid), boot_id(), spec_of(argv))
    (folder / f"{name}.json").write_text(json.dumps(asdict(process)))
    return process


def signal_pid(pid: int, start: int, number: int) -> bool:
    """Send a signal to exactly the process that started then; False when it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except (ProcessLookupError, OSError):
        return False
    try:
        if start_time(pid) != start or not start:
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def end(pid: int, start: int, patience: float) -> None:
    """Ask a process to end, wait, then end it."""
    if patience > 0 and signal_pid(pid, start, signal.SIGTERM):
        wait_gone(pid, start, patience)
    if signal_pid(pid, start, signal.SIGKILL):
        wait_gone(pid, start, 5)


def wait_gone(pid: int, start: int, patience: float) -> None:
    """Wait until a process is gone; our own children are reaped on the way."""
    limit = time.monotonic() + patience
    while time.monotonic() < limit:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if start_time(pid) != start:
            return
        time.sleep(0.05)


def stop(folder: Path, name: str, patience: float = 10) -> bool:
    """Stop the remembered process of that name and forget it; True when it was running."""
    process = load(folder, name)
    running = alive(process)
    if process and running:
        end(process.pid, process.start, patience)
    (folder / f"{name}.json").unlink(missing_ok=True)
    return running
