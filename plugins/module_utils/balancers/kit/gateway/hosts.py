# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting the Host of Gateway API routes: the standard's own way (URLRewrite of a rule), for every vendor that follows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ....core.model import Backend, ObjectRef
from ....core.writes import Field, Write
from ....kube.objects import Obj, dig, namespace_of
from ....kube.services import CLUSTER_DOMAIN, full_name
from ...contract.switches import PatchSet, RouteSwitch
from ..patches import PatchBuilder, PatchTarget, on_targets
from .names import HTTP_ROUTE
from .routes import host_set_by

Named = Callable[[Backend], str]
_BackendKey = tuple[str, str, int]
_STREAMS = ("TCPRoute", "TLSRoute")


def host_rewrites(targets: Iterable[PatchTarget], named: Named | None = None, *, per_backend: bool = False) -> PatchSet:
    """The filters that make every rule behind these routes send its backend's name as Host.

    Of a rule only the list of its filters is written, so that whoever shifts weights or edits other rules meanwhile is not
    in the way. A stream has no Host and is left as it is. Refused for what has no such filter, and for a rule with several
    backends: it sends all of them one Host, and on ports that are declared HTTP the Host decides, so one backend would get
    every request. An implementation that applies the filters of a backendRef (``per_backend``) can send each of them its own.
    """
    objects: dict[ObjectRef, Obj] = {}
    domain = CLUSTER_DOMAIN
    backends: dict[ObjectRef, set[_BackendKey]] = {}
    sent: dict[tuple[ObjectRef, _BackendKey], str] = {}
    for target in targets:
        ref, backend = target.route.object, target.route.backend
        objects[ref], domain = target.object, target.domain
        key = (backend.namespace, backend.service, backend.port)
        backends.setdefault(ref, set()).add(key)
        sent[(ref, key)] = sent.get((ref, key)) or target.route.upstream.host
    name = named or (lambda backend: full_name(backend.namespace, backend.service, domain))
    patches = PatchBuilder()
    for ref, obj in sorted(objects.items(), key=lambda item: item[0]):
        if ref.kind in _STREAMS:
            continue
        if ref.kind != "HTTPRoute":
            patches.refuse(f"{ref.kind} has no filter that rewrites the Host")
            continue
        for number, rule in _rules_to(obj, backends[ref]):
            if len(rule["backendRefs"]) > 1 and not per_backend:
                patches.refuse(f"rule {number + 1} of {ref} has several backends, and one Host would lead to one of them only")
            for position, reference in enumerate(rule["backendRefs"]):
                key = _key_of(obj, reference)
                if key in backends[ref]:
                    _rewrite(patches, obj, (number, position), name(Backend(*key)), sent.get((ref, key), ""))
    return patches.switch()


URL_REWRITE: RouteSwitch = on_targets(lambda load_balancer, targets: host_rewrites(targets))
"""The switch of an implementation that follows the standard and does no more."""


def _without_hostname(value: Any, was: Any) -> bool:
    """What filters may have been before: those that the hostname was added to."""
    host = host_set_by(value) if _are_filters(value) else ""
    return bool(host) and _are_filters(was) and with_hostname(was, host) == value


def _are_filters(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and isinstance(item.get("urlRewrite", {}), dict) for item in value)


REWRITES = Write(HTTP_ROUTE, (
    Field("/spec/rules/*/filters", _without_hostname), Field("/spec/rules/*/backendRefs/*/filters", _without_hostname),
), why="the Host that is sent")  # fmt: skip
"""What these switches write."""


def _rewrite(patches: PatchBuilder, obj: Obj, place: tuple[int, int], host: str, sent: str) -> None:
    """Set the Host of one backend: by its rule's filters where it is the rule's only one, else by its own. ``sent`` is what it is now."""
    rule = obj["spec"]["rules"][place[0]]
    reference = rule["backendRefs"][place[1]]
    listed = [*(rule.get("filters") or []), *(reference.get("filters") or [])]
    present = host_set_by(listed) or (sent if any(item.get("extensionRef") for item in listed) else "")
    if present and present != host:
        patches.conflict(obj, f"rule {place[0] + 1} sends Host {present}, the plan needs {host}")
    elif not present and len(rule["backendRefs"]) == 1:
        patches.write(obj, ("spec", "rules", place[0], "filters"), with_hostname(rule.get("filters") or [], host))
    elif not present:
        path = ("spec", "rules", place[0], "backendRefs", place[1], "filters")
        patches.write(obj, path, with_hostname(reference.get("filters") or [], host))


def _rules_to(obj: Obj, backends: set[_BackendKey]) -> Iterator[tuple[int, Obj]]:
    for number, rule in enumerate(dig(obj, "spec", "rules", default=[])):
        if any(_key_of(obj, item) in backends for item in rule.get("backendRefs") or []):
            yield number, rule


def _key_of(obj: Obj, reference: Obj) -> _BackendKey:
    return (
        str(reference.get("namespace") or namespace_of(obj)), str(reference.get("name") or ""), int(reference.get("port") or 0),
    )


def with_hostname(filters: list[Obj], host: str) -> list[Obj]:
    """The filters with the hostname in their URLRewrite; a rule may have one of these only, so one that is there is kept."""
    kept = [dict(item) for item in filters]
    for item in kept:
        if item.get("type") == "URLRewrite":
            item["urlRewrite"] = {**(item.get("urlRewrite") or {}), "hostname": host}
            return kept
    return [*kept, {"type": "URLRewrite", "urlRewrite": {"hostname": host}}]
