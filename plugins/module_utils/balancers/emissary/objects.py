# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one Emissary instance reads: Mappings wherever they are written, in the order in which it processes them.

Source: emissary-ingress/emissary v4.1.0, python/ambassador/src/ambassador: fetch/ingress.py, fetch/resource.py, config/config.py
(good_ambassador_id), and pkg/snapshot/v1/annotations.go. v3.10.0 is alike in all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...core.model import LoadBalancer, ObjectRef
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, ref_of
from ...kube.selectors import vendor_selector
from ...kube.services import find_port
from ...kube.snapshot import Snapshot
from ..kit.ingresses import class_of, entries, ingress_ref

GROUP = "getambassador.io"
MAPPING, TCP_MAPPING, MODULE = f"Mapping.{GROUP}", f"TCPMapping.{GROUP}", f"Module.{GROUP}"
HOST, TLS_CONTEXT = f"Host.{GROUP}", f"TLSContext.{GROUP}"
SERVICE_RESOLVER, ENDPOINT_RESOLVER = "KubernetesServiceResolver", "KubernetesEndpointResolver"
CONSUL_RESOLVER = "ConsulResolver"
RESOLVERS = tuple(f"{kind}.{GROUP}" for kind in (SERVICE_RESOLVER, ENDPOINT_RESOLVER, CONSUL_RESOLVER))
ANNOTATION, ID_ANNOTATION = f"{GROUP}/config", f"{GROUP}/ambassador-id"
CLASS = "ambassador"


@dataclass(frozen=True)
class Declared:
    """One Mapping or TCPMapping. ``owner`` is the object that holds it, ``origin`` says what that is to Emissary."""

    kind: str
    name: str
    namespace: str
    spec: Obj = field(compare=False)
    labels: dict[str, str] = field(compare=False)
    owner: Obj = field(compare=False)
    ref: ObjectRef
    origin: str  # object, annotation or ingress
    rank: str  # Emissary sorts what it read by this text

    @property
    def is_tcp(self) -> bool:
        return self.kind == "TCPMapping"


