# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's side in Istio's own API: a Gateway for its pods, and a VirtualService per host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...balancers.contract.chain import GatewayTarget
from ...core.marks import ROUTES_IN
from ...core.model import Backend
from ...kube.objects import Obj
from ...kube.services import full_name
from ..strategies.naming import object_name
from .carry import HostRules
from .options import GatewayOptions
from .paths import PathRule, istio_matches

VERSION = "networking.istio.io/v1"
ANY_HOST = "*"


def gateway_body(
    target: GatewayTarget, options: GatewayOptions, selector: dict[str, str], hosts: Iterable[str], *, any_name: bool, redirect: bool
) -> Obj:
    """A Gateway with one server. ``any_name``: a client that sends no (or another) server name is served too."""
    names = sorted({host or ANY_HOST for host in hosts})
    own = [options.server_name] if options.server_name and options.server_name not in names else []
    server: Obj = {
        "port": {"number": target.port, "name": "https" if target.tls else "http", "protocol": "HTTPS" if target.tls else "HTTP"},
        "hosts": [ANY_HOST] if any_name or ANY_HOST in names or not names else [*names, *own],
    }
    if target.tls:
        server["tls"] = {"mode": "SIMPLE", "credentialName": options.credential}
    elif redirect:
        server["tls"] = {"httpsRedirect": True}
    return {
        "apiVersion": VERSION, "kind": "Gateway", "metadata": {"name": options.name, "namespace": options.namespace},
        "spec": {"selector": selector, "servers": [server]},
    }


def virtual_services(options: GatewayOptions, hosts: Sequence[HostRules], domain: str) -> list[Obj]:
    """A VirtualService per host, beside the Gateway, so that each can be taken back alone."""
    return [_virtual_service(options, item, domain) for item in hosts]


def _virtual_service(options: GatewayOptions, item: HostRules, domain: str) -> Obj:
    served = ",".join(sorted({rule.backend.namespace for rule in item.rules}))
    host = item.host or ANY_HOST
    name = object_name(f"{options.name}-{'any' if host == ANY_HOST else host}")
    return {
        "apiVersion": VERSION, "kind": "VirtualService",
        "metadata": {"name": name, "namespace": options.namespace, "annotations": {ROUTES_IN: served}},
        "spec": {"hosts": [host], "gateways": [options.name], "http": [_rule(rule, domain) for rule in item.rules]},
    }


def _rule(rule: PathRule, domain: str) -> Obj:
    matches = istio_matches(rule)
    return {**({"match": matches} if matches else {}), "route": [{"destination": destination(rule.backend, domain)}]}


def destination(backend: Backend, domain: str) -> Obj:
    """A Service port by its full name in a cluster with this domain."""
    return {"host": full_name(backend.namespace, backend.service, domain), "port": {"number": backend.port}}
