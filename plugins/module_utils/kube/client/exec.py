# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a command in a container, over a websocket."""

from __future__ import annotations

import json
import re
from typing import Any

from ...core.errors import ApiError, MeshlbError
from ...core.model import ObjectRef
from . import errors as api_errors

try:
    import kubernetes
    import kubernetes.stream
except ImportError:  # said by api_connection.connect, without which nobody gets here
    kubernetes = None

BINARY_SINCE = (30, 1)
# "Handshake status 403 Forbidden -+-+- {headers} -+-+- b'{body}'", as the websocket package words it.
_HANDSHAKE = re.compile(r"Handshake status (\d{3}) [^-]*(?:-\+-\+-.*-\+-\+-\s*(?:b['\"])?(.*?)['\"]?)?$", re.DOTALL)


def run(transport: Any, namespace: str, pod: str, container: str, command: list[str], timeout: float) -> str:
    """Give what the command printed to its standard output.

    Raises :class:`core.errors.Forbidden`, :class:`core.errors.NotFound` and their like, and :class:`core.errors.MeshlbError` where the
    command fails, is not done within ``timeout`` seconds, or the connection options impersonate somebody.
    """
    ref = ObjectRef("v1", "Pod", namespace, pod)
    action = f"run a command in container {container} of {ref}"
    if transport.impersonates:
        # The package's websocket drops the headers: the command would run with the rights of the user behind.
        hint = "Use that user's own credentials."
        raise MeshlbError(f"Cannot {action} in the name of an impersonated user.", hint, ref)
    # A client of its own: the package's stream function replaces a method of the client while it runs.
    core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(transport.configuration))
    try:
        stream = kubernetes.stream.stream(
            core.connect_get_namespaced_pod_exec, pod, namespace, container=container, command=command,
            stdin=False, stdout=True, stderr=True, tty=False, _preload_content=False, **_as_bytes(),
        )
    except kubernetes.client.ApiException as error:
        raise _refusal(error, action, transport.server, ref) from error
    try:
        _finish(stream, timeout, action, ref)
        if stream.is_open():
            raise MeshlbError(f"Could not {action}: it was not done within {timeout:g} seconds.", "", ref)
        output, errors, status = (_text(stream.read_channel(number)) for number in (1, 2, 3))
    finally:
        stream.close()
    problem = failure(status)
    if problem:
        said = (errors or output).strip()[-1000:]
        details = {"command": command, "status": status}
        message = f"Could not {action}: {json.dumps(command)}: {problem}" + (f": {said}" if said else "")
        raise MeshlbError(f"{message}.", "", ref, details)
    return output


def _finish(stream: Any, timeout: float, action: str, ref: ObjectRef) -> None:
    try:
        stream.run_forever(timeout=timeout)
    except Exception as error:  # the websocket package's own kinds, sockets' and TLS's
        raise MeshlbError(f"Could not {action}: the connection broke off ({error}).", "Run again.", ref) from error


def _as_bytes() -> dict[str, bool]:
    # Text is decoded frame by frame, and a frame may end in the middle of a character; older packages know no other way.
    found = tuple(int(part) for part in str(kubernetes.__version__).split(".")[:2] if part.isdigit())
    return {"binary": True} if found >= BINARY_SINCE else {}


def _text(data: Any) -> str:
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)


def failure(status: str) -> str:
    """What the Status object at the end of a command says went wrong, empty where nothing did."""
    try:
        found = json.loads(status)
    except ValueError:
        return "the connection ended before the command did"
    if found.get("status") == "Success":
        return ""
    for cause in (found.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return f"it ended with exit code {cause.get('message')}"
    return str(found.get("message") or found.get("reason") or "it failed")


def _refusal(error: Any, action: str, server: str, ref: ObjectRef) -> ApiError:
    found = _HANDSHAKE.search(str(error.reason or ""))
    if found:
        text = (found[2] or "").replace("\\n", "").replace('\\\\"', '\\"')
        return api_errors.refusal(int(found[1]), text, action, server, ref)
    if error.status:
        return api_errors.refusal(int(error.status), str(error.body or error.reason or ""), action, server, ref)
    return api_errors.unreachable(OSError(str(error.reason)), server)
