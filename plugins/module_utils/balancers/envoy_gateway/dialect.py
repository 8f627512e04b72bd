# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Envoy Gateway accepts, and what its own filters do.

Source: envoyproxy/gateway d32f282 internal/gatewayapi: validate.go (listeners, their conflicts, filters of backends), filters.go
(headers that may be set, HTTPRouteFilter; a filter with an error makes its rule answer 500), helpers.go (computeHosts), route.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ...core.expressions import why_no_expression
from ...core.model import replace
from ...kube.objects import Obj, dig, namespace_of
from ..kit.gateway.dialect import Dialect, Effect, unread_extension
from ..kit.gateway.names import LISTENER_SET, X_LISTENER_SET
from ..kit.gateway.policies import Named

FILTER = "HTTPRouteFilter.gateway.envoyproxy.io"
_OF_BACKENDS = frozenset({"RequestHeaderModifier", "ResponseHeaderModifier", "URLRewrite", "ExtensionRef"})
# What a host's type asks for besides, and the expression in it.
_HOST_FIELDS = {"Header": "header", "PathRegex": "pathRegex"}


def listener_fault(gateway: Obj, listener: Obj) -> str:
    """What makes a listener invalid, besides its certificates."""
    protocol, tls = str(listener.get("protocol")), listener.get("tls")
    mode = dig(tls, "mode", default="Terminate")
    if tls is not None and protocol in ("HTTP", "TCP", "UDP"):
        return f"it has tls, and its protocol is {protocol}"
    if tls is None and protocol in ("HTTPS", "TLS"):
        return f"it has no tls, and its protocol is {protocol}"
    if protocol == "HTTPS" and mode != "Terminate":
        return f"its tls.mode is {mode}, and its protocol is HTTPS"
    if protocol == "TLS" and mode == "Passthrough" and dig(tls, "certificateRefs", default=[]):
        return "it names certificates, and its tls.mode is Passthrough"
    if listener.get("hostname") and protocol in ("TCP", "UDP"):
        return f"it has a hostname, and its protocol is {protocol}"
    return ""


def filter_fault(item: Obj) -> str:
    """Why a filter of the standard's own is refused: headers that may not be touched."""
    for part in ("requestHeaderModifier", "responseHeaderModifier"):
        held = item.get(part) or {}
        names = [str(one.get("name", "")) for how in ("set", "add") for one in held.get(how) or []]
        for name in (*names, *map(str, held.get("remove") or [])):
            if not name or name.lower() == "host" or set(name) & set("/:"):
                return f"its {part} names the header {name!r}; the Host is set by a URLRewrite"
    return ""


def extension_effect(named: Named, others: bool, route: Obj, reference: Obj) -> Effect:
    """What a filter by reference does; ``others``: the operator was told of kinds besides its own."""
    kind, name = f"{reference.get('kind')}.{reference.get('group')}", str(reference.get("name", ""))
    if kind != FILTER:
        return unread_extension(route, reference) if others else Effect(refused=f"it has no filter {kind}")
    found = named(FILTER, namespace_of(route), name)
    if found is None:
        return Effect(refused=f"HTTPRouteFilter {namespace_of(route)}/{name} does not exist")
    spec = found.get("spec") or {}
    fault = next(_faults(spec), "")
    if fault:
        return Effect(refused=f"HTTPRouteFilter {namespace_of(route)}/{name} is not valid: {fault}")
    answers = f"HTTPRouteFilter {name} (directResponse)" if spec.get("directResponse") is not None else ""
    return Effect(_sent(dig(spec, "urlRewrite", "hostname", default={})), answers)


def _sent(hostname: Obj) -> str:
    """The Host that an HTTPRouteFilter makes: of another header, of the path, or of the backend, none of which is known beforehand."""
    return f"${hostname.get('type')}" if hostname else ""


def _faults(spec: Obj) -> Iterator[str]:
    host, path = dig(spec, "urlRewrite", "hostname", default={}), dig(spec, "urlRewrite", "path", default={})
    wanted = _HOST_FIELDS.get(str(host.get("type")))
    if wanted and not host.get(wanted):
        yield f"urlRewrite.hostname has no {wanted}"
    if path.get("type") == "ReplaceRegexMatch" and not dig(path, "replaceRegexMatch", "pattern"):
        yield "urlRewrite.path has no pattern"
    for pattern in (dig(host, "pathRegex", "pattern", default=""), dig(path, "replaceRegexMatch", "pattern", default="")):
        why = why_no_expression(str(pattern)) if pattern else ""
        if why:
            yield f"{pattern!r} is no regular expression: {why}"


def rule_fault(named: Named, route: Obj, rule: Obj) -> str:
    """Why a rule is refused as a whole: a Host or a path that is rewritten twice."""
    filters = rule.get("filters") or []
    own = [item["urlRewrite"] for item in filters if item.get("urlRewrite")]
    references = (dig(item, "extensionRef", "name", default="") for item in filters)
    added = [dig(named(FILTER, namespace_of(route), str(name)), "spec", "urlRewrite", default={}) for name in references if name]
    twice = [part for part in ("hostname", "path") if sum(bool(item.get(part)) for item in (*own, *added)) > 1]
    return f"its filters rewrite the {twice[0]} twice" if twice else ""


def backend_fault(item: Obj) -> str:
    """Why a filter of a backend is refused."""
    return "a backend's URLRewrite cannot rewrite the path" if dig(item, "urlRewrite", "path") else ""


STRICT = Dialect(
    listener_sets=frozenset({LISTENER_SET, X_LISTENER_SET}), first_wins=frozenset({"TCP", "UDP"}), isolates_hosts=True,
    strict_kinds=True, backend_filters=_OF_BACKENDS, listener=listener_fault, filter=filter_fault, backend_filter=backend_fault,
)


def dialect(named: Named, others: bool = False, reads: Callable[[Obj], str] | None = None) -> Dialect:
    """Envoy Gateway's own way, in this cluster. ``reads`` says why a route is not read, empty where it is."""
    own = replace(STRICT, extension=partial(extension_effect, named, others), rule=partial(rule_fault, named))
    return replace(own, route=reads) if reads else own
