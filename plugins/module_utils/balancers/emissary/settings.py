# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Emissary was started with, which says of which objects it takes notice.

Source: emissary-ingress/emissary v4.1.0, python/ambassador/src/ambassador/config/config.py (good_ambassador_id). v3.10.0 is alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...istio.proxy_config import METADATA, PROXY_CONFIG, settings_in
from ...kube.objects import Obj, dig, labels_of, namespace_of
from ...kube.selectors import vendor_selector
from ..contract.instances import Neighbours
from ..kit.settings import variable

DEFAULT_ID = "default"


@dataclass(frozen=True)
class Settings:
    """``identity`` is its ambassador_id. ``certificates`` is the folder in which it finds the mesh's certificate, empty without one.

    ``written`` is the folder into which its sidecar writes that certificate, empty where it is not told to.
    """

    identity: str = DEFAULT_ID
    namespace: str = ""
    single_namespace: bool = False
    label_selector: str = ""
    certificates: str = ""
    written: str = ""

    def watches(self, obj: Obj) -> bool:
        """Whether it looks at an object at all: its one namespace, and the labels that it was told."""
        if self.single_namespace and namespace_of(obj) != self.namespace:
            return False
        return vendor_selector(self.label_selector).matches(labels_of(obj))

    def has_our_id(self, spec: Obj) -> bool:
        """Whether ``ambassador_id`` (a word or a list, ``default`` where absent) names this instance."""
        given = spec.get("ambassadorId")
        given = spec.get("ambassador_id", DEFAULT_ID) if given is None else given
        listed = given if isinstance(given, list) else [given]
        return listed == ["_automatic_"] or self.identity in listed

    def takes(self, obj: Obj) -> bool:
        """Whether an object of one of Emissary's own kinds counts here."""
        return self.watches(obj) and self.has_our_id(obj.get("spec") or {})


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """Its environment."""
    return Settings(
        variable(container, "AMBASSADOR_ID") or DEFAULT_ID, variable(container, "AMBASSADOR_NAMESPACE") or namespace_of(workload),
        bool(variable(container, "AMBASSADOR_SINGLE_NAMESPACE")), variable(container, "AMBASSADOR_LABEL_SELECTOR"),
        variable(container, "AMBASSADOR_ISTIO_SECRET_DIR").rstrip("/"), _written(workload),
    )


def _written(workload: Obj) -> str:
    """Source: istio/istio pkg/istio-agent/agent.go (OUTPUT_CERTS: cert-chain.pem, key.pem and root-cert.pem in that folder)."""
    notes = dig(workload, "spec", "template", "metadata", "annotations", default={})
    metadata = (settings_in(notes.get(PROXY_CONFIG)) or {}).get(METADATA)
    return str(metadata.get("OUTPUT_CERTS") or "").rstrip("/") if isinstance(metadata, dict) else ""
