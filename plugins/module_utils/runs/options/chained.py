# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of chained_gateway. What can be told without the cluster is checked here; what the words mean there is the plan's to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ...core.errors import MeshlbError
from ...kube.objects import Obj, dig
from ...plan.chain.options import CLASS, DEFAULT_NAME, DEFAULT_NAMESPACE, FROM_LOAD_BALANCER, GatewayOptions
from ...plan.chain.paths import PathKind, path_rule
from .common import CommonOptions, State, common_options

_PATH_TYPES = {"Exact": "Exact", "Prefix": "Prefix", "PathPrefix": "Prefix"}


@dataclass(frozen=True)
class AskedPath:
    """A path of a new host. ``where`` is the element of the option; ``port`` is a number or a name, as it was written."""

    where: str
    kind: PathKind
    path: str
    namespace: str
    service: str
    port: str


@dataclass(frozen=True)
class AskedHost:
    """A new host (empty: any) with its paths."""

    host: str
    paths: tuple[AskedPath, ...]


@dataclass(frozen=True)
class AskedHosts:
    """``carry``: hosts come from the load balancer's own routes (``only`` names them, all where it is empty); else ``new`` says them."""

    carry: bool = False
    only: frozenset[str] = frozenset()
    new: tuple[AskedHost, ...] = ()

    def __bool__(self) -> bool:
        return self.carry or bool(self.new)


@dataclass(frozen=True)
class ChainedOptions:
    """``load_balancer`` is (namespace, name), empty where it is not named; times are in seconds.

    ``names_gateway``: whether ``gateway`` was given. ``expected``: objects that a rehearsal takes for there.
    """

    common: CommonOptions = CommonOptions()
    state: State = "present"
    load_balancer: tuple[str, str] = ("", "")
    platform: str = ""
    platform_options: Mapping[str, Any] = field(default_factory=dict)
    gateway: GatewayOptions = GatewayOptions()
    names_gateway: bool = False
    hosts: AskedHosts = AskedHosts()
    client: str = "auto"
    trusted_hops: int | None = None
    https_redirect: bool = False
    alias: Literal["auto", "address", "name"] = "auto"
    wait: bool = True
    wait_timeout: float = 300.0
    drain: float = 10.0
    expected: tuple[Obj, ...] = ()

    @property
    def absent(self) -> bool:
        return self.state == "absent"

    @property
    def takes_all_back(self) -> bool:
        """Whether whole chains are taken back, and not some hosts of one."""
        return self.absent and not self.hosts


def chained_options(params: Mapping[str, Any], check_mode: bool = False, diff: bool = False) -> ChainedOptions:
    """From chained_gateway's parameters. Raises :class:`MeshlbError` for what cannot be meant."""
    drain, wait_timeout = (_seconds(name, params[name]) for name in ("drain", "wait_timeout"))
    common = common_options(params, check_mode, diff)
    wanted, client = params.get("load_balancer") or {}, params.get("client_address") or {}
    absent, given, hops = params["state"] == "absent", params.get("hosts"), client.get("trusted_hops")
    # Whoever takes everything back says nothing about requests.
    if hops is not None and hops < 0 and (given or not absent):
        raise MeshlbError(f"client_address.trusted_hops is {hops}.", "Give a number of entries, 0 for none.")
    return ChainedOptions(
        common=common, state=params["state"], load_balancer=(wanted.get("namespace") or "", wanted.get("name") or ""),
        platform=params.get("platform") or "", platform_options=dict(params.get("platform_options") or {}),
        hosts=AskedHosts() if absent and not given else asked_hosts(given), gateway=gateway_options(params.get("gateway") or {}),
        names_gateway=bool(params.get("gateway")), client=client.get("mode") or "auto", trusted_hops=hops,
        https_redirect=bool(params.get("https_redirect")), alias=params.get("route_backend") or "auto", wait=bool(params["wait"]),
        wait_timeout=wait_timeout, drain=drain, expected=expected_objects(params.get("expected_objects") or ()) if check_mode else (),
    )


