# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a load balancer is found: by its workload, by its classes, by its controller, or by what it leaves in the cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...kube.objects import Obj
from ...kube.snapshot import Snapshot
from .instances import none_at_all

Confidence = Literal["certain", "likely", "possible"]
CONFIDENCES: tuple[Confidence, ...] = ("possible", "likely", "certain")
"""From the weakest on."""


@dataclass(frozen=True)
class Recognition:
    """Why a workload is believed to be this load balancer's, and the container that says so.

    ``sole_word``: an image is all that says so, and of that the last word alone, which programs of several vendors share.
    ``rivals`` are titles of other load balancers that it fits just as well.
    """

    confidence: Confidence
    evidence: tuple[str, ...]
    container: Obj
    version: str = ""
    sole_word: bool = False
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signs:
    """How a load balancer's containers are recognised; evidence in this order, the first two are certain.

    ``commands``: names of its program. ``flags``: options that only it has (all of a set must be there); ``variables``:
    environment variables likewise. ``images``: ends of its image's path, without registry host, so that mirrored images
    match; one that is the end of a longer path, and only a word, proves little by itself. ``labels``: weakest.
    """

    commands: tuple[str, ...] = ()
    flags: tuple[frozenset[str], ...] = ()
    variables: tuple[frozenset[str], ...] = ()
    images: tuple[str, ...] = ()
    labels: tuple[frozenset[tuple[str, str]], ...] = ()


@dataclass(frozen=True)
class Trace:
    """One thing in the cluster that tells of a load balancer outside of it, in words, and how sure it makes."""

    text: str
    confidence: Confidence = "certain"


@dataclass(frozen=True)
class GatewayClasses:
    """GatewayClasses of a load balancer: the usual values of their ``spec.controllerName``, and names that they always have.

    ``names`` are patterns, and count where the class is not there. ``per_gateway``: its operator makes a workload for each Gateway.
    """

    controllers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    per_gateway: bool = False


@dataclass(frozen=True)
class Recogniser:
    """Where a load balancer shows.

    ``classes`` are values of ``spec.controller`` of its IngressClasses; one that ends in an asterisk or in ``/`` is a prefix.
    ``gateway_classes`` tells its GatewayClasses. ``controller`` recognises the controller of a load balancer whose traffic leaves from
    no workload. ``workload`` goes before ``signs`` where they do not suffice. ``traces`` gives what else than classes and a controller
    tells of it.
    """

    signs: Signs = Signs()
    classes: tuple[str, ...] = ()
    gateway_classes: GatewayClasses = GatewayClasses()
    controller: Signs | None = None
    workload: Callable[[Obj], Recognition | None] | None = None
    traces: Callable[[Snapshot], tuple[Trace, ...]] = none_at_all
