# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading plain Ingresses, for every vendor that serves them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...core import marks
from ...core.findings import finding
from ...core.model import Backend, Finding, ObjectRef
from ...istio.protocols import port_protocol
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, namespace_of
from ...kube.services import find_port
from ...kube.snapshot import Snapshot

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
IGNORE, STRATEGY = marks.IGNORE, marks.STRATEGY


@dataclass(frozen=True)
class Entry:
    """One (host, path) of an Ingress. ``reference`` is the backend's port as written; a default backend has no path."""

    host: str
    path: str
    path_type: str
    service: str
    reference: int | str
    default: bool = False


def entries(ingress: Obj) -> Iterator[Entry]:
    """All entries of an Ingress that lead to a Service, in the order in which they are written, default backend first."""
    default = dig(ingress, "spec", "defaultBackend")
    if default and default.get("service"):
        yield Entry("", "/", "Prefix", *_service(default), default=True)
    for rule in dig(ingress, "spec", "rules", default=[]):
        for path in dig(rule, "http", "paths", default=[]):
            backend = path.get("backend") or {}
            if backend.get("service"):
                yield Entry(
                    str(rule.get("host", "")), str(path.get("path") or "/"), str(path.get("pathType", "ImplementationSpecific")),
                    *_service(backend),
                )


def resource_findings(ingress: Obj) -> Iterator[Finding]:
    """That backends of an Ingress are resources other than Services, which is no route."""
    number = resource_backends(ingress)
    if number:
        yield finding("MLB208", f"{number} backend(s) are resources, not Services", ingress_ref(ingress))


def resource_backends(ingress: Obj) -> int:
    """How many backends of an Ingress are resources other than Services."""
    found = [dig(ingress, "spec", "defaultBackend", default={})]
    for rule in dig(ingress, "spec", "rules", default=[]):
        found += [path.get("backend") or {} for path in dig(rule, "http", "paths", default=[])]
    return sum(1 for item in found if item.get("resource"))


def _service(backend: Obj) -> tuple[str, int | str]:
    service = backend["service"]
    port = service.get("port") or {}
    return str(service.get("name", "")), port.get("number") or str(port.get("name") or 0)


def make_backend(snapshot: Snapshot, namespace: str, service: str, reference: int | str) -> Backend:
    """The Service port that a reference (number or name) leads to; number 0 where there is no such port."""
    return resolved_backend(snapshot.get(kinds.SERVICE, namespace, service), namespace, service, reference)


def resolved_backend(found: Obj | None, namespace: str, service: str, reference: int | str) -> Backend:
    """The same, for a Service that is known, or known to be absent."""
    port = find_port(found, reference) if found else None
    if port is None:
        return Backend(namespace, service, reference if isinstance(reference, int) else 0, str(reference), "unknown")
    return Backend(namespace, service, int(port.get("port", 0)), str(port.get("name") or ""), port_protocol(port))


def class_of(ingress: Obj) -> tuple[str, str]:
    """``(spec.ingressClassName, class annotation)``, each empty where it is absent."""
    return str(dig(ingress, "spec", "ingressClassName", default="")), annotations_of(ingress).get(CLASS_ANNOTATION, "")


def is_ignored(obj: Obj) -> bool:
    """Whether the object asks to be left alone."""
    return annotations_of(obj).get(IGNORE) == "true"


def pinned_strategy(snapshot: Snapshot, obj: Obj) -> str:
    """The strategy that the object, else its namespace, pins; empty where neither does."""
    own = annotations_of(obj).get(STRATEGY, "")
    if own:
        return own
    namespace = snapshot.get(kinds.NAMESPACE, "", namespace_of(obj))
    return annotations_of(namespace).get(STRATEGY, "") if namespace else ""


def ingress_ref(ingress: Obj) -> ObjectRef:
    return ObjectRef(str(ingress.get("apiVersion")), "Ingress", namespace_of(ingress), str(dig(ingress, "metadata", "name")))