def _seconds(name: str, given: int) -> float:
    if given < 0:
        raise MeshlbError(f"{name} is {given}.", "Give a number of seconds, 0 for none.")
    return float(given)


def gateway_options(raw: Mapping[str, Any]) -> GatewayOptions:
    """The ``gateway`` option. Raises :class:`MeshlbError` for what contradicts itself."""
    tls = raw.get("tls") or {}
    found = GatewayOptions(
        name=raw.get("name") or DEFAULT_NAME, namespace=raw.get("namespace") or DEFAULT_NAMESPACE, api=raw.get("api") or "istio",
        create=bool(raw.get("create")), class_name=raw.get("class") or CLASS, selector=_pairs(raw.get("selector") or {}),
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


def _pairs(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(key), str(value)) for key, value in found.items()))


def expected_objects(given: Sequence[Any]) -> tuple[Obj, ...]:
    """The option ``expected_objects``. Raises :class:`MeshlbError` for what is no object."""
    for number, item in enumerate(given):
        if not (isinstance(item, Mapping) and item.get("apiVersion") and item.get("kind") and dig(item, "metadata", "name")):
            raise MeshlbError(
                f"expected_objects[{number}] is no Kubernetes object: it needs apiVersion, kind and metadata.name.",
                "Give objects as kubectl takes them, such as what helm template prints.",
            )
    return tuple(map(dict, given))


def asked_hosts(given: Any) -> AskedHosts:
    """The option ``hosts``. Raises :class:`MeshlbError` with the element that is wrong."""
    if given in (None, "", []):
        return AskedHosts()
    if isinstance(given, str):
        if given != FROM_LOAD_BALANCER:
            raise MeshlbError(f"hosts is {given!r}.", f"Write {FROM_LOAD_BALANCER}, or a list.")
        return AskedHosts(carry=True)
    if not isinstance(given, Sequence):
        raise MeshlbError("hosts is no list.", f"Write {FROM_LOAD_BALANCER}, or a list of names or of hosts with their paths.")
    if all(isinstance(item, str) for item in given):
        return AskedHosts(carry=True, only=frozenset(given))
    if not all(isinstance(item, Mapping) for item in given):
        raise MeshlbError("hosts mixes names and hosts with paths.", "Write all of them in one way.")
    found = tuple(_host(f"hosts[{number}]", item) for number, item in enumerate(given))
    names = [item.host for item in found]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise MeshlbError(f"hosts[{number}] is {name or 'any host'} once more.", "Write all paths of a host in one place.")
    return AskedHosts(new=found)


def _host(where: str, item: Mapping[str, Any]) -> AskedHost:
    unknown = sorted(set(item) - {"host", "paths"})
    paths = item.get("paths")
    if unknown or not isinstance(paths, Sequence) or isinstance(paths, str) or not paths:
        wrong = f"has {', '.join(unknown)}" if unknown else "has no paths"
        raise MeshlbError(f"{where} {wrong}.", "A host has host (empty for any) and paths, each with path, path_type and backend.")
    host = str(item.get("host") or "").lower()
    found = tuple(_path(f"{where}.paths[{place}]", entry) for place, entry in enumerate(paths))
    return AskedHost("" if host == "*" else host, found)


def _path(where: str, entry: Any) -> AskedPath:
    backend = entry.get("backend") if isinstance(entry, Mapping) else None
    if not isinstance(backend, Mapping) or not {"namespace", "service", "port"} <= set(backend):
        raise MeshlbError(f"{where} has no backend.", "A path needs backend with namespace, service and port.")
    path, kind = str(entry.get("path") or "/"), str(entry.get("path_type") or "Prefix")
    meaning = path_rule(_PATH_TYPES.get(kind, ""), path, begins_with=False)
    if meaning is None:
        raise MeshlbError(f"{where} has path {path!r} of type {kind!r}.", "A path begins with /, and its type is Exact or Prefix.")
    return AskedPath(where, *meaning, str(backend["namespace"]), str(backend["service"]), str(backend["port"]))
