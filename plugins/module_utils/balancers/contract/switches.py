# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load balancer can be told about its routes: fields to set, objects to create, or the reason why it cannot be done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ...core.model import Finding, LoadBalancer, Route
from ...core.writes import Write
from ...kube.objects import Obj
from ...kube.snapshot import Snapshot


@dataclass(frozen=True)
class FieldPatch:
    """A field to set on an object that exists; the plan gives it the reason, as the change says it."""

    object: Obj
    path: tuple[str | int, ...]
    value: Any
    reason: str = ""


@dataclass(frozen=True)
class PatchSet:
    """Answer to "set this for these routes": the fields to write and objects to make, or the reason why it cannot be done."""

    patches: tuple[FieldPatch, ...] = ()
    refusal: str = ""
    findings: tuple[Finding, ...] = ()
    bodies: tuple[Obj, ...] = ()


RouteSwitch = Callable[[Snapshot, LoadBalancer, Iterable[Route]], PatchSet]


@dataclass(frozen=True)
class Switches:
    """What can be set for routes; ``None`` where there is no such setting.

    ``to_service`` sends these routes to the Service's address, ``host`` sends the Service's name as Host, ``certificates`` has the load
    balancer speak mutual TLS itself, with the mesh's certificate, and verify the backend's. ``writes`` declares all that they set and make.
    """

    to_service: RouteSwitch | None = None
    host: RouteSwitch | None = None
    certificates: RouteSwitch | None = None
    writes: tuple[Write, ...] = ()
