# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting the Host of Gateway API routes: the standard's own way (URLRewrite of a rule), for every vendor that follows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ansible_collections.meshlb.istio.plugins.module_utils.findings import finding
from ansible_collections.meshlb.istio.plugins.module_utils.model import Backend, Finding, ObjectRef, Route
from ansible_collections.meshlb.istio.plugins.module_utils.observe.objects import Obj, dig, kind_key, namespace_of
from ansible_collections.meshlb.istio.plugins.module_utils.observe.services import CLUSTER_DOMAIN
from ansible_collections.meshlb.istio.plugins.module_utils.observe.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.base import Switch, Wish
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.gateway_api import host_set_by

Named = Callable[[Backend], str]


def service_name(backend: Backend) -> str:
    """The name by which the mesh knows a Service."""
    return f"{backend.service}.{backend.namespace}.svc.{CLUSTER_DOMAIN}"


def rewrite_hosts(snapshot: Snapshot, routes: Iterable[Route], named: Named = service_name) -> Switch:
    """The filters that make every rule behind these routes send its backend's name as Host.

    Of a rule only the list of its filters is written, so that whoever shifts weights or edits other rules meanwhile is not
    in the way. Refused for what has no such filter, and for a rule with several backends: it sends all of them one Host, and
    on ports that are declared HTTP the Host decides, so one backend would get every request.
    """
    wanted: dict[ObjectRef, set[tuple[str, str, int]]] = {}
    for route in routes:
        wanted.setdefault(route.object, set()).add((route.backend.namespace, route.backend.service, route.backend.port))
    wishes: list[Wish] = []
    conflicts: list[Finding] = []
    for ref in sorted(wanted):
        if ref.kind != "HTTPRoute":
            return Switch(refusal=f"{ref.kind} has no filter that rewrites the Host")
        obj = snapshot.get(kind_key(ref.api_version, ref.kind), ref.namespace, ref.name) or {}
        for number, rule in _rules_to(obj, wanted[ref]):
            if len(rule["backendRefs"]) > 1:
                return Switch(refusal=f"rule {number + 1} of {ref} has several backends, and one Host would lead to one of them only")
            backend = _backend(obj, rule["backendRefs"][0])
            host = named(Backend(*backend))
            present = host_set_by(rule["backendRefs"][0].get("filters")) or host_set_by(rule.get("filters"))
            if present and present != host:
                conflicts.append(finding("MLB203", f"rule {number + 1} sends Host {present}, the plan needs {host}", ref))
            elif not present:
                wishes.append(Wish(obj, ("spec", "rules", number, "filters"), with_hostname(rule.get("filters") or [], host)))
    if conflicts:
        return Switch(refusal=f"{conflicts[0].object}: {conflicts[0].message}", findings=tuple(conflicts))
    return Switch(tuple(wishes))


def _rules_to(obj: Obj, backends: set[tuple[str, str, int]]) -> Iterator[tuple[int, Obj]]:
    for number, rule in enumerate(dig(obj, "spec", "rules", default=[])):
        if any(_backend(obj, item) in backends for item in rule.get("backendRefs") or []):
            yield number, rule


def _backend(obj: Obj, reference: Obj) -> tuple[str, str, int]:
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
