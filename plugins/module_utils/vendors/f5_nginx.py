# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NGINX Ingress Controller of F5 (nginx/kubernetes-ingress): recognised, so that it is not taken for ingress-nginx.

Both call their class ``nginx``; this one's class must have the controller ``nginx.org/ingress-controller``.
"""

from __future__ import annotations

from ansible_collections.meshlb.istio.plugins.module_utils.model import LoadBalancer, ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.observe.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.base import Profile, RouteReading, Signs
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.plain import classes_of_controller, plain_routes


class F5Nginx(Profile):
    """F5's NGINX Ingress Controller; its own kinds (VirtualServer and others) are not read yet."""

    id = "f5_nginx"
    title = "NGINX Ingress Controller (F5)"
    class_controllers = ("nginx.org/ingress-controller",)
    signs = Signs(
        commands=("nginx-ingress",),
        flags=(frozenset({"nginx-configmaps"}),),
        images=("nginx/nginx-ingress", "nginx-ic/nginx-plus-ingress", "nginx-ic/nginx-ingress"),
    )

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        return classes_of_controller(self, snapshot)

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        return plain_routes(snapshot, load_balancer, only)
