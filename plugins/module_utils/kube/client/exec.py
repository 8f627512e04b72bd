# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a command in a container."""

from __future__ import annotations

import json
from typing import Any

from ...core.model import ObjectRef
from .channels import Bounds, Call, by_channel, opened

_OUTPUT, _ERRORS, _STATUS = 1, 2, 3


def run(transport: Any, namespace: str, pod: str, container: str, command: list[str], bounds: Bounds) -> str:
    """Give what the command printed to its standard output.

    Raises what :func:`kube.client.channels.opened` does, and :class:`core.errors.MeshlbError` where the command fails,
    :class:`core.errors.OutOfBounds` where it is not done in time or prints too much.
    """
    ref = ObjectRef("v1", "Pod", namespace, pod)
    query = (("container", container), *(("command", word) for word in command), ("stdout", "true"), ("stderr", "true"))
    call = Call(ref, "exec", query, f"run a command in container {container} of {ref}", bounds)
    with opened(transport, call) as channels:
        found = by_channel(channels.frames())
    output, errors, status = (found.get(number, b"").decode("utf-8", "replace") for number in (_OUTPUT, _ERRORS, _STATUS))
    problem = failure(status)
    if problem:
        said = (errors or output).strip()[-1000:]
        why = f"{json.dumps(command)}: {problem}" + (f": {said}" if said else "")
        raise call.failed(why, details={"command": command, "status": status[:1000]})
    return output


def failure(status: str) -> str:
    """What the Status object at the end of a command says went wrong, empty where nothing did."""
    try:
        found = json.loads(status)
    except (ValueError, RecursionError):
        return "the connection ended before the command did"
    if not isinstance(found, dict):
        return "it ended with a status that is none"
    if found.get("status") == "Success":
        return ""
    details = found.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    for cause in causes if isinstance(causes, list) else ():
        if isinstance(cause, dict) and cause.get("reason") == "ExitCode":
            return f"it ended with exit code {cause.get('message')}"
    return str(found.get("message") or found.get("reason") or "it failed")
