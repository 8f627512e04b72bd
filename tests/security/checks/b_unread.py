# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C3, M11, once for each kind, module and way to fail: a list that does not come is never an empty one."""

from __future__ import annotations

import json

from tests.security.checks.b_lists import traefik
from tests.security.kit import clusters as c
from tests.security.kit import fakeapi as api
from tests.security.kit import lists
from tests.security.kit.core import check, demand

MESH = ("PeerAuthentication", "DestinationRule", "VirtualService", "ServiceEntry", "Sidecar")
USUAL = (
    "Namespace", "Pod", "Service", "EndpointSlice", "Ingress", "IngressClass", "Deployment", "DaemonSet", "StatefulSet",
    "MutatingWebhookConfiguration", "ConfigMap", "Node",
)
GROUPS = ("networking.istio.io/v1", "security.istio.io/v1", "apps/v1", "discovery.k8s.io/v1", "networking.k8s.io/v1")
SIDECAR = {"load_balancer": c.LB, "wait": False}


def listing(kind):
    return rf"/{api.plural(kind)}(\?|$)"


def refused(kind, times=-1, code=403):
    """Refuse the lists of a kind, for good."""
    said = f'{api.plural(kind)} is forbidden: User "checks" cannot list' if code == 403 else "no such list"
    return lambda server: server.fault("GET", listing(kind), api.refusal(code, said, "Forbidden" if code == 403 else ""), times)


def answered(kind, body):
    text = body if isinstance(body, str) else json.dumps(body)
    return lambda server: server.fault("GET", listing(kind), api.text(text), -1)


def unserved(group):
    return lambda server: server.stop_serving(group)


def each(t, key, objects, cases, **args):
    for words, spoil in cases:
        lists.second_run(t, key, objects, spoil, lasting=True, named=words, **args)


@check("C3-right-was-lost-on-the-meshs-kinds", "A kind of Istio's is refused (403): nothing is written or taken back, and it is named.")
def c3_right_was_lost_on_the_meshs_kinds(t):
    for strategy in ("auto", "host_entry"):
        each(t, f"plain-{strategy}", c.plain(), [([kind], refused(kind)) for kind in MESH], strategy=strategy)


@check("C3-right-was-lost-on-usual-kinds", "A kind that every cluster has is refused (403): nothing is written, and it is named.")
def c3_right_was_lost_on_usual_kinds(t):
    each(t, "plain-host_entry", c.plain(), [([kind], refused(kind)) for kind in USUAL], strategy="host_entry")


@check("C3-settings-were-lost", "ConfigMaps that may no longer be read (403) change nothing for routes that rest on them.")
def c3_settings_were_lost(t):
    objects = c.plain(settings={"service-upstream": "true"})
    lists.second_run(t, "plain-upstream", objects, refused("ConfigMap"), lasting=True, named=["configmap"], strategy="host_alias")


@check("C3-groups-not-in-discovery", "A group of the mesh, or of Kubernetes itself, that is not served: nothing is taken back in silence.")
def c3_groups_not_in_discovery(t):
    each(t, "plain-host_entry", c.plain(), [([item.partition("/")[0]], unserved(item)) for item in GROUPS], strategy="host_entry")


@check("C3-lists-that-are-not-found", "404 for a list that discovery names: nothing is taken back in silence.")
def c3_lists_that_are_not_found(t):
    cases = [([kind], refused(kind, code=404)) for kind in ("ServiceEntry", "Ingress", "Pod")]
    each(t, "plain-host_entry", c.plain(), cases, strategy="host_entry")
    each(t, "traefik", traefik(), [(["IngressRoute"], refused("IngressRoute", code=404))])


@check("C3-errors-for-good", "A list that fails for good, in whichever way, takes nothing back.")
def c3_errors_for_good(t):
    for code in (400, 405, 410, 500, 503):
        lists.second_run(t, "traefik", traefik(), refused("IngressRoute", code=code), lasting=True, named=["ingressroute"])


@check("C3-helpers-of-routes", "A kind that says how routes are served is refused (403) or not served: nothing is taken back.")
def c3_helpers_of_routes(t):
    middleware = c.obj("traefik.io/v1alpha1", "Middleware", "strip", "victim", {"stripPrefix": {"prefixes": ["/x"]}})
    each(t, "traefik-middleware", [*traefik(), middleware], [(["Middleware"], refused("Middleware"))])


@check("C3-other-load-balancers", "The same for another load balancer's own kind.")
def c3_other_load_balancers(t):
    objects = c.before_mesh(c.emissary(), c.mapping("shop", "victim", "shop.example.com", "web.victim:80"))
    gone = [(["Mapping", "getambassador.io"], refused("Mapping")), (["Mapping", "getambassador.io"], unserved("getambassador.io/v3alpha1"))]
    each(t, "emissary", objects, gone)


