# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F5 BIG-IP with Container Ingress Services (F5Networks/k8s-bigip-ctlr): traffic leaves from BIG-IP, outside the cluster.

Source: docs/config_examples and helm-charts of the controller. What its own VirtualServers lead to is read, so that the plan can say
per route why only chained mode helps.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.meshlb.istio.plugins.module_utils.model import LoadBalancer, ObjectRef, Route, Upstream
from ansible_collections.meshlb.istio.plugins.module_utils.observe.objects import Obj, dig, name_of, namespace_of, ref_of
from ansible_collections.meshlb.istio.plugins.module_utils.observe.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.base import Facts, RouteReading, Signs
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.ingresses import is_ignored, make_backend, pinned_strategy
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.limited import Limited
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.plain import joined_readings

VIRTUAL_SERVER = "VirtualServer.cis.f5.com"


class F5Cis(Limited):
    """BIG-IP, as its classes and its controller in the cluster tell of it."""

    id = "f5_cis"
    title = "F5 BIG-IP (CIS)"
    placement = "external"
    class_controllers = ("f5.com/cntr-ingress-svcs",)
    kinds = (VIRTUAL_SERVER,)
    controller_signs = Signs(
        commands=("k8s-bigip-ctlr",), flags=(frozenset({"bigip-partition"}),), images=("k8s-bigip-ctlr", "cntr-ingress-svcs"),
    )
    outside = "its traffic leaves from BIG-IP outside the cluster, where no sidecar can be: use chained mode (a pool of Istio's gateway)"
    why_not = "BIG-IP is outside the mesh"
    facts = Facts(
        routes=("Ingress", "VirtualServer (cis.f5.com)"), host="hostRewrite of a pool, of no use outside the mesh",
        remark="chained mode only", versions="2.20",
    )

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        own = (
            route for obj in snapshot.all(VIRTUAL_SERVER) if only is None or ref_of(obj) in only
            for route in self._own(snapshot, load_balancer, obj)
        )
        return joined_readings(super().routes(snapshot, load_balancer, only), RouteReading(tuple(dict.fromkeys(own))))

    def _own(self, snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj) -> Iterator[Route]:
        pools = dig(obj, "spec", "pools", default=[])
        for pool in pools:
            namespace, port = str(pool.get("serviceNamespace") or namespace_of(obj)), pool.get("servicePort") or 0
            yield Route(
                load_balancer=load_balancer.key, object=ref_of(obj), host=str(dig(obj, "spec", "host", default="")),
                path=str(pool.get("path") or "/"), path_type="ImplementationSpecific",
                backend=make_backend(snapshot, namespace, str(pool.get("service", "")), port),
                upstream=Upstream("pod_ips", str(pool.get("hostRewrite") or ""), "http"),
                upstream_group=f"VirtualServer-{namespace_of(obj)}-{name_of(obj)}-{pool.get('service')}-{port}",
                settable=False, why_not_settable=self.why_not, ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
            )
