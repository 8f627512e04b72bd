# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's own settings of its proxy: that it is ready before the pod's containers start, and stays until they are done.

Source: istio/istio pkg/istio-agent (agent.go: what it does when it is told to end) and the injection template (which container is first).
"""

from __future__ import annotations

import json
from typing import Any

from ..kube.yaml_text import yaml_documents

PROXY_CONFIG = "proxy.istio.io/config"
HOLD, DRAIN, METADATA = "holdApplicationUntilProxyStarts", "terminationDrainDuration", "proxyMetadata"
EXIT_WHEN_IDLE, LEAST_DRAIN = "EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "MINIMUM_DRAIN_DURATION"
LONGEST, LONGEST_DRAIN = 20_000, 15
USUAL_GRACE = 30
"""Seconds that Kubernetes gives a pod to end, where nobody says otherwise."""


def settings_in(text: Any) -> dict[str, Any] | None:
    """The settings in an annotation, empty where there are none; ``None`` for what is no map, or is stranger than people write."""
    if not text:
        return {}
    if not isinstance(text, str) or len(text) > LONGEST:
        return None
    try:
        documents = [value for _line, value in yaml_documents(text)]
        found = documents[0] if len(documents) == 1 else documents or None
        if len(json.dumps(found, allow_nan=False)) > LONGEST:
            return None
    except (ValueError, TypeError):  # no YAML, or what JSON has no word for
        return None
    return {} if found is None else found if isinstance(found, dict) else None


def outliving(text: Any, grace: int = USUAL_GRACE) -> tuple[str, str]:
    """The annotation with which the proxy outlives its pod's containers, and what its owner set against that (empty where nothing).

    ``text`` is what is there; whatever its owner set in it stays. ``grace`` is how many seconds the pod gets to end.
    """
    found = settings_in(text)
    if found is None:
        return "", "is no map of settings"
    metadata = found.get(METADATA) or {}
    if not isinstance(metadata, dict):
        return "", f"has a {METADATA} that is no map"
    wanted = dict(found)
    wanted.setdefault(HOLD, True)
    if DRAIN not in found and EXIT_WHEN_IDLE not in metadata:
        # Requests are accepted for some seconds after a pod was told to end, so the first look is not at once.
        drain = f"{max(1, min(LONGEST_DRAIN, grace // 2))}s"
        wanted[METADATA] = {EXIT_WHEN_IDLE: "true", LEAST_DRAIN: drain, **metadata}
    against = f"sets {HOLD} to {json.dumps(found[HOLD])}" if found.get(HOLD, True) is not True else ""
    return (str(text) if wanted == found else json.dumps(wanted, sort_keys=True, separators=(",", ":"))), against


def extends(value: Any, was: Any) -> bool:
    """Whether an annotation may have been there before this one was set: nothing, or settings of which all are kept."""
    after, before = settings_in(value), settings_in(was)
    if not was:
        return True
    return after is not None and before is not None and all(_kept(after.get(key), item) for key, item in before.items())


def _kept(after: Any, before: Any) -> bool:
    if isinstance(before, dict):
        return isinstance(after, dict) and all(after.get(key) == item for key, item in before.items())
    return bool(after == before)
