# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The default IngressClass, which the API server writes into Ingresses that name none when they are created. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.findings import finding
from . import kinds
from .objects import Obj, annotations_of, created_at, dig, kind_key_of, name_of, ref_of
from .snapshot import Source

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


def is_default_class(ingress_class: Obj) -> bool:
    """Whether objects without a class get this one."""
    return annotations_of(ingress_class).get(DEFAULT_CLASS_ANNOTATION) == "true"


def with_default_class(objects: Sequence[Obj], source: Source) -> list[Obj]:
    """Objects of manifests as they will be once they are created; what was created already got its class then, or none."""
    defaults = [item for item in objects if kind_key_of(item) == kinds.INGRESS_CLASS and is_default_class(item)]
    without = {id(item) for item in objects if kind_key_of(item) == kinds.INGRESS and _gets_the_default(item)}
    if not defaults or not without:
        return list(objects)
    # As the API server sorts them: the newest, and of one second the first by name.
    newest = max(map(created_at, defaults))
    name = min(name_of(item) for item in defaults if created_at(item) == newest)
    if len(defaults) > 1:
        names = ", ".join(sorted(map(name_of, defaults)))
        message = f"IngressClasses {names} are marked as default; {len(without)} Ingress(es) without a class are taken to get {name}"
        source.remarks.append(finding("MLB154", message, ref_of(defaults[0]), details={"classes": sorted(map(name_of, defaults))}))
    return [{**item, "spec": {**item["spec"], "ingressClassName": name}} if id(item) in without else item for item in objects]


def _gets_the_default(ingress: Obj) -> bool:
    created = dig(ingress, "metadata", "creationTimestamp", default="")
    named = dig(ingress, "spec", "ingressClassName") is not None or annotations_of(ingress).get(CLASS_ANNOTATION, "")
    return not created and not named and isinstance(ingress.get("spec"), dict)
