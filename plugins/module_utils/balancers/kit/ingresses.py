# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading plain Ingresses, for every vendor that serves them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...core.findings import finding
from ...core.model import Finding, ObjectRef
from ...kube.default_class import CLASS_ANNOTATION
from ...kube.objects import Obj, annotations_of, dig, name_of, namespace_of


@dataclass(frozen=True)
class IngressEntry:
    """One (host, path) of an Ingress. ``reference`` is the backend's port as written; a default backend has no path.

    ``namespace`` is the Service's, where that is not the Ingress's own.
    ``shared``: it is one of several backends that share the requests of one path. ``unread``: why its backend is not known.
    """

    host: str
    path: str
    path_type: str
    service: str
    reference: int | str
    default: bool = False
    shared: bool = False
    unread: str = ""
    namespace: str = ""


def entries(ingress: Obj) -> Iterator[IngressEntry]:
    """All entries of an Ingress that lead to a Service, in the order in which they are written, default backend first."""
    default = dig(ingress, "spec", "defaultBackend")
    if default and default.get("service"):
        yield IngressEntry("", "/", "Prefix", *_service(default), default=True)
    for rule in dig(ingress, "spec", "rules", default=[]):
        for path in dig(rule, "http", "paths", default=[]):
            backend = path.get("backend") or {}
            if backend.get("service"):
                yield IngressEntry(
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


def entry_group(ingress: Obj, entry: IngressEntry) -> str:
    """The upstream of an entry where the load balancer makes one for each."""
    return f"Ingress-{namespace_of(ingress)}-{name_of(ingress)}-{entry.host}-{entry.path}"


def class_of(ingress: Obj) -> tuple[str, str]:
    """``(spec.ingressClassName, class annotation)``, each empty where it is absent."""
    return str(dig(ingress, "spec", "ingressClassName", default="")), annotations_of(ingress).get(CLASS_ANNOTATION, "")


def ingress_ref(ingress: Obj) -> ObjectRef:
    return ObjectRef(str(ingress.get("apiVersion")), "Ingress", namespace_of(ingress), str(dig(ingress, "metadata", "name")))
