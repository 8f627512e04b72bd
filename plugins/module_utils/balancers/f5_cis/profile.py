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

from ...core.findings import finding
from ...core.model import Finding, Route, replace
from ...kube.objects import dig, namespace_of, ref_of
from ..contract.facts import About, Facts
from ..contract.recognition import Recogniser, Signs
from ..kit.limited import limited
from ..kit.objects import BackendHandling, ServedObject, object_reader
from .chain import CHAIN, HEALTH, VIRTUAL_SERVER

OUTSIDE = "its traffic leaves from BIG-IP outside the cluster, where no sidecar can be: use chained mode (a pool of Istio's gateway)"
TRANSPORT_SERVER = "TransportServer.cis.f5.com"
WHY_NOT = "BIG-IP is outside the mesh"
FACTS = Facts(
    routes=("Ingress", "VirtualServer, TransportServer (cis.f5.com)"), host="hostRewrite of a pool, of no use outside the mesh",
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


def streams(item: ServedObject) -> Iterator[Route | Finding]:
    """Routes of a TransportServer, to its pools."""
    obj = item.obj
    kind, listed = str(dig(obj, "spec", "type", default="tcp")).lower(), dig(obj, "spec", "pools", default=[])
    if kind == "udp":
        yield finding("MLB205", f"{ref_of(obj)} is UDP, which the mesh does not carry", ref_of(obj))
        return
    for pool in (*filter(None, [dig(obj, "spec", "pool")]), *listed):
        namespace, service = str(pool.get("serviceNamespace") or namespace_of(obj)), str(pool.get("service", ""))
        handling, path = BackendHandling(scheme="tcp", why_not_settable=WHY_NOT), f"tcp:{dig(obj, 'spec', 'virtualServerPort', default=0)}"
        host = str(dig(obj, "spec", "host", default=""))
        yield item.route((namespace, service, pool.get("servicePort") or 0), handling, host=host, path=path, path_type="Stream")


PROFILE = replace(limited(
    About("f5_cis", "F5 BIG-IP (CIS)", placement="external", outside=OUTSIDE, facts=FACTS),
    Recogniser(classes=("f5.com/cntr-ingress-svcs",), controller=CONTROLLER), WHY_NOT,
    readers=(object_reader(VIRTUAL_SERVER, routes), object_reader(TRANSPORT_SERVER, streams)), chain=CHAIN,
), health=HEALTH)
