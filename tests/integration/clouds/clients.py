# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients of a stand-in: a few requests, or requests without a pause while something changes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.integration.clouds.network import Network
from tests.integration.clouds.standin import HERE, PORT


@dataclass(frozen=True)
class Answer:
    """What came back: ``seen`` is what the application says that it saw, or an error's text."""

    begin: float
    end: float
    status: int
    seen: Any
    location: str = ""

    @property
    def good(self) -> bool:
        return self.status == 200 and isinstance(self.seen, dict) and bool(self.seen.get("app"))


@dataclass(frozen=True)
class Load:
    """Requests one after the other, of several clients; the answers are there once they were ended."""

    answers: list[Answer] = field(default_factory=list)

    def failed(self, since: float = 0.0) -> list[Answer]:
        """Those that did not get the application's answer and began after a moment."""
        return [item for item in self.answers if not item.good and item.begin >= since]


@dataclass(frozen=True)
class Clients:
    """Everybody who asks; ``host`` is the public name. ``tls``: they speak TLS; ``port``: to this port."""

    network: Network
    host: str
    tls: bool = False
    port: int = PORT

    def _command(self, number: int, headers: dict[str, str], pause: float) -> list[str]:
        wanted = {
            "address": self.network.address, "port": self.port, "host": self.host, "path": "/", "headers": headers, "number": number,
            "pause": pause, "tls": self.tls,
        }
        return [*self.network.outside, sys.executable, str(HERE / "asker.py"), json.dumps(wanted)]

    def ask(self, number: int = 1, **headers: str) -> list[Answer]:
        """Some requests; keywords are headers."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        done = subprocess.run(self._command(number, named, 0), capture_output=True, text=True, check=True, timeout=120)
        return [Answer(**json.loads(line)) for line in done.stdout.splitlines()]

    @contextmanager
    def load(self, clients: int = 4, pause: float = 0.02) -> Iterator[Load]:
        """Requests while something is done."""
        load = Load()
        with ExitStack() as stack:
            # Files, as a pipe that nobody reads would stop those who write once it is full.
            files = [stack.enter_context(tempfile.TemporaryFile("w+")) for number in range(clients)]
            made = [subprocess.Popen(self._command(0, {}, pause), stdout=file, stderr=subprocess.STDOUT) for file in files]
            try:
                yield load
            finally:
                for process, file in zip(made, files, strict=True):
                    process.terminate()
                    process.wait(timeout=30)
                    file.seek(0)
                    # The last line may have been cut off by the end.
                    load.answers.extend(Answer(**json.loads(line)) for line in file if line.endswith("}\n"))