@check("C3-no-list-for-good", "No answer of another shape counts as an empty list.")
def c3_no_list_for_good(t):
    version = {"kind": "IngressRouteList", "apiVersion": "traefik.io/v1alpha1"}
    bodies = (
        [], None, "text", {}, {"kind": "Status", "status": "Success"}, version, {**version, "items": None}, {**version, "items": {}},
        {**version, "items": [None]}, {"kind": "PodList", "apiVersion": "v1", "items": []}, "", "<html></html>",
    )
    for body in bodies:
        lists.second_run(t, "traefik", traefik(), answered("IngressRoute", body), lasting=True, named=["ingressroute"])


@check("C3-rollback-sees-all", "A rollback that may not list a kind that it wrote stops before it writes.")
def c3_rollback_sees_all(t):
    for kind in ("Service", "DestinationRule", "ServiceEntry", "VirtualService", "PeerAuthentication", "Ingress", "Deployment"):
        for strategy in ("headless_twin", "host_alias"):
            lists.taken_back(t, f"plain-{strategy}", c.plain(), refused(kind), strategy=strategy)
    for spoil in (refused("IngressRoute"), unserved("traefik.io/v1alpha1"), refused("IngressRoute", code=404)):
        lists.taken_back(t, "traefik", traefik(), spoil)
        lists.taken_back(t, "traefik-alias", traefik(), spoil, strategy="host_alias")
    for group in GROUPS:
        lists.taken_back(t, "plain-host_alias", c.plain(), unserved(group), strategy="host_alias")


@check("C3-chain-stays", "chained_gateway: a kind that is refused or not served leads nobody away from the gateway.")
def c3_chain_stays(t):
    objects = [*traefik(), *c.gateway()]
    gone = [
        (["IngressRoute"], refused("IngressRoute")), (["IngressRoute", "traefik.io"], unserved("traefik.io/v1alpha1")),
        *(([kind], refused(kind)) for kind in ("VirtualService", "Gateway", "Service", "Deployment", "Pod")),
    ]
    for words, spoil in gone:
        lists.second_run(t, "traefik-chain", objects, spoil, lasting=True, named=words, module="chained_gateway", **c.CHAIN)
    gone += [([], unserved("networking.istio.io/v1")), ([], refused("Gateway", code=404)), ([], refused("VirtualService", code=404))]
    for _words, spoil in gone:
        lists.taken_back(t, "traefik-chain", objects, spoil, module="chained_gateway", back={"wait": False, "drain": 0}, **c.CHAIN)
    modern = {**c.CHAIN, "gateway": {**c.CHAIN["gateway"], "api": "gateway_api", "create": True}}
    named = {"module": "chained_gateway", "back": {"wait": False, "drain": 0}, **modern}
    # Istio makes the Deployment and the Service of a Gateway; here they are there before it.
    objects = [*c.plain(), *c.gateway(name="meshlb-istio")]
    for spoil in (unserved("gateway.networking.k8s.io/v1"), refused("HTTPRoute"), refused("HTTPRoute", code=404), refused("Gateway")):
        lists.taken_back(t, "modern-chain", objects, spoil, **named)


@check("C3-chain-of-an-earlier-release", "Objects that do not say for which kinds of routes they are: a host that is no longer seen stays.")
def c3_chain_of_an_earlier_release(t):
    more = c.ingress("auth", "tenant-z", "z.example.com", "evil", cls="traefik")
    objects = t.done("traefik-chain-of-two", [*traefik(), *c.gateway(), more], "chained_gateway", **c.CHAIN)
    for item in objects:
        (item["metadata"].get("annotations") or {}).pop("meshlb.istio/route-kinds", None)
    server = t.server(objects)
    before = server.state()
    server.stop_serving("traefik.io/v1alpha1")
    run = t.live("chained_gateway", server, **c.CHAIN)
    demand(run.failed and server.state() == before, run.say())


@check("C3-sidecar-stays", "lb_sidecar: a kind that is refused changes nothing on the load balancer, and rollback is whole.")
def c3_sidecar_stays(t):
    objects = c.plain(sidecar=False)
    for kind in ("MutatingWebhookConfiguration", "Namespace", "Deployment", "DaemonSet", "Pod", "ConfigMap"):
        lists.second_run(t, "sidecar", objects, refused(kind), lasting=True, named=[kind], module="lb_sidecar", **SIDECAR)
    for kind in ("Deployment", "DaemonSet"):
        lists.taken_back(t, "sidecar", objects, refused(kind), module="lb_sidecar", back=SIDECAR, **SIDECAR)
