# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several platforms say alike about a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ....core.findings import finding
from ....core.model import Finding
from ....kube.objects import Obj, ref_of
from ...contract.chain import ChainRequest

NO_POD_PORT = "it checks the pods themselves, so the check needs the number of their port, not the name of a Service's port"


def word(request: ChainRequest, name: str, default: str = "") -> str:
    """An option with choices, in small letters: they are compared without regard to case, and a YAML boolean is ``true``."""
    return str(request.option(name, default)).lower()


def given(**values: Any) -> dict[str, Any]:
    """The values that are there: neither absent nor empty."""
    return {key: value for key, value in values.items() if value not in (None, "")}


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
