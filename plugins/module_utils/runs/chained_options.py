# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of chained_gateway, from what a user writes to what the plan takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..balancers.contract.profile import Profile, Registry
from ..balancers.kit.ingresses import make_backend
from ..core.errors import MeshlbError
from ..core.model import LoadBalancer
from ..kube.objects import Obj, dig
from ..kube.snapshot import Snapshot
from ..plan.chain.carry import HostRules
from ..plan.chain.options import CLASS, DEFAULT_NAME, DEFAULT_NAMESPACE, FROM_LOAD_BALANCER, GatewayOptions, Options
from ..plan.chain.paths import PathRule, in_order, path_rule
from ..plan.strategies.base import identity

_PATH_TYPES = {"Exact": "Exact", "Prefix": "Prefix", "PathPrefix": "Prefix"}


def gateway_options(params: Mapping[str, Any]) -> GatewayOptions:
    """The ``gateway`` option. Raises :class:`MeshlbError` for what contradicts itself."""
    raw = params.get("gateway") or {}
    tls = raw.get("tls") or {}
    found = GatewayOptions(
        name=raw.get("name") or DEFAULT_NAME, namespace=raw.get("namespace") or DEFAULT_NAMESPACE, api=raw.get("api") or "istio",
        create=bool(raw.get("create")), class_name=raw.get("class") or CLASS, selector=_pairs(raw.get("selector")),
        service=raw.get("service") or "", port=int(raw.get("port") or 0), tls=tls.get("mode") == "simple",
        credential=tls.get("credential_name") or "", server_name=tls.get("host") or "",
    )
    if not found.tls and (found.credential or found.server_name):
        hint = "Set gateway.tls.mode to simple, or leave them out."
        raise MeshlbError("gateway.tls has a credential or a host, and its mode is none.", hint)
    if found.create and found.api == "istio":
        raise MeshlbError(
            "gateway.create makes a Gateway of the Gateway API, and gateway.api is istio.",
            "Set gateway.api to gateway_api, or have the role istio_chained install Istio's gateway chart.",
        )
    return found


def _pairs(found: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(key), str(value)) for key, value in (found or {}).items()))


def expected_objects(snapshot: Snapshot, given: Sequence[Any]) -> list[Obj]:
    """Those of the option ``expected_objects`` that are not in the cluster. Raises :class:`MeshlbError` for what is no object."""
    found = []
    for number, item in enumerate(given):
        if not (isinstance(item, Mapping) and item.get("apiVersion") and item.get("kind") and dig(item, "metadata", "name")):
            raise MeshlbError(
                f"expected_objects[{number}] is no Kubernetes object: it needs apiVersion, kind and metadata.name.",
                "Give objects as kubectl takes them, such as what helm template prints.",
            )
        if snapshot.get(*identity(dict(item))) is None:
            found.append(dict(item))
    return found


def chain_options(params: Mapping[str, Any], snapshot: Snapshot, profile: Profile) -> Options:
    """Everything that was asked for. Raises :class:`MeshlbError` with the element that is wrong."""
    client = params.get("client_address") or {}
    hops, hosts = client.get("trusted_hops"), params.get("hosts")
    if hops is not None and hops < 0:
        raise MeshlbError(f"client_address.trusted_hops is {hops}.", "Give a number of entries, 0 for none.")
    carry, only, rules = _hosts(hosts, snapshot)
    return Options(
        gateway=gateway_options(params), carry=carry, only=only, hosts=rules, client=client.get("mode") or "auto",
        trusted_hops=hops, https_redirect=bool(params.get("https_redirect")),
        alias=params.get("route_backend") or "auto", platform_options=platform_options(params.get("platform_options") or {}, profile),
    )


def _hosts(hosts: Any, snapshot: Snapshot) -> tuple[bool, frozenset[str], tuple[HostRules, ...]]:
    if hosts in (None, "", []):
        return False, frozenset(), ()
    if isinstance(hosts, str):
        if hosts != FROM_LOAD_BALANCER:
            raise MeshlbError(f"hosts is {hosts!r}.", f"Write {FROM_LOAD_BALANCER}, or a list.")
        return True, frozenset(), ()
    if not isinstance(hosts, Sequence):
        raise MeshlbError("hosts is no list.", f"Write {FROM_LOAD_BALANCER}, or a list of names or of hosts with their paths.")
    if all(isinstance(item, str) for item in hosts):
        return True, frozenset(hosts), ()
    if not all(isinstance(item, Mapping) for item in hosts):
        raise MeshlbError("hosts mixes names and hosts with paths.", "Write all of them in one way.")
    found = tuple(_host(number, item, snapshot) for number, item in enumerate(hosts))
    names = [item.host for item in found]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise MeshlbError(f"hosts[{number}] is {name or 'any host'} once more.", "Write all paths of a host in one place.")
    return False, frozenset(), found


