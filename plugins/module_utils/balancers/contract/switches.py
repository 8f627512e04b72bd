# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a profile: the fields it would set, and what it saw that tells of a load balancer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ...core.model import Finding
from ...kube.objects import Obj


@dataclass(frozen=True)
class FieldPatch:
    """A field that a strategy wants set on an object that exists."""

    object: Obj
    path: tuple[str | int, ...]
    value: Any


@dataclass(frozen=True)
class PatchSet:
    """Answer to "set this for these routes": the fields to write and objects to make, or the reason why it cannot be done."""

    patches: tuple[FieldPatch, ...] = ()
    refusal: str = ""
    findings: tuple[Finding, ...] = ()
    bodies: tuple[Obj, ...] = ()


@dataclass(frozen=True)
class Trace:
    """One thing in the cluster that tells of a load balancer outside of it, in words, and how sure it makes."""

    text: str
    confidence: Literal["certain", "likely", "possible"] = "certain"
