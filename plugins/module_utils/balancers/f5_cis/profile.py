# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F5 BIG-IP with Container Ingress Services (F5Networks/k8s-bigip-ctlr): traffic leaves from BIG-IP, outside the cluster.

Source: docs/config_examples and helm-charts of the controller. What its own VirtualServers lead to is read, so that the plan can say
per route why only chained mode helps. For chained mode (68c2c90): CustomResource.md (pools, monitors with targetPort, TLSProfile) and
VirtualServerWithTLSProfile/tls-with-serverName (serverSSLParams.serverName is sent as server name, where the profiles come from Secrets).
UNCONFIRMED: which server name a profile of BIG-IP's own sends; its settings decide, so none is taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...core.model import Route, replace
from ...kube.objects import dig, namespace_of
from ..contract.facts import About, Facts
from ..contract.recognition import Recogniser, Signs
from ..kit.limited import limited
from ..kit.objects import BackendHandling, ServedObject, object_reader
from .chain import CHAIN, HEALTH, VIRTUAL_SERVER

OUTSIDE = "its traffic leaves from BIG-IP outside the cluster, where no sidecar can be: use chained mode (a pool of Istio's gateway)"
WHY_NOT = "BIG-IP is outside the mesh"
FACTS = Facts(
    routes=("Ingress", "VirtualServer (cis.f5.com)"), host="hostRewrite of a pool, of no use outside the mesh",
    remark="chained mode only", versions="2.20",
)
CONTROLLER = Signs(
    commands=("k8s-bigip-ctlr",), flags=(frozenset({"bigip-partition"}),), images=("k8s-bigip-ctlr", "cntr-ingress-svcs"),
)


def routes(item: ServedObject) -> Iterator[Route]:
    """Routes of a VirtualServer, one per pool."""
    host = str(dig(item.obj, "spec", "host", default=""))
    for pool in dig(item.obj, "spec", "pools", default=[]):
        namespace, service = str(pool.get("serviceNamespace") or namespace_of(item.obj)), str(pool.get("service", ""))
        handling = BackendHandling(host=str(pool.get("hostRewrite") or ""), why_not_settable=WHY_NOT)
        yield item.route((namespace, service, pool.get("servicePort") or 0), handling, host=host, path=str(pool.get("path") or "/"))


PROFILE = replace(limited(
    About("f5_cis", "F5 BIG-IP (CIS)", placement="external", outside=OUTSIDE, facts=FACTS),
    Recogniser(classes=("f5.com/cntr-ingress-svcs",), controller=CONTROLLER), WHY_NOT,
    readers=(object_reader(VIRTUAL_SERVER, routes),), chain=CHAIN,
), health=HEALTH)
