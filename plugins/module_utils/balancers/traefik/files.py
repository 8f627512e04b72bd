# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of Traefik's file provider, where its files are in ConfigMaps: routers and services by name, servers by URL or address.

Source: traefik/traefik pkg/provider/file/file.go and pkg/config/dynamic/{http,tcp}_config.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...core.findings import finding
from ...core.guard import NotUnderstood
from ...core.model import Finding, LoadBalancer, ObjectRef, Upstream
from ...kube import kinds
from ...kube.objects import Obj, dig, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReading
from ..kit.declared import DeclaredRoute
from ..kit.objects import declared_reading, served_object, within_guard
from ..kit.own_requests import OwnRequests
from ..kit.settings import settings_of
from .backends import host_and_path
from .crd import rule_syntax
from .rules import RuleError, matched
from .settings import Settings, file_content

NOT_SETTABLE = "the file names the address itself"
_DEEPEST = 5


@dataclass(frozen=True)
class _File:
    """One file's part for HTTP or for TCP, and the ConfigMap that it is in."""

    obj: Obj
    part: Any
    protocol: str

    def named(self, kind: str, name: str) -> Obj:
        """A service or middleware of the file, empty where it has none of that name."""
        found = dig(self.part, kind, name.removesuffix("@file"), default={})
        return found if isinstance(found, dict) else {}


def read_files(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of all of an instance's files."""
    settings, own = settings_of(load_balancer, Settings), OwnRequests(snapshot, load_balancer)
    held = [(snapshot.get(kinds.CONFIG_MAP, load_balancer.namespace, name), key) for name, key in settings.dynamic]
    found = [(obj, key) for obj, key in held if obj is not None and (only is None or ref_of(obj) in only)]
    return declared_reading(partial(served_object, snapshot, load_balancer), (
        (obj, part) for obj, key in found for part in within_guard(obj, partial(_of_file, settings, own, obj, key))
    ))


def _of_file(settings: Settings, own: OwnRequests, obj: Obj, key: str) -> Iterator[DeclaredRoute | Finding]:
    try:
        content = file_content(key, str(dig(obj, "data", key, default="")))
    except (ImportError, ValueError, RecursionError) as error:
        raise NotUnderstood(f"data.{key} is no configuration file: {error}") from error
    for protocol in ("http", "tcp"):
        file = _File(obj, dig(content, protocol, default={}), protocol)
        for name, router in dig(file.part, "routers", default={}).items():
            yield from _of_router(settings, own, file, str(name), router)


def _of_router(settings: Settings, own: OwnRequests, file: _File, name: str, router: Any) -> Iterator[DeclaredRoute | Finding]:
    rule = router if isinstance(router, dict) else {}
    try:
        alternatives = matched(str(rule.get("rule", "")), rule_syntax(settings, own.load_balancer.version, rule))
    except RuleError as error:
        yield finding("MLB220", f"router {name}: {error}", ref_of(file.obj))
        return
    middlewares = [{"spec": file.named("middlewares", str(item))} for item in rule.get("middlewares") or []]
    sent_host, changes_path = host_and_path(middlewares)
    for item in middlewares:
        yield from own.to_url(file.obj, f"forwardAuth of router {name}", str(dig(item, "spec", "forwardAuth", "address", default="")))
    passthrough = dig(rule, "tls", "passthrough") is True
    for number, (url, passes_host) in enumerate(_servers(file, str(rule.get("service", "")))):
        found = own.at_url(url, own.load_balancer.namespace)
        if found is None or found.target is None:
            yield finding("MLB208", f"router {name} sends to {url}, which is no Service of the cluster", ref_of(file.obj))
            continue
        host = sent_host or ("" if passes_host else found.name)
        for match in alternatives:
            is_stream = file.protocol == "tcp"
            raw = Upstream(found.address, "", "tls" if passthrough else "tcp")
            upstream = raw if is_stream else Upstream(found.address, host, found.scheme)
            yield DeclaredRoute(
                found.target, match.host, "tcp:*" if is_stream else match.path or "/",
                "Stream" if is_stream else "Exact" if match.path_type == "Exact" else "ImplementationSpecific", upstream,
                f"file-{rule.get('service')}-{url}", canary=number > 0, rewrites_path=changes_path, why_not_settable=NOT_SETTABLE,
            )


def _servers(file: _File, name: str, depth: int = 0) -> Iterator[tuple[str, bool]]:
    """The URLs that a service leads to, each with whether the client's Host is passed on."""
    service = file.named("services", name)
    passes_host = dig(service, "loadBalancer", "passHostHeader") is not False
    for server in dig(service, "loadBalancer", "servers", default=[]):
        url = str(server.get("url") or "") or f"tcp://{server.get('address', '')}"
        yield url, passes_host
    inner = [dig(item, "name") for item in dig(service, "weighted", "services", default=[])]
    inner += [dig(service, "mirroring", "service"), dig(service, "failover", "service"), dig(service, "failover", "fallback")]
    inner += [dig(item, "name") for item in dig(service, "mirroring", "mirrors", default=[])]
    for other in filter(None, inner) if depth < _DEEPEST else ():
        yield from _servers(file, str(other), depth + 1)
