# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of every platform need: a request for a chain, a cluster on the platform's nodes, and the objects that are made."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import ChainRequest, GatewayTarget, LoadBalancerSide
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.profile import Profile
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import LoadBalancer
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import dig

from tests.unit.plugins.module_utils.support.cluster import Obj, live, obj, service
from tests.unit.plugins.module_utils.support.known import detect

GATEWAY = "ingress"
HOST = "shop.example.com"


def target(*, tls: bool = False, server_name: str = "", **more: Any) -> GatewayTarget:
    """The gateway of Istio's chart in namespace ``ingress``: port 80, or port 443 with TLS."""
    port = {"port": 443, "port_name": "https", "target_port": 443} if tls else {}
    return GatewayTarget(**{"name": "gateway", "namespace": GATEWAY, "service": "gateway", "tls": tls, "server_name": server_name,
                            **port, **more})  # fmt: skip


def request(*, gateway: GatewayTarget | None = None, hosts: tuple[str, ...] = (HOST,), **more: Any) -> ChainRequest:
    """A request for a chain named ``chain``; what is no field of a request is an option of the platform."""
    fields = ChainRequest.__dataclass_fields__
    options = {key: more.pop(key) for key in list(more) if key not in fields}
    return ChainRequest(**{"name": "chain", "gateway": gateway or target(), "hosts": hosts, "options": options, **more})


def made(front: LoadBalancerSide) -> dict[str, Obj]:
    """The objects of a front by kind, and by name where there are several of a kind."""
    kinds = [item["kind"] for item in front.bodies]
    return {
        item["kind"] if kinds.count(item["kind"]) == 1 else f"{item['kind']} {item['metadata']['name']}": item for item in front.bodies
    }


def annotations(item: Obj) -> dict[str, str]:
    found: dict[str, str] = dig(item, "metadata", "annotations", default={})
    return found


def node(provider_id: str, name: str = "node-1") -> Obj:
    return obj("v1", "Node", "", name, spec={"providerID": provider_id})


def balanced(name: str = "web", *, class_name: str = "", notes: dict[str, str] | None = None, status: dict[str, str] | None = None) -> Obj:
    """A Service of type LoadBalancer."""
    made_service = service(name)
    made_service["spec"]["type"] = "LoadBalancer"
    if class_name:
        made_service["spec"]["loadBalancerClass"] = class_name
    if notes:
        made_service["metadata"]["annotations"] = notes
    if status:
        made_service["status"] = {"loadBalancer": {"ingress": [status]}}
    return made_service


def found(platform: Profile, *objects: Obj) -> list[LoadBalancer]:
    """The load balancers of a platform that a cluster with these objects tells of."""
    return [item for item in detect(live(*objects))[0] if item.vendor == platform.about.id]
