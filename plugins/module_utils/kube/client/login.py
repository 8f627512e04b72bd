# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that a kubeconfig names to log in (``exec``): it is run with a limit, and what it does wrong ends the run."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import MeshlbError
from ..objects import time_in
from .kubeconfig import KubeContext

TIMEOUT = 30.0
"""Seconds that a login program gets."""
_LONGEST = 500
_MOST = 1 << 20
SOON = 60.0
"""Seconds before the end of a token at which a new one is asked for."""
HINT = "Run the program by hand, log in again, or choose another user or context."


@dataclass(frozen=True)
class Credentials:
    """What a login program gave; ``expires`` is in seconds since 1970."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires: float | None = None

    def to_user(self) -> dict[str, str]:
        """A user of a kubeconfig. The fields with these names hold text in base64 there."""
        texts = {"client-certificate-data": self.certificate, "client-key-data": self.key}
        found = {name: b64encode(text.encode()).decode() for name, text in texts.items() if text}
        return {**found, **({"token": self.token} if self.token else {})}


def log_in(found: KubeContext, timeout: float = TIMEOUT, environment: Mapping[str, str] | None = None) -> Credentials:
    """Run the login program of a context's user. Raises :class:`MeshlbError` with its reason, and after ``timeout`` seconds."""
    spec, who = found.login, f"The login program of user {found.user_name} in {found.where}"
    command, version = spec.get("command"), spec.get("apiVersion")
    if not isinstance(command, str) or not command or not isinstance(version, str):
        raise MeshlbError(f"{who} has no command or no apiVersion.", HINT)
    if spec.get("interactiveMode") == "Always":
        raise MeshlbError(f"{who} ({command}) wants a terminal (interactiveMode: Always), and there is none.", HINT)
    words = [_resolved(command, found.folder), *(str(item) for item in spec.get("args") or [])]
    status, output, errors = _run(words, _environment(spec, found, environment or os.environ), found.folder, timeout, f"{who} ({command})")
    if status != 0:
        raise MeshlbError(f"{who} ({command}) ended with status {status}: {_shown(errors) or 'it gave no reason'}.", HINT)
    return _credentials(output, version, f"{who} ({command})")


def _resolved(command: str, folder: str) -> str:
    # A path is one from the kubeconfig's folder; a name is looked up as usual.
    return os.path.join(folder, command) if os.sep in command and folder else command


def _environment(spec: Mapping[str, Any], found: KubeContext, environment: Mapping[str, str]) -> dict[str, str]:
    own = {str(item.get("name")): str(item.get("value")) for item in spec.get("env") or [] if isinstance(item, dict)}
    told: dict[str, Any] = {"interactive": False}
    if spec.get("provideClusterInfo"):
        told["cluster"] = {key: value for key, value in found.cluster.items() if key != "extensions"}
        for item in found.cluster.get("extensions") or []:
            if isinstance(item, dict) and item.get("name") == "client.authentication.k8s.io/exec":
                told["cluster"]["config"] = item.get("extension")
    info = {"apiVersion": spec.get("apiVersion"), "kind": "ExecCredential", "spec": told}
    return {**environment, **own, "KUBERNETES_EXEC_INFO": json.dumps(info, default=str)}


def _run(words: list[str], environment: dict[str, str], folder: str, timeout: float, who: str) -> tuple[int, str, str]:
    if shutil.which(words[0], path=environment.get("PATH")) is None:
        raise MeshlbError(f"{who} cannot be found, or may not be run.", "Install it on the module's host, or name it by its path.")
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder or None, env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its arguments cannot be passed on"
        raise MeshlbError(f"{who} cannot be run: {why}.", HINT) from error
    with process:
        try:
            output, errors, wrong = _collect(process, timeout)
        except BaseException:
            _end(process)
            raise
        if wrong:
            _end(process)
            said = _shown(errors)
            raise MeshlbError(f"{who} {wrong}" + (f"; it said: {said}" if said else "") + ".", HINT)
    return process.returncode, output, errors


def _collect(process: subprocess.Popen[bytes], timeout: float) -> tuple[str, str, str]:
    """What a program prints and complains until it ends, and what is wrong where it does not."""
    deadline, found = time.monotonic() + timeout, {"output": b"", "errors": b""}
    late, wrong = f"did not end within {timeout:g} seconds", ""
    with selectors.DefaultSelector() as pipes:
        for stream, name in ((process.stdout, "output"), (process.stderr, "errors")):
            if stream is not None:
                pipes.register(stream, selectors.EVENT_READ, name)
        while pipes.get_map() and not wrong:
            ready = pipes.select(max(deadline - time.monotonic(), 0))
            for key, _events in ready:
                data = os.read(key.fd, 65536)
                found[key.data] += data
                if not data:
                    pipes.unregister(key.fileobj)
                if len(found[key.data]) > _MOST:
                    wrong = f"printed more than {_MOST} bytes"
            if time.monotonic() >= deadline:
                wrong = wrong or late
    try:
        process.wait(0 if wrong else max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:
        wrong = wrong or late
    return found["output"].decode("utf-8", "replace"), found["errors"].decode("utf-8", "replace"), wrong


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with all that it started."""
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _shown(text: str) -> str:
    return " ".join(text.split())[-_LONGEST:].rstrip(".")


def _credentials(output: str, version: str, who: str) -> Credentials:
    try:
        found = json.loads(output)
    except (ValueError, RecursionError):
        raise MeshlbError(f"{who} printed no ExecCredential.", HINT) from None
    status = found.get("status") if isinstance(found, dict) and found.get("kind") == "ExecCredential" else None
    if not isinstance(status, dict):
        raise MeshlbError(f"{who} printed no ExecCredential with a status.", HINT)
    if found.get("apiVersion") != version:
        raise MeshlbError(f"{who} answers in {found.get('apiVersion')}, and the kubeconfig says {version}.", HINT)
    token, certificate, key = (str(status.get(name) or "") for name in ("token", "clientCertificateData", "clientKeyData"))
    if bool(certificate) != bool(key):
        raise MeshlbError(f"{who} gave a client certificate or a key without the other.", HINT)
    if not token and not certificate:
        raise MeshlbError(f"{who} gave neither a token nor a client certificate.", HINT)
    return Credentials(token, certificate, key, time_in(str(status.get("expirationTimestamp"))))


class Renewal:
    """Keeps a token fresh: threads that ask while it ends wait for the one that logs in again."""

    def __init__(self, first: Credentials, again: Callable[[], Credentials], now: Callable[[], float] = time.time) -> None:
        self._held, self._again, self._now = first, again, now
        self._asked = now()
        self._failed: MeshlbError | None = None
        self._lock = threading.Lock()

    def token(self) -> str:
        """The token as it is now. Raises :class:`MeshlbError` where the program fails."""
        with self._lock:
            if self._failed is not None:
                raise self._failed
            if self._is_to_ask():
                try:
                    self._held, self._asked = self._again(), self._now()
                except MeshlbError as error:
                    # For all threads that wait: each attempt may take its time.
                    self._failed = error
                    raise
            return self._held.token

    def _is_to_ask(self) -> bool:
        ends, now = self._held.expires, self._now()
        # Not for each request where the program gives tokens that are about to end.
        return ends is not None and (now >= ends or (now > ends - SOON and now > self._asked + SOON / 2))
