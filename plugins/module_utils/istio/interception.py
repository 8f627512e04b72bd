# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what traffic interception is made from: the only reader of these settings (:mod:`core.interception` says what they mean)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core.interception import SETTINGS, Interception
from ..kube.objects import Obj, annotations_of, argument, dig

_IPTABLES = "istio-iptables"


def interception_of(pod: Obj, defaults: Interception) -> Interception:
    """Read a pod or a pod template; ``defaults`` are the mesh's (:func:`mesh_defaults`).

    The arguments of Istio's init container are what the rules were made from. They hold annotations and mesh-wide settings as
    they were when the pod was injected, so nothing else counts beside them.
    """
    annotations, container = annotations_of(pod), _init_container(pod)
    noted = _texts({name: annotations.get(names.annotation) for name, names in SETTINGS.items()})
    if container is None:
        found = replace(defaults, **noted)
    else:
        found = replace(Interception(), **_texts({name: argument(container, names.flag) for name, names in SETTINGS.items()}))
    return replace(found, annotated=frozenset(name for name, value in noted.items() if getattr(found, name) == value))


def mesh_defaults(values: Obj, mesh_config: Obj) -> Interception:
    """What holds for pods that say nothing: by the injector's values and the mesh configuration."""
    told = {name: dig(values, "global", "proxy", names.value) for name, names in SETTINGS.items()}
    return replace(Interception(), **_texts({**told, "mode": dig(mesh_config, "defaultConfig", "interceptionMode")}))


def _texts(told: dict[str, Any]) -> dict[str, Any]:
    """What is there, as text: a single port may be written as a number."""
    return {name: str(value) for name, value in told.items() if value is not None}


def _init_container(pod: Obj) -> Obj | None:
    """istio-init, or istio-validation, which checks with the same arguments what the CNI plugin has set up."""
    for container in dig(pod, "spec", "initContainers", default=[]):
        words = [*(container.get("command") or []), *(container.get("args") or [])]
        if any(str(word).endswith(_IPTABLES) for word in words):
            return dict(container)
    return None
