# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""H3: a tenant's workload that looks like a load balancer, before anything is in place and after, in every module."""

import copy

from tests.security.kit import clusters as c
from tests.security.kit import fakeapi
from tests.security.kit import tenant as tz
from tests.security.kit.core import check, demand, footing, listed, names, ref, ref_of_change, verdicts

REAL = c.LB_NAME
LATER = "2025-05-05T00:00:00Z"


def born(objects, when):
    made = copy.deepcopy(objects)
    for item in made:
        item["metadata"]["creationTimestamp"] = when
    return made


def of_real(run):
    found = {**run.data, "routes": [item for item in run.routes if item["load_balancer"] == REAL]}
    return type("Of", (), {"routes": found["routes"], "findings": run.findings})


def same_for_the_real_one(t, base, fake, **args):
    """Demand that a run writes, outside of tenant-z, what it writes without the tenant's workload, and says the same of the real one."""
    beside, server = t.server(base), t.server([*base, *fake])
    control = t.live("service_routing", beside, **args)
    footing(control.ok and control.changes, f"without the tenant's workload: {control.say()}")
    run = t.live("service_routing", server, **args)
    demand(run.ok, run.say())
    usual = {key: text for key, text in beside.state().items() if key[1] != "tenant-z"}
    harm = [key for key, text in server.state().items() if key[1] != "tenant-z" and usual.get(key) != text]
    demand(not harm, f"for the tenant's workload: {listed('/'.join(key) for key in harm)}")
    demand(verdicts(of_real(run)) == verdicts(control), f"the real one's routes: {verdicts(of_real(run))}")
    others = {item["object"]["namespace"] for item in run.routes if item["load_balancer"] != REAL}
    demand(others <= {"tenant-z"}, f"routes in {others} are planned for the tenant's workload")
    demand(names(run, ("Deployment", "tenant-z", "fake")), "nothing names the tenant's workload")
    again = t.live("service_routing", server, **args)
    demand(again.ok and not again.changes, f"the second run: {again.say()}")
    back = t.live("service_routing", server, state="absent")
    demand(back.ok, f"the rollback: {back.say()}")


@check("H3-look-alike-on-a-first-run", "Before anything is in place, a tenant's look-alike changes neither plan nor writes for others.")
def h3_look_alike_on_a_first_run(t):
    for fake in (tz.look_alike(), tz.look_alike(sidecar=False), tz.look_alike(pods=0), tz.look_alike(kind="DaemonSet")):
        for more in ([], [c.OWN]):
            same_for_the_real_one(t, c.plain(*more), fake)
    for strategy in ("host_entry", "host_alias", "headless_twin"):
        same_for_the_real_one(t, c.plain(c.OWN), tz.look_alike(), strategy=strategy)


@check("H3-look-alike-in-an-empty-namespace", "A look-alike with a namespace of its own is told by age, release or status.")
def h3_look_alike_in_an_empty_namespace(t):
    base = [item for item in c.plain() if item["metadata"].get("namespace") != "tenant-z"]
    same_for_the_real_one(t, base, born(tz.look_alike(), LATER))
    vouched = copy.deepcopy(base)
    for item in vouched:
        if item["kind"] == "IngressClass":
            item["metadata"]["annotations"] = {"meta.helm.sh/release-namespace": "ingress-nginx"}
    old = born(tz.look_alike(), "2020-01-01T00:00:00Z")
    same_for_the_real_one(t, vouched, old)
    published = copy.deepcopy(base)
    front = c.service("front", "ingress-nginx")
    front["spec"]["selector"] = {"run": "front"}
    front["spec"]["type"], front["status"] = "LoadBalancer", {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}
    for item in published:
        if ref(item) == c.VICTIM:
            item["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}
    claimed = c.service("front", "tenant-z")
    claimed["spec"].update({"selector": {"run": "fake"}, "externalIPs": ["203.0.113.9"]})
    same_for_the_real_one(t, [*published, front], [*old, claimed])


@check("H3-look-alike-that-nothing-tells-apart", "Where nothing tells who is meant, nothing is written for either, and both are named.")
def h3_look_alike_that_nothing_tells_apart(t):
    base = [item for item in c.plain() if item["metadata"].get("namespace") != "tenant-z"]
    server = t.server([*base, *tz.look_alike()])
    before = server.state()
    run = t.live("service_routing", server)
    demand(run.ok and server.state() == before, f"{run.say()}; {listed(fakeapi.changed(before, server.state()))}")
    for named in (("Deployment", "tenant-z", "fake"), ("Deployment", *REAL.split("/"))):
        demand(names(run, named), f"nothing names {named}")
    for label in (REAL, [REAL]):
        chosen = t.live("service_routing", server, check_mode=True, load_balancers=label)
        demand(chosen.ok and {item["load_balancer"] for item in chosen.routes} == {REAL}, f"named: {chosen.say()}")


@check("H3-look-alike-with-forged-books", "A look-alike for which a tenant's own objects speak is not taken for the real one.")
def h3_look_alike_with_forged_books(t):
    done = t.done("plain-own-headless_twin", c.plain(c.OWN), strategy="headless_twin")
    mark = {"meshlb.istio/load-balancers": "tenant-z/fake"}
    mine = (item for item in done if item["metadata"].get("namespace") == "tenant-z")
    forged = [copy.deepcopy(item) for item in mine if "meshlb" in item["metadata"]["name"]]
    footing(forged, "nothing was made in tenant-z")
    for item in forged:
        item["metadata"]["annotations"].update(mark)
    server = t.server([*c.plain(c.OWN), *forged, *tz.look_alike()])
    run = t.live("service_routing", server)
    demand(run.ok, run.say())
    served = {item["object"]["name"]: item["after"]["verdict"] for item in run.routes if item["load_balancer"] == REAL}
    demand(served.get("shop") == "mutual_tls", f"the victim's route: {served}; {run.say()}")
    for_fake = [item for item in run.changes if "tenant-z" in str(item.get("after", {}))]
    strange = [ref_of_change(item) for item in for_fake if item["object"]["namespace"] == "victim"]
    demand(not strange, f"written for the tenant's workload: {strange}")


@check("H3-look-alike-and-chains", "A look-alike keeps nobody from chaining the real one, named or not.")
def h3_look_alike_and_chains(t):
    base = [*c.plain(), *c.gateway()]
    for args in ({}, {"platform": "ingress_nginx"}, {"load_balancer": c.LB}):
        tz.unharmed(t, base, [], tz.look_alike(), "chained_gateway", **c.CHAIN, **args)


@check("H3-gateways-named-like-classes", "A tenant's Gateway whose class is named like a load balancer's changes nothing for it.")
def h3_gateways_named_like_classes(t):
    route = c.ingress("shop", "victim", "shop.example.com", "web", cls="traefik")
    for key, base, name in (("plain", c.plain(), "nginx"), ("a class of traefik", c.before_mesh(c.traefik(), route), "traefik")):
        listener = {"name": "http", "port": 80, "protocol": "HTTP"}
        spec = {"gatewayClassName": name, "listeners": [listener]}
        fake = c.obj("gateway.networking.k8s.io/v1", "Gateway", "gw", "tenant-z", spec)
        for objects in (base, t.done(key, base)):
            honest, server = t.server(objects), t.server([*objects, fake])
            usual, run = t.live("service_routing", honest), t.live("service_routing", server)
            left = {identity: content for identity, content in server.state().items() if identity != ref(fake)}
            demand(run.ok and left == honest.state(), f"{key}: {run.say()}")
            demand(verdicts(run) == verdicts(usual), f"{key}: it says {verdicts(run)}, and usually {verdicts(usual)}")
