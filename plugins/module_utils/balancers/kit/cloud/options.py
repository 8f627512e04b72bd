# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a chain as several platforms read them, and what they write of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ....core.findings import finding
from ....core.model import Finding
from ....kube.objects import Obj, ref_of
from ...contract.chain import ChainRequest


def word(request: ChainRequest, name: str, default: str = "") -> str:
    """An option with choices, in small letters: they are compared without regard to case, and a YAML boolean is ``true``."""
    return str(request.option(name, default)).lower()


def given(**values: Any) -> dict[str, Any]:
    """The values that are there."""
    return {key: value for key, value in values.items() if value}


def prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Annotations below a prefix, without those that have no value."""
    return {f"{prefix}{key}": str(value) for key, value in values.items() if value}


def listen_ports(*, https: bool) -> str:
    """The value of the annotation ``listen-ports`` of controllers that know it."""
    return json.dumps([{"HTTP": 80}, *([{"HTTPS": 443}] if https else [])])


def has_option(*names: str) -> Callable[[ChainRequest], bool]:
    """Whether any of these keys of ``platform_options`` is given."""
    return lambda request: any(request.option(name) for name in names)


def is_word(name: str, value: str, default: str) -> Callable[[ChainRequest], bool]:
    """Whether an option with choices has this value."""
    return lambda request: word(request, name, default) == value


def class_for(request: ChainRequest, usual: str = "", *, prefer_usual: bool = False) -> str:
    """The class that new objects name: the one that was asked for, else the first that was found, else the usual one.

    With ``prefer_usual`` the usual one goes before the first where both were found.
    """
    preferred = usual if prefer_usual and usual in request.classes else ""
    return str(request.option("class_name") or preferred or (request.classes[0] if request.classes else usual))


def certificate_missing(request: ChainRequest, certificate: object, options: str) -> str:
    """Why the load balancer cannot redirect to HTTPS: it has no certificate. Empty where it can, or need not."""
    if not request.https_redirect or certificate:
        return ""
    return f"https_redirect needs an HTTPS listener: give {options} in platform_options"


def taken(request: ChainRequest, routes: Iterable[tuple[Obj, str]], why: str) -> Iterator[Finding]:
    """Routes of the load balancer's own, each with its host, in whose way a new one for that host would be."""
    for obj, host in routes:
        if host in request.hosts and not request.carried:
            do = "take the host out of it, and name it in hosts with its paths (requests fail in between)"
            yield finding("MLB617", f"{ref_of(obj)} has host {host} already, and {why}: {do}", ref_of(obj))