class Reader:
    """The objects that one instance takes notice of."""

    def __init__(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> None:
        self.snapshot = snapshot
        self.load_balancer = load_balancer
        self.namespace = str(load_balancer.setting("namespace", load_balancer.namespace))

    def watches(self, obj: Obj) -> bool:
        """Whether it looks at an object at all: its one namespace, and the labels that it was told."""
        if self.load_balancer.setting("single_namespace") and namespace_of(obj) != self.namespace:
            return False
        return vendor_selector(str(self.load_balancer.setting("label_selector", ""))).matches(labels_of(obj))

    def has_our_id(self, spec: Obj) -> bool:
        """Whether ``ambassador_id`` (a word or a list, ``default`` where absent) names this instance."""
        wanted = spec.get("ambassadorId")
        wanted = spec.get("ambassador_id", "default") if wanted is None else wanted
        listed = wanted if isinstance(wanted, list) else [wanted]
        return listed == ["_automatic_"] or self.load_balancer.setting("ambassador_id", "default") in listed

    def ours(self, kind: str) -> list[Obj]:
        """Objects of one of Emissary's own kinds that count here."""
        return [item for item in self.snapshot.all(kind) if self.watches(item) and self.has_our_id(item.get("spec") or {})]

    def declared(self, only: frozenset[ObjectRef] | None = None) -> list[Declared]:
        """Every Mapping and TCPMapping, Mappings first, each in Emissary's order; ``only`` those that these objects hold."""
        found = [*self._objects(only), *self._annotations(only), *self._ingresses(only)]
        return sorted(found, key=lambda item: (item.is_tcp, item.rank))

    def _candidates(self, kind: str, only: frozenset[ObjectRef] | None) -> list[Obj]:
        if only is None:
            return self.snapshot.all(kind)
        group = kind.partition(".")[2]
        named = sorted(ref for ref in only if ref.kind == kind.partition(".")[0] and ref.group == group)
        return [item for item in (self.snapshot.get(kind, ref.namespace, ref.name) for ref in named) if item is not None]

    def _objects(self, only: frozenset[ObjectRef] | None) -> Iterator[Declared]:
        for kind in (MAPPING, TCP_MAPPING):
            for item in self._candidates(kind, only):
                spec = item.get("spec") or {}
                if self.watches(item) and self.has_our_id(spec):
                    name, namespace, ref = name_of(item), namespace_of(item), ref_of(item)
                    rank = f"{name}.{namespace}.1"
                    yield Declared(kind.partition(".")[0], name, namespace, spec, labels_of(item), item, ref, "object", rank)

    def _annotations(self, only: frozenset[ObjectRef] | None) -> Iterator[Declared]:
        for kind in (kinds.SERVICE, kinds.INGRESS):
            for item in self._candidates(kind, only):
                if ANNOTATION in annotations_of(item) and self.watches(item):
                    yield from self._annotated(item)

    def _annotated(self, item: Obj) -> Iterator[Declared]:
        ref = ingress_ref(item) if item.get("kind") == "Ingress" else ref_of(item)
        for number, document in enumerate(documents(annotations_of(item)[ANNOTATION])):
            spec = {key: value for key, value in document.items() if key not in ("apiVersion", "kind", "metadata", "spec", "status")}
            spec.update(document.get("spec") or {})
            if document.get("kind") in ("Mapping", "TCPMapping") and self.has_our_id(spec):
                name = str(document.get("name") or dig(document, "metadata", "name", default=""))
                namespace = str(document.get("namespace") or dig(document, "metadata", "namespace", default="") or ref.namespace)
                labels = document.get("metadata_labels") or dig(document, "metadata", "labels", default=labels_of(item))
                rank = f"{ref.name}.{ref.namespace}.{number + 1}"
                yield Declared(str(document["kind"]), name, namespace, spec, dict(labels), item, ref, "annotation", rank)

    def _ingresses(self, only: frozenset[ObjectRef] | None) -> Iterator[Declared]:
        """Ingresses as Emissary itself turns them into Mappings: no resolver, no Host, and the path cut off by default."""
        for item in self._candidates(kinds.INGRESS, only):
            name, annotation = class_of(item)
            own_id = annotations_of(item).get(ID_ANNOTATION, "default")
            by_class = name in self.load_balancer.classes or annotation.lower() == CLASS
            if not by_class or own_id != self.load_balancer.setting("ambassador_id", "default") or not self.watches(item):
                continue
            for number, entry in enumerate(entries(item)):
                spec = {
                    "prefix": entry.path, "prefix_exact": entry.path_type == "Exact", "hostname": entry.host or "*",
                    "service": f"{entry.service}.{namespace_of(item)}:{self._number(item, entry.service, entry.reference)}",
                    "precedence": int(entry.path_type == "Exact"),
                }
                own = f"{name_of(item)}-{number}"
                yield Declared(
                    "Mapping", own, namespace_of(item), spec, labels_of(item), item, ingress_ref(item), "ingress",
                    f"{own}.{namespace_of(item)}.1",
                )

    def _number(self, ingress: Obj, service: str, reference: int | str) -> int | str:
        found = self.snapshot.get(kinds.SERVICE, namespace_of(ingress), service)
        port = find_port(found, reference) if found else None
        return int(port.get("port", 0)) if port else reference


def documents(text: str) -> list[Obj]:
    """The objects in an annotation's YAML; an annotation that cannot be parsed is ignored as a whole, as Emissary does."""
    # Imported here: hosts that only ever import this file (documentation builds, sanity checks) need no PyYAML.
    import yaml

    try:
        found: list[Any] = list(yaml.safe_load_all(text))
    except yaml.YAMLError:
        return []
    return [item for item in found if isinstance(item, dict)]
