# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kong's controller accepts of the Gateway API, by its settings, and what its plugins do as filters.

Source: Kong/kubernetes-ingress-controller 1fa68f8 internal/controllers/gateway (gateway_controller.go, gateway_utils.go: unmanaged
classes, ports of the published Service, conflicts), internal/manager/controllerdef.go (feature gates), internal/dataplane/translator
(validateHTTPRoute, subtranslator/httproute.go: filters).
"""

from __future__ import annotations

from ...core.model import LoadBalancer, replace
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, name_of, namespace_of
from ...kube.snapshot import Snapshot
from ..kit.gateway.dialect import USUAL_KINDS, Dialect, Effect, no_extension
from ..kit.gateway.names import GATEWAY_CLASS
from ..kit.gateway.policies import Named
from ..kit.settings import settings_of
from .settings import Settings

PLUGIN = "KongPlugin.configuration.konghq.com"
UNMANAGED, PUBLISHED = "konghq.com/gatewayclass-unmanaged", "konghq.com/publish-service"
_FILTERS = frozenset({"RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "ExtensionRef"})
_BEHIND_THE_GATE = ("TCPRoute", "TLSRoute", "UDPRoute")
_CONTROLLERS = {"HTTPRoute": "gwapi-httproute", "GRPCRoute": "gwapi-grpcroute"}
_ANSWERS, _TRANSFORMS = ("request-termination", "redirect"), ("request-transformer", "request-transformer-advanced")
USUAL = Dialect(
    {**USUAL_KINDS, "TLS": frozenset({"TLSRoute"})}, certificates="all", one_stream=False, filters=_FILTERS, checks_expressions=False,
)


def dialect_of(snapshot: Snapshot, load_balancer: LoadBalancer) -> Dialect:
    """Kong's own way, as this instance's controller was started."""
    settings = settings_of(load_balancer, Settings)
    return replace(
        USUAL, gateway=lambda gateway: _left_alone(snapshot.get, settings, gateway),
        listener=lambda gateway, listener: _unavailable(snapshot.get, settings, gateway, listener),
        route=lambda route: _not_read(settings, route),
        extension=lambda route, reference: _plugin_effect(snapshot.get, route, reference),
    )


def _left_alone(named: Named, settings: Settings, gateway: Obj) -> str:
    """Why the controller does not look after a Gateway."""
    place = f"{namespace_of(gateway)}/{name_of(gateway)}"
    if settings.gateway_only not in ("", place):
        return f"Gateway {place} is left alone: the controller looks after {settings.gateway_only} only (gateway-to-reconcile)"
    if "gwapi-gateway" in settings.off:
        return f"Gateway {place} is left alone: the controller for Gateways is switched off"
    class_name = str(dig(gateway, "spec", "gatewayClassName", default=""))
    found = named(GATEWAY_CLASS, "", class_name)
    if found is None or annotations_of(found).get(UNMANAGED) or _is_accepted(gateway):
        return ""
    return f"Gateway {place} is left alone: its GatewayClass {class_name} has no annotation {UNMANAGED}"


def _is_accepted(gateway: Obj) -> bool:
    """Whether somebody has accepted a Gateway; then it is served, whoever that was."""
    conditions = dig(gateway, "status", "conditions", default=[])
    return any((item.get("type"), item.get("status")) == ("Accepted", "True") for item in conditions)


def _unavailable(named: Named, settings: Settings, gateway: Obj, listener: Obj) -> str:
    """Why a listener's port is none of the published Service; empty where nothing is known of that Service."""
    annotated = annotations_of(gateway).get(PUBLISHED, "")
    references = [item.strip() for item in annotated.split(",") if item.strip()] or list(settings.published)
    services = [named(kinds.SERVICE, *reference.partition("/")[::2]) for reference in references]
    known = [item for item in services if item is not None]
    if not known or len(known) < len(services):
        return ""
    protocol, number = str(listener.get("protocol")), listener.get("port")
    ports = [port for item in known for port in dig(item, "spec", "ports", default=[]) if port.get("port") == number]
    if not any(protocol in settings.protocols_at(port) for port in ports):
        what = f"has no port {number}" if not ports else f"does not lead {protocol} to port {number}"
        return f"the Service that Kong publishes ({', '.join(references)}) {what}"
    return ""


def _not_read(settings: Settings, route: Obj) -> str:
    kind = str(route.get("kind"))
    if kind in _BEHIND_THE_GATE and not settings.alpha and settings.class_name:
        return f"the controller reads no {kind}s without its feature gate GatewayAlpha"
    if _CONTROLLERS.get(kind) in settings.off:
        return f"the controller for {kind}s is switched off"
    asked = (match.get("queryParams") for rule in dig(route, "spec", "rules", default=[]) for match in rule.get("matches") or [])
    if kind == "HTTPRoute" and settings.flavour != "expressions" and any(asked):
        return "it asks for query parameters, which takes a router of the flavour expressions: Kong leaves the whole route out"
    return ""


def _plugin_effect(named: Named, route: Obj, reference: Obj) -> Effect:
    """What a KongPlugin does with a rule's requests, as far as that is about the Host and the backends."""
    if (reference.get("group"), reference.get("kind")) != ("configuration.konghq.com", "KongPlugin"):
        return no_extension(route, reference)
    found = named(PLUGIN, namespace_of(route), str(reference.get("name", ""))) or {}
    if found.get("disabled"):
        return Effect()
    if found.get("plugin") in _ANSWERS:
        return Effect(answers=f"KongPlugin {name_of(found)} ({found['plugin']})")
    headers = dig(found, "config", "replace", "headers", default=[]) if found.get("plugin") in _TRANSFORMS else []
    pairs = (str(item).partition(":") for item in headers)
    return Effect(next((value.strip() for name, dummy, value in pairs if name.strip().lower() == "host"), ""))