def _host(number: int, item: Mapping[str, Any], snapshot: Snapshot) -> HostRules:
    unknown = sorted(set(item) - {"host", "paths"})
    paths = item.get("paths")
    if unknown or not isinstance(paths, Sequence) or isinstance(paths, str) or not paths:
        wrong = f"has {', '.join(unknown)}" if unknown else "has no paths"
        raise MeshlbError(f"hosts[{number}] {wrong}.", "A host has host (empty for any) and paths, each with path, path_type and backend.")
    rules = [_rule(f"hosts[{number}].paths[{place}]", entry, snapshot) for place, entry in enumerate(paths)]
    backends: dict[tuple[str, str], object] = {}
    for rule in rules:
        if backends.setdefault((rule.kind, rule.path), rule.backend) != rule.backend:
            raise MeshlbError(f"hosts[{number}] leads path {rule.path} to two backends.", "Leave one of them out.")
    host = str(item.get("host") or "").lower()
    return HostRules("" if host == "*" else host, tuple(in_order(rules)))


def _rule(where: str, entry: Any, snapshot: Snapshot) -> PathRule:
    backend = entry.get("backend") if isinstance(entry, Mapping) else None
    if not isinstance(backend, Mapping) or not {"namespace", "service", "port"} <= set(backend):
        raise MeshlbError(f"{where} has no backend.", "A path needs backend with namespace, service and port.")
    path, kind = str(entry.get("path") or "/"), str(entry.get("path_type") or "Prefix")
    meaning = path_rule(_PATH_TYPES.get(kind, ""), path, begins_with=False)
    if meaning is None:
        raise MeshlbError(f"{where} has path {path!r} of type {kind!r}.", "A path begins with /, and its type is Exact or Prefix.")
    reference = backend["port"]
    number = int(reference) if str(reference).isdigit() else str(reference)
    found = make_backend(snapshot, str(backend["namespace"]), str(backend["service"]), number)
    if not found.port or found.protocol == "unknown":
        raise MeshlbError(
            f"{where} names port {reference} of Service {found.namespace}/{found.service}, which does not exist.",
            "Create it, or correct the name.",
        )
    return PathRule(*meaning, found)


def platform_options(given: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """``platform_options``, each of them known to the load balancer and among its choices."""
    known = {item.name: item for item in (profile.chain.facts.options if profile.chain else ())}
    for name, value in given.items():
        if name not in known:
            listed = ", ".join(sorted(known)) or "none at all"
            raise MeshlbError(f"platform_options has {name!r}, which {profile.about.title} does not know.", f"It knows: {listed}.")
        choices = known[name].choices
        if choices and value is not None and str(value).lower() not in {item.lower() for item in choices}:
            raise MeshlbError(f"platform_options.{name} is {value!r}.", f"Choose one of: {', '.join(choices)}.")
    return dict(given)


def chosen(params: Mapping[str, Any], registry: Registry, found: Sequence[LoadBalancer]) -> tuple[Profile, LoadBalancer | None]:
    """The load balancer that is meant. Raises :class:`MeshlbError` where that is none, or not certain."""
    wanted, platform = params.get("load_balancer") or {}, params.get("platform") or ""
    if wanted.get("name"):
        key = (wanted.get("namespace") or "", wanted["name"])
        match = next((item for item in found if item.key == key), None)
        if match is None:
            raise MeshlbError(f"load_balancer names {'/'.join(filter(None, key))}, which was not found.", _known(found))
        return registry.get(match.vendor), match
    if platform:
        profile = registry.named(platform)
        if profile is None:
            ids = ", ".join(sorted(item.about.id for item in registry.profiles))
            raise MeshlbError(f"platform is {platform!r}, which is no load balancer that this collection knows.", f"Known are: {ids}.")
        own = [item for item in found if item.vendor == profile.about.id]
        if len(own) > 1:
            raise MeshlbError(f"There are {len(own)} of platform {platform} here, and none was named.", f"Set load_balancer. {_known(own)}")
        return profile, own[0] if own else None
    able = [item for item in found if registry.get(item.vendor).chain and item.confidence != "possible"]
    if len(able) != 1:
        number = f"are {len(able)} load balancers" if able else "is no load balancer"
        hint = f"Set load_balancer or platform. {_known(found)}"
        raise MeshlbError(f"There {number} here that can be chained, and none was named.", hint)
    return registry.get(able[0].vendor), able[0]


def _known(found: Sequence[LoadBalancer]) -> str:
    return "Found were: " + (", ".join(f"{item.label} ({item.vendor})" for item in found) or "none at all") + "."
