# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of every vendor need: its switches' answers, a plan per strategy, and the vendor's own schemas.

The schemas are the vendors' CustomResourceDefinitions, which are no part of this project: tests/tools/vendor_kinds.py says where they are
looked for, and tests say that they were skipped where there are none.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.switches import PatchSet
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Finding, LoadBalancer, Route
from ansible_collections.meshlb.istio.plugins.module_utils.detect.load_balancers import as_understood
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.tools.vendor_kinds import definitions, folder_of
from tests.unit.plugins.module_utils.support.cluster import EDGE, Obj, container, live, namespace, pod, port, service, workload
from tests.unit.plugins.module_utils.support.known import detect, read_routes
from tests.unit.plugins.module_utils.support.planning import Run, contents, run, taken_back

HTTP = [service("shop"), pod("shop"), service("cart"), pod("cart")]
"""Two Services whose ports are declared HTTP, and their pods."""
SHOP_NAME, CART_NAME = "shop.apps.svc.cluster.local", "cart.apps.svc.cluster.local"


def undeclared(name: str = "shop") -> list[Obj]:
    """A Service whose port declares no protocol, and its pod."""
    return [service(name, port("")), pod(name)]


def noted(item: Obj, **annotations: str) -> Obj:
    """A copy with these annotations and no others; the API keeps no empty map."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "annotations"}
    return {**item, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def data_plane(name: str, *args: str, image: str = "", command: tuple[str, ...] = (), env: tuple[str, ...] = (), **more: Any) -> Obj:
    """A Deployment of one container; ``env`` are names of its environment variables, or ``NAME=value``."""
    made = container("main", image=image, args=args, command=command)
    if env:
        pairs = (item.partition("=") for item in env)
        made["env"] = [{"name": key, "value": value} for key, dummy, value in pairs]
    return workload(name, where=more.pop("where", EDGE), containers=[made, *more.pop("containers", [])], **more)


def meshed(*objects: Obj) -> Snapshot:
    """A cluster whose namespace of load balancers is injected."""
    return live(namespace(EDGE, istio_injection="enabled"), namespace("apps"), *objects)


def misread(snapshot: Snapshot) -> list[str]:
    """ConfigMaps whose settings could not be read."""
    found = as_understood(snapshot, REGISTRY).source.unreadable.values()
    return [str(item.ref) for item in found if item.code == "MLB122"]


def the(snapshot: Snapshot, vendor: str) -> LoadBalancer:
    """The one load balancer of a vendor."""
    every = [item for item in detect(snapshot)[0] if item.vendor == vendor]
    # Gateways without a workload stand for load balancers as well.
    (found,) = [item for item in every if item.workload] or every
    return found


def reading(snapshot: Snapshot, vendor: str) -> tuple[list[Route], list[Finding]]:
    return read_routes(snapshot, [the(snapshot, vendor)])


def shown(snapshot: Snapshot, vendor: str) -> list[tuple[Any, ...]]:
    """Host, path, backend and upstream of every route."""
    return [
        (item.host, item.path, f"{item.backend.namespace}/{item.backend.service}:{item.backend.port}",
         item.upstream.address, item.upstream.host, item.upstream.scheme)
        for item in reading(snapshot, vendor)[0]
    ]  # fmt: skip


def switches(snapshot: Snapshot, vendor: str) -> tuple[PatchSet, PatchSet]:
    """The vendor's answers to "Service routing" and "Host" for all of its routes."""
    balancer, routes = the(snapshot, vendor), reading(snapshot, vendor)[0]
    found = REGISTRY.get(vendor).switches
    none = PatchSet(refusal="there is no such setting")
    return (
        found.to_service(
            snapshot, balancer, routes
        ) if found.to_service else none, found.host(snapshot, balancer, routes) if found.host else none,
    )


def patches(switch: PatchSet) -> dict[str, Any]:
    """Value per object's name and path."""
    return {
        f"{item.object['kind']}/{item.object['metadata']['name']} {'.'.join(str(step) for step in item.path)}": item.value
        for item in switch.patches
    }


def served_by(snapshot: Snapshot, strategy: str, *, preserve_host: bool = False) -> Run:
    """A plan with one strategy, of which a second run changes nothing and taking back leaves no trace."""
    first = run(snapshot, strategy, preserve_host=preserve_host)
    second = run(first.after, strategy, preserve_host=preserve_host)
    assert second.written == [], second.changes
    assert contents(taken_back(first.after)) == contents(snapshot)
    return first


STRATEGIES = ("service_vip", "host_rewrite", "host_alias", "host_entry", "headless_twin")


def outcomes(snapshot: Snapshot) -> dict[str, str]:
    """For every strategy what it makes of the cluster's routes: one verdict, or several joined."""
    return {name: "/".join(sorted(served_by(snapshot, name).verdicts)) for name in STRATEGIES}


def injected_pod(app: str) -> Obj:
    """A running pod of the load balancer with its sidecar."""
    return pod(app, where=EDGE)


@cache
def schemas(vendor: str) -> dict[tuple[str, str], Obj]:
    """Schemas by group/version and kind of a vendor's CustomResourceDefinitions."""
    folder = folder_of(vendor)
    if folder is None:
        pytest.skip(f"SKIPPED, not validated: the vendor's schemas ({vendor}) are not on this machine; lab/lab kinds gets some")
    found: dict[tuple[str, str], Obj] = {}
    for item in definitions(folder):
        for version in item["spec"]["versions"]:
            found[(f"{item['spec']['group']}/{version['name']}", item["spec"]["names"]["kind"])] = version["schema"]["openAPIV3Schema"]
    return found


JUNCTORS = ("allOf", "anyOf", "oneOf", "not")


def strict(schema: Any, known: bool = True) -> Any:
    """A structural schema as JSON Schema that refuses unknown fields, as an API server with strict validation does.

    ``known``: what it has for properties are all there are; below a junctor they are only those with more rules.
    """
    if isinstance(schema, list):
        return [strict(item, known) for item in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = ("properties", "format", "default", "description", "pattern")
    made = {key: strict(value, known and key not in JUNCTORS) for key, value in schema.items() if key not in left_out}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "properties" in schema:
        made["properties"] = {key: strict(value, known) for key, value in schema["properties"].items()}
        if known and not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
            made["additionalProperties"] = False
    return made


def validated(item: Obj, vendor: str) -> None:
    """Check an object against the vendor's schema; fails where the schema does not know its kind."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = schemas(vendor)[(item["apiVersion"], item["kind"])]
    # What every object has is none of the schema's business.
    common = ("apiVersion", "kind", "metadata")
    rules = strict(schema)
    needed = [name for name in rules.get("required", []) if name not in common]
    jsonschema.validate({key: value for key, value in item.items() if key not in common}, {**rules, "required": needed})


def validated_after(snapshot: Snapshot, vendor: str, *strategies: str) -> int:
    """Validate every object of the vendor's own kinds as the strategies leave it; gives how many."""
    known, number = schemas(vendor), 0
    for name in strategies:
        for item in contents(served_by(snapshot, name).after).values():
            if (item["apiVersion"], item["kind"]) in known:
                validated(item, vendor)
                number += 1
    return number
