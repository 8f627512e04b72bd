# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What APISIX can be told about the routes of an ApisixRoute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...core.model import LoadBalancer, Route
from ...core.writes import Field, Write, none_before
from ...kube.objects import Obj, dig, namespace_of
from ...kube.services import full_name, is_headless
from ...kube.snapshot import Snapshot
from ..contract.switches import PatchSet, Switches
from ..kit.patches import PatchBuilder, PatchTarget, on_targets, targets_of
from .routes import PLUGIN_CONFIG, REWRITE, ROUTE, UPSTREAM, RuleBackend, backends_of, plugin_host, upstream_settings


def to_service(load_balancer: LoadBalancer, targets: list[PatchTarget]) -> PatchSet:
    """Have each backend named by its Service."""
    patches = PatchBuilder()
    for target in targets:
        for item in _meant(target):
            if is_headless(target.service):
                # The controller only looks for an empty address, so "None" would become a host to dial.
                patches.refuse(f"Service {item.service} is headless, and resolveGranularity: service needs an address")
            _name_service(patches, target.object, item)
    return patches.switch()


def host(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
    """The Service's name as Host: by its ApisixUpstream, else by a plugin of the rule."""
    patches = PatchBuilder()
    for target in targets_of(snapshot, routes):
        for item in (item for item in _meant(target) if not item.stream):
            rule, home = dig(target.object, *item.rule, default={}), namespace_of(target.object)
            shared_in = str(rule.get("plugin_config_namespace") or home)
            shared = snapshot.get(PLUGIN_CONFIG, shared_in, str(rule.get("plugin_config_name", ""))) or {}
            _send_host(patches, target, item, snapshot.get(UPSTREAM, home, item.service), shared)
    return patches.switch()


def _meant(target: PatchTarget) -> Iterator[RuleBackend]:
    """Routes of one rule to one Service port share the upstream, so all of them are meant."""
    backend, is_stream = target.route.backend, target.route.upstream.scheme == "tcp"
    for item in backends_of(target.object) if target.route.object.kind == "ApisixRoute" else ():
        resolved = item.resolved(target.object, target.service)
        if item.stream == is_stream and (resolved.service, resolved.port) == (backend.service, backend.port):
            yield item


def _name_service(patches: PatchBuilder, obj: Obj, item: RuleBackend) -> None:
    path = (*item.where, "resolveGranularity")
    if item.stream and item.granularity in ("", "endpoint"):
        # The API server fills the default in for streams, so it says nothing about what somebody wants.
        patches.write(obj, path, "service")
    else:
        patches.want(obj, path, "service")


def _send_host(patches: PatchBuilder, target: PatchTarget, item: RuleBackend, upstream: Obj | None, shared: Obj) -> None:
    name = full_name(target.route.backend.namespace, item.service, target.domain)
    rule = dig(target.object, *item.rule, default={})
    if upstream is not None:
        where, settings = upstream_settings(upstream, target.route.backend.port)
        if settings.get("passHost") != "rewrite":
            patches.want(upstream, (*where, "passHost"), "node")
        elif settings.get("upstreamHost") != name:
            patches.conflict(upstream, f"passHost is 'rewrite' to {settings.get('upstreamHost')!r}, the plan needs 'node'")
    elif len({backend.get("serviceName") for backend in rule.get("backends") or []}) > 1:
        patches.refuse(f"rule {rule.get('name')} has several Services, and each needs an ApisixUpstream of its name for its own Host")
    elif plugin_host(rule) != name:
        _rewrite(patches, target.object, item, shared, name)


def _rewrite(patches: PatchBuilder, obj: Obj, item: RuleBackend, shared: Obj, name: str) -> None:
    rule = dig(obj, *item.rule, default={})
    present, plugins = plugin_host(rule), list(rule.get("plugins") or [])
    own = next((number for number, plugin in enumerate(plugins) if plugin.get("name") == REWRITE), None)
    if present or (own is not None and plugins[own].get("enable") is False):
        patches.conflict(obj, f"plugin {REWRITE} of rule {rule.get('name')} sends Host {present!r}, the plan needs {name!r}")
    elif own is None and any(plugin.get("name") == REWRITE for plugin in dig(shared, "spec", "plugins", default=[])):
        patches.refuse(f"rule {rule.get('name')} takes {REWRITE} from an ApisixPluginConfig, which one of its own would replace")
    else:
        patches.write(obj, (*item.rule, "plugins"), _sending(plugins, name))


def _sending(plugins: list[Obj], host: str) -> list[Obj]:
    own = next((number for number, plugin in enumerate(plugins) if plugin.get("name") == REWRITE), len(plugins))
    base: Obj = plugins[own] if own < len(plugins) else {"name": REWRITE, "enable": True}
    return [*plugins[:own], {**base, "config": {**(base.get("config") or {}), "host": host}}, *plugins[own + 1 :]]


def _not_sending(value: Any, was: Any) -> bool:
    """What plugins may have been before: those that the Host was added to."""
    if not (_are_plugins(value) and _are_plugins(was)):
        return False
    own: Obj = next((plugin for plugin in value if plugin.get("name") == REWRITE), {})
    return bool(_sending(was, str(dig(own, "config", "host", default=""))) == value)


def _are_plugins(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and isinstance(item.get("config") or {}, dict) for item in value)


WRITES = (
    Write(ROUTE, (
        Field("/spec/http/*/backends/*/resolveGranularity"), Field("/spec/stream/*/backend/resolveGranularity"),
        Field("/spec/http/*/plugins", _not_sending),
    ), why="Service routing, and the Host that is sent"),
    Write(UPSTREAM, (Field("/spec/passHost", none_before), Field("/spec/portLevelSettings/*/passHost", none_before)),
          why="the Host that is sent"),
)  # fmt: skip
SWITCHES = Switches(to_service=on_targets(to_service), host=host, writes=WRITES)
