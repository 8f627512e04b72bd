# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Emissary can be told about its Mappings: the resolver, the Host, and a TLSContext with the mesh's certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...core.interception import INCLUDE_OUTBOUND_RANGES
from ...core.model import LoadBalancer, Route, replace
from ...core.writes import Field, Write, none_before
from ...kube.objects import Obj, dig
from ...kube.snapshot import Snapshot
from ..contract.switches import PatchSet, RouteSwitch, Switches
from ..kit.patches import PatchBuilder
from ..kit.settings import settings_of
from .objects import (
    GROUP,
    ISTIO_SECRET,
    SERVICE_RESOLVER,
    TLS_CONTEXT,
    Configuration,
    DeclaredMapping,
    Origin,
    declared_mappings,
    read_configuration,
)
from .settings import DEFAULT_ID, Settings

_FORWARDED = "x-forwarded-host"
_CONTEXT = "meshlb-istio-upstream"
_ROTATES_SINCE = (4, 1)

SetFields = Callable[[PatchBuilder, Configuration, DeclaredMapping, Route], None]


def of_mappings(
    set_fields: SetFields, missing: Callable[[LoadBalancer], str] | None = None, context: Callable[[LoadBalancer], Obj] | None = None
) -> RouteSwitch:
    """Ask for every Mapping once; the first user's own setting that stands against it refuses all.

    ``missing`` says what the instance lacks for it. ``context`` gives the TLSContext that Mappings then name.
    """

    def switch(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        refusal = missing(load_balancer) if missing else ""
        if refusal:
            return PatchSet(refusal=refusal)
        patches, by_object = PatchBuilder(), {route.object: route for route in routes if route.settable}
        configuration = read_configuration(snapshot, load_balancer)
        for item in declared_mappings(snapshot, load_balancer, frozenset(by_object)):
            if item.origin is Origin.OBJECT:
                set_fields(patches, configuration, item, by_object[item.ref])
        answer = patches.switch()
        return answer if answer.refusal or not context else replace(answer, bodies=(context(load_balancer),))

    return switch


def set_resolver(patches: PatchBuilder, configuration: Configuration, item: DeclaredMapping, route: Route) -> None:
    """A resolver that gives the Service's address."""
    if configuration.kind_of(item.spec) == SERVICE_RESOLVER:
        return
    name = configuration.service_resolver()
    if not name:
        patches.conflict(item.owner, "every resolver's name, kubernetes-service too, was given to another kind")
    elif item.spec.get("resolver"):
        patches.conflict(item.owner, f"resolver is {item.spec['resolver']!r}, the plan needs {name!r}")
    elif item.spec.get("load_balancer"):
        # Together with a resolver that gives the Service's address it makes the Mapping invalid.
        patches.conflict(item.owner, f"load_balancer is set, which Emissary does not accept with resolver {name!r}")
    else:
        patches.write(item.owner, ("spec", "resolver"), name)


def set_host(patches: PatchBuilder, configuration: Configuration, item: DeclaredMapping, route: Route) -> None:
    """The Service's name as Host, and the client's in another header."""
    if item.is_tcp:
        return
    names = _names(route, configuration)
    rewritten, automatic = item.spec.get("host_rewrite"), item.spec.get("auto_host_rewrite")
    if rewritten:
        if str(rewritten).partition(":")[0].lower() not in names:
            patches.conflict(item.owner, f"host_rewrite is {rewritten!r}, the plan needs {names[0]!r}")
    elif automatic is not None:
        # Envoy's configuration holds one of both; written beside each other they make it invalid.
        if not automatic or configuration.qualified(item).host not in names:
            patches.conflict(item.owner, f"auto_host_rewrite is {automatic!r}, the plan needs host_rewrite {names[0]!r}")
    else:
        patches.write(item.owner, ("spec", "host_rewrite"), names[0])
        for key, value in _forwarded(configuration, item).items():
            patches.write(item.owner, ("spec", "add_request_headers", key), value)


def _names(route: Route, configuration: Configuration) -> list[str]:
    """Names of a Service that the sidecar knows, the full one first."""
    backend = route.backend
    short = f"{backend.service}.{backend.namespace}"
    near = [backend.service] if backend.namespace == configuration.pods_in else []
    return [f"{short}.svc.{configuration.domain}", f"{short}.svc", short, *near]


def _forwarded(configuration: Configuration, item: DeclaredMapping) -> dict[str, Any]:
    """The public host in X-Forwarded-Host, unless the user sets that header already."""
    own = item.spec.get("add_request_headers")
    # Headers of a Mapping replace those that the Module has for all, so these are brought along.
    module = dig(configuration.module, "defaults", default={})
    inherited = dig(module, "httpmapping", "add_request_headers") or dig(module, "add_request_headers", default={})
    headers = dict(inherited if own is None else own)
    if any(key.lower() == _FORWARDED for key in headers):
        return {}
    return {**(headers if own is None else {}), _FORWARDED: {"value": "%REQ(:authority)%", "append": False}}


def set_context(patches: PatchBuilder, configuration: Configuration, item: DeclaredMapping, route: Route) -> None:
    """The TLSContext with the mesh's certificate."""
    present, target = item.spec.get("tls"), configuration.qualified(item)
    if present not in (None, _CONTEXT):
        patches.conflict(item.owner, f"tls is {present!r}, the plan needs {_CONTEXT!r}")
    elif target.scheme:
        patches.conflict(item.owner, f"service names the scheme {target.scheme}, which decides instead of tls")
    elif not target.port:
        patches.conflict(item.owner, "service names no port, and with tls it would be 443")
    else:
        patches.write(item.owner, ("spec", "tls"), _CONTEXT)


def _missing(load_balancer: LoadBalancer) -> str:
    """What its pods lack to speak mutual TLS themselves, empty where they have all."""
    numbers = tuple(int(word) for word in load_balancer.version.split("-")[0].split(".")[:2] if word.isdigit())
    if numbers < _ROTATES_SINCE:
        known = load_balancer.version or "of a version that its image does not tell"
        return f"this Emissary is {known}; before 4.1 it keeps a certificate of the mesh after it was renewed (issue 4744)"
    if not settings_of(load_balancer, Settings).certificates:
        return "AMBASSADOR_ISTIO_SECRET_DIR is not set, so it does not read the mesh's certificate"
    if load_balancer.interception.include_outbound_ranges != "":
        return f"its sidecar would encrypt again what Emissary encrypted; the pods need {INCLUDE_OUTBOUND_RANGES}: \"\""
    return ""


def _context(load_balancer: LoadBalancer) -> Obj:
    """The TLSContext; its ``cacert_chain_file`` is what makes Envoy verify the backend's certificate."""
    settings = settings_of(load_balancer, Settings)
    spec: Obj = {"secret": ISTIO_SECRET, "cacert_chain_file": f"{settings.certificates}/root-cert.pem", "alpn_protocols": "istio"}
    if settings.identity != DEFAULT_ID:
        spec["ambassador_id"] = [settings.identity]
    metadata = {"name": _CONTEXT, "namespace": settings.namespace}
    return {"apiVersion": "getambassador.io/v3alpha1", "kind": "TLSContext", "metadata": metadata, "spec": spec}


_OF_MAPPINGS = (
    Field("/spec/resolver"), Field("/spec/host_rewrite"), Field("/spec/tls"), Field("/spec/add_request_headers/*", none_before),
)
WRITES = (
    *(Write(f"{kind}.{GROUP}", _OF_MAPPINGS, why="Service routing, the Host that is sent, and the mesh's certificate")
      for kind in ("Mapping", "TCPMapping")),
    Write(TLS_CONTEXT, named=lambda obj: dig(obj, "metadata", "name") == _CONTEXT, why="the mesh's certificate, for certs_only"),
)  # fmt: skip
SWITCHES = Switches(of_mappings(set_resolver), of_mappings(set_host), of_mappings(set_context, _missing, _context), WRITES)
