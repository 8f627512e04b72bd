# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sixty routes that need a hundred writes, and an account that may do what docs/rbac grants and nothing else."""

from __future__ import annotations

from typing import Any

from tests.integration.conftest import LOAD_BALANCER
from tests.integration.support import apps
from tests.integration.support.cluster import Obj
from tests.integration.support.objects import Record

NAMESPACE = "chaos"
TWINS, REWRITES = 40, 20  # two objects each, and one annotation each
WRITES = 2 * TWINS + REWRITES
LB = dict(zip(("namespace", "name"), LOAD_BALANCER, strict=True))
SCOPE: dict[str, Any] = {"namespaces": [NAMESPACE], "load_balancers": ["/".join(LOAD_BALANCER)]}
PLACES = {
    "meshlb-assess": (), "meshlb-chained-read": (), "meshlb-settings": ("istio-system", LOAD_BALANCER[0]),
    "meshlb-load-balancer": LOAD_BALANCER[:1], "meshlb-routes": (NAMESPACE,),
    "meshlb-ingress-nginx-standalone": (NAMESPACE,),
}  # fmt: skip


def routes(image: str) -> list[Obj]:
    """An application, Services for it, and a route to each of them."""
    made = [apps.namespace(NAMESPACE), *apps.echo(NAMESPACE, "echo", image, [8080])]
    for number in range(TWINS + REWRITES):
        strategy = "headless_twin" if number < TWINS else "host_rewrite"
        name = f"r{number:02}"
        made.append(apps.service(NAMESPACE, name, {"app": "echo"}, [apps.port(80, 8080, "http")]))
        pin = {"meshlb.istio/strategy": strategy}
        made.append(apps.ingress(NAMESPACE, name, f"{name}.chaos.example.test", (name, 80), annotations=pin))
    return made


def content(objects: Record) -> Record:
    """Objects without what the API server gives to each one that it makes anew."""
    given = ("uid", "creationTimestamp", "resourceVersion", "generation", "managedFields")
    made = {}
    for key, item in objects.items():
        metadata = {name: value for name, value in item["metadata"].items() if name not in given}
        spec = {name: value for name, value in (item.get("spec") or {}).items() if name not in ("clusterIP", "clusterIPs")}
        made[key] = {**item, "metadata": metadata, **({"spec": spec} if "spec" in item else {})}
    return made
