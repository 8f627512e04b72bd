# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several load balancers' sides write alike, as their declarations say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...core.interception import EXCLUDE_INBOUND_PORTS, EXCLUDE_OUTBOUND_PORTS, INCLUDE_INBOUND_PORTS
from ...core.marks import CREATED_AS, LOAD_BALANCERS
from ...core.pointers import pointer
from ...core.writes import Field, Write, annotation, none_before
from ...istio.injection import INJECT, REVISION, TLS_MODE
from ...istio.proxy_config import PROXY_CONFIG, extends
from ...kube import kinds
from ...kube.objects import dig
from ..contract.chain import ChainSide
from .gateway.names import HTTP_ROUTE

_LONGEST = 40
"""Names that are cut keep this much of the gateway's name at least."""


def of_a_chain(obj: Mapping[str, Any]) -> bool:
    """Whether an object is named as a chain names what it makes: after the gateway of a chain that the object is noted for."""
    name = _plain(str(dig(obj, "metadata", "name", default="")))
    chains = str(dig(obj, "metadata", "annotations", LOAD_BALANCERS, default="")).split(",")
    return any(">" in chain and _begins_with(name, _plain(chain.rpartition("/")[2])) for chain in chains)


def _plain(name: str) -> str:
    return name.replace(".", "-")


def _begins_with(name: str, gateway: str) -> bool:
    cut = gateway[:_LONGEST]
    return bool(gateway) and (name == gateway or name.startswith(f"{gateway}-" if cut == gateway else cut))


def named_by_its_user(obj: Mapping[str, Any]) -> bool:
    """Whether an object has the name under which it was created: for names that are options. The first release did not note them."""
    return dig(obj, "metadata", "annotations", CREATED_AS) is not None


def made_for_chains(*kinds_made: str) -> tuple[Write, ...]:
    """Objects of these kinds that a load balancer needs on its side of a chain."""
    return tuple(Write(kind, named=of_a_chain, why="the load balancer's side of a chain") for kind in kinds_made)


def declaring(side: ChainSide, *writes: Write) -> ChainSide:
    """A side of a chain with the declaration of what it writes."""
    return replace(side, facts=replace(side.facts, writes=writes))


def gateway_service(*keys: str, fields: tuple[Field, ...] = ()) -> tuple[Write, ...]:
    """Annotations and fields of the gateway's own Service that a load balancer needs."""
    noted = tuple(annotation(key, joined_map) for key in keys)
    return (Write(kinds.SERVICE, (*noted, *fields), place="gateway", why="what the gateway's Service tells the load balancer"),)


def joined_map(value: Any, was: Any) -> bool:
    """What may have been there before an annotation: nothing, or a JSON map of which all is kept."""
    return isinstance(value, str) and isinstance(was, str) and was.startswith("{") and len(was) < len(value)


def service_reference(value: Any, was: Any) -> bool:
    """What an Ingress may have named before: a Service with its port, and nothing else."""
    if not isinstance(was, dict) or not was.keys() <= {"name", "port"} or not isinstance(was.get("port", {}), dict):
        return False
    return isinstance(was.get("name"), str) and was.get("port", {}).keys() <= {"name", "number"}


LOCAL_FIELD = Field("/spec/externalTrafficPolicy")
CLASS_FIELD = Field("/spec/loadBalancerClass", none_before)
INGRESS_BACKENDS = (
    Field("/spec/rules/*/http/paths/*/backend/service", service_reference), Field("/spec/defaultBackend/service", service_reference),
)
"""Where an Ingress names Services."""
BACKEND_REFS = (Field("/spec/rules/*/backendRefs/*/name"), Field("/spec/rules/*/backendRefs/*/port"))
"""Where an HTTPRoute names Services."""
SERVICES_OF_ROUTES = (Field("/spec/routes/*/services/*/name"), Field("/spec/routes/*/services/*/port"))
"""Where several kinds name Services."""


def redirects(*own: Write, annotations: tuple[str, ...] = ()) -> tuple[Write, ...]:
    """What chained mode writes for a load balancer that serves Ingresses: their backends, and what stands for the gateway beside them.

    ``annotations`` are those of Ingresses that TLS to the gateway needs.
    """
    noted = tuple(annotation(key, none_before) for key in annotations)
    return (Write(kinds.INGRESS, (*INGRESS_BACKENDS, *noted), of_a_chain, why="leads requests to the gateway"), *stand_ins(), *own)


def stand_ins() -> tuple[Write, ...]:
    """What chained mode makes beside routes so that they can name the gateway."""
    why = "stands for the gateway where routes are"
    return tuple(Write(kind, named=of_a_chain, why=why) for kind in (kinds.SERVICE, kinds.ENDPOINT_SLICE))


def http_routes(*, with_objects: bool = False) -> Write:
    """What chained mode writes of HTTPRoutes: the Services that they name, and routes of its own where the load balancer needs some."""
    return Write(HTTP_ROUTE, BACKEND_REFS, of_a_chain if with_objects else None, why="leads requests to the gateway")


def pod_fields(holder: str) -> tuple[Field, ...]:
    """Labels and annotations of pods that decide about their sidecar, below this pointer to what holds both."""
    labels = (INJECT, REVISION, TLS_MODE)
    annotations = (INCLUDE_INBOUND_PORTS, EXCLUDE_INBOUND_PORTS, EXCLUDE_OUTBOUND_PORTS)
    plain = tuple(
        Field(holder + pointer((place, key)))
        for place, keys in (("labels", labels), ("annotations", annotations)) for key in keys
    )
    return (*plain, Field(holder + pointer(("annotations", PROXY_CONFIG)), extends))
