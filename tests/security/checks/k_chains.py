# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""H3: one namespace's refusals, names and routes keep nobody else's routes from being chained, or taken back."""

import json

from tests.security.checks.k_notes import BACK, ours
from tests.security.kit import clusters as c
from tests.security.kit import fakeapi
from tests.security.kit.core import check, demand, footing, listed, names, ref

LATER = "2025-05-05T00:00:00Z"
MODERN = {**c.CHAIN, "gateway": {**c.CHAIN["gateway"], "api": "gateway_api", "create": True}}
SECOND = c.ingress("z2", "tenant-z", "z2.example.com", "evil")


def denies(word):
    """Refuse what has a word in its body, as an admission webhook does."""
    refuse = fakeapi.refusal(403, 'admission webhook "policy.example.com" denied the request: not this', "Forbidden")

    def action(handler, request):
        return refuse(handler, request) if word in json.dumps(request.body) else "go on"

    return action


def leads(server, obj):
    """Whether a route leads to the gateway."""
    return server.get(*ref(obj))["spec"] != obj["spec"]


def shop():
    return next(item for item in c.plain() if ref(item) == c.VICTIM)


@check("H3-chain-and-refusals", "A quota, a policy or a webhook keeps from a chain only the routes that need what it refuses.")
def h3_chain_and_refusals(t):
    base = [*c.plain(c.OWN, SECOND), *c.gateway()]
    cases = (
        ("POST", "/namespaces/tenant-z/services", denies("meshlb"), (False, False)),
        ("PATCH", "/namespaces/tenant-z/ingresses/zz", denies("meshlb"), (False, True)),
        ("POST", "/virtualservices", denies('"z.example.com"'), (False, True)),
    )
    for method, path, action, expected in cases:
        server = t.server(base)
        server.fault(method, path, action, -1)
        run = t.live("chained_gateway", server, **c.CHAIN)
        demand(run.failed and "policy.example.com" in run.told, f"{method} {path}: {run.say()}")
        demand(leads(server, shop()), f"{method} {path}: the victim's route is not led to the gateway: {run.say()}")
        demand((leads(server, c.OWN), leads(server, SECOND)) == expected, f"{method} {path}: {run.say()}")
        server.faults.clear()
        again = t.live("chained_gateway", server, **c.CHAIN)
        demand(again.ok and leads(server, c.OWN) and leads(server, SECOND), f"the next run: {again.say()}")
    server = t.server(base)
    before = server.state()
    server.fault("POST", "/gateways", denies("meshlb"), -1)
    run = t.live("chained_gateway", server, **c.CHAIN)
    demand(run.failed and server.state() == before, f"without its gateway: {run.say()}")


@check("H3-chain-rollback-and-refusals", "A route that may not be written keeps no other from being led back.")
def h3_chain_rollback_and_refusals(t):
    server = t.server(t.done("chain of three", [*c.plain(c.OWN, SECOND), *c.gateway()], "chained_gateway", **c.CHAIN))
    refuse = fakeapi.refusal(403, "exceeded: not here", "Forbidden")
    server.fault("PATCH", "/namespaces/tenant-z/ingresses/zz", refuse, -1)
    run = t.live("chained_gateway", server, **BACK)
    demand(run.failed, run.say())
    demand(not leads(server, shop()) and not leads(server, SECOND), f"others' routes are not led back: {run.say()}")
    found = [item for item in ours(server.objects()) if item["kind"] != "Gateway"]
    left = [item for item in found if item["metadata"]["namespace"] == "victim" or "shop.example.com" in str(item.get("spec"))]
    demand(not left, f"it left {listed('/'.join(ref(item)) for item in left)}")
    server.faults.clear()
    again = t.live("chained_gateway", server, **BACK)
    demand(again.ok and not ours(server.objects()), f"the next run: {again.say()}")


@check("H3-chain-left-overs-and-refusals", "A route that may not be written keeps nobody's routing that has to go from going.")
def h3_chain_left_overs_and_refusals(t):
    server = t.server(t.done("chain of three", [*c.plain(c.OWN, SECOND), *c.gateway()], "chained_gateway", **c.CHAIN))
    server.fault("PATCH", "/namespaces/tenant-z/ingresses/zz", fakeapi.refusal(403, "exceeded: not here", "Forbidden"), -1)
    run = t.live("chained_gateway", server, **{**c.CHAIN, "hosts": ["z2.example.com"]}, allow_regressions=True)
    demand(run.failed, run.say())
    routed = [str(item["spec"].get("hosts")) for item in ours(server.objects()) if item["kind"] == "VirtualService"]
    demand(sorted(routed) == ["['z.example.com']", "['z2.example.com']"], f"routing that is left: {routed}; {run.say()}")


@check("H1-chain-is-never-worse", "No run takes a route off a chain that serves it, unless it is told to, and neither does an opt-out.")
def h1_chain_is_never_worse(t):
    named = ["z.example.com"]
    for args in (c.CHAIN, MODERN):
        for hostile in (None, "true", "perhaps"):
            base = [*c.plain(c.OWN), *c.gateway(**({"name": "meshlb-istio"} if args is MODERN else {}))]
            done = t.done(f"chain of two {args is MODERN}", base, "chained_gateway", **args)
            for item in done if hostile else ():
                if ref(item) == c.VICTIM:
                    item["metadata"]["annotations"]["meshlb.istio/ignore"] = hostile
            server = t.server(done)
            before = server.state()
            for hosts in (named, *(["from_load_balancer"] if hostile else [])):
                run = t.live("chained_gateway", server, **{**args, "hosts": hosts})
                harm = fakeapi.changed(before, server.state())
                demand(run.ok or run.data.get("left_out"), f"{hosts}, {hostile}: {run.say()}")
                demand(not harm and names(run, c.VICTIM), f"{hosts}, {hostile}: {run.say()}; {listed(harm)}")
            back = t.live("chained_gateway", server, **{**args, "hosts": ["shop.example.com"], "state": "absent"})
            demand(back.ok and not leads(server, shop()), f"taking it back by name, {hostile}: {back.say()}")


@check("H3-canaries-of-others", "A canary in a tenant's namespace keeps no other's route out of a chain, and takes none off it.")
def h3_canaries_of_others(t):
    share = {"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "50"}
    canary = c.ingress("share", "tenant-z", "shop.example.com", "evil", annotations=share, created=LATER)
    base = [*c.plain(), *c.gateway()]
    for server in (t.server([*base, canary]), t.server([*t.done("chain of one", base, "chained_gateway", **c.CHAIN), canary])):
        run = t.live("chained_gateway", server, **c.CHAIN)
        demand(run.ok and leads(server, shop()) and not leads(server, canary), run.say())
        demand(names(run, ref(canary)), "the canary is not named")


@check("H3-names-in-the-gateways-routing", "An object that has the name of the gateway's routing for one host keeps no other host out.")
def h3_names_in_the_gateways_routing(t):
    for args in (MODERN, c.CHAIN):
        base = [*c.plain(c.OWN), *c.gateway(**({"name": "meshlb-istio"} if args is MODERN else {}))]
        made = t.server(base)
        footing(t.live("chained_gateway", made, **args).ok, "an honest chain")
        routing = (item for item in ours(made.objects()) if item["kind"] in ("VirtualService", "HTTPRoute"))
        routed = [item for item in routing if "z.example.com" in str(item)]
        footing(routed, "nothing routes z.example.com")
        kinds = ((item["apiVersion"], *ref(item)) for item in routed)
        squatters = [c.obj(version, kind, name, namespace, {}) for version, kind, namespace, name in kinds]
        server = t.server([*base, *squatters])
        run = t.live("chained_gateway", server, **args)
        demand(run.ok and leads(server, shop()), f"the victim's route: {run.say()}")
        demand(not leads(server, c.OWN), "the route for the taken name is led to the gateway")
        demand(names(run, ref(c.OWN)) and names(run, ref(squatters[0])), "neither route nor object is named")
        demand(all(server.get(*ref(item))["spec"] == {} for item in squatters), "somebody else's object was written")


@check("H3-a-neighbour-on-the-same-path", "A later route of a tenant on a victim's host keeps none of the victim's routes out of a chain.")
def h3_a_neighbour_on_the_same_path(t):
    rewriting = {"nginx.ingress.kubernetes.io/rewrite-target": "/"}
    for annotations in (None, rewriting):
        base = [*c.plain(victim=annotations), *c.gateway()]
        usual = t.server(base)
        footing(t.live("chained_gateway", usual, **c.CHAIN).ok, "the honest chain")
        for path in ("/", "/other"):
            late = c.ingress("late", "tenant-z", "shop.example.com", "evil", path=path, created=LATER, annotations=annotations)
            server = t.server([*base, late])
            run = t.live("chained_gateway", server, **c.CHAIN)
            demand(run.ok, run.say())
            same = server.get(*c.VICTIM)["spec"] == usual.get(*c.VICTIM)["spec"]
            demand(same, f"path {path}, {annotations}: the victim's route is no longer led to the gateway: {run.say()}")
            again = t.live("chained_gateway", server, **c.CHAIN)
            demand(again.ok and not again.changes, f"the second run: {again.say()}")


@check("H3-hosts-that-a-tenant-diverts", "A tenant's object that diverts one host in the load balancer's sidecar keeps no other out.")
def h3_hosts_that_a_tenant_diverts(t):
    base = [*c.plain(c.OWN), *c.gateway()]
    leads_away = [{"route": [{"destination": {"host": "evil.tenant-z.svc.cluster.local", "port": {"number": 80}}}]}]
    ports = [{"number": 80, "name": "http", "protocol": "HTTP"}]
    static = {"resolution": "STATIC", "endpoints": [{"address": "10.9.9.9"}]}
    for spec in (
        ("VirtualService", {"hosts": ["z.example.com"], "gateways": ["mesh"], "http": leads_away}),
        ("ServiceEntry", {"hosts": ["z.example.com"], "ports": ports, **static}),
    ):
        diverting = c.obj("networking.istio.io/v1", spec[0], "mine", "tenant-z", spec[1])
        server = t.server([*base, diverting])
        run = t.live("chained_gateway", server, **c.CHAIN)
        demand(run.ok and leads(server, shop()) and not leads(server, c.OWN), f"{spec[0]}: {run.say()}")
        demand("Host z.example.com" in run.told, f"{spec[0]}: its host is not named")
        done = t.server([*t.done("chain of two", base, "chained_gateway", **c.CHAIN), diverting])
        before = done.state()
        again = t.live("chained_gateway", done, **c.CHAIN)
        harm = [item for item in fakeapi.changed(before, done.state()) if " tenant-z/" not in item]
        demand(again.ok and not harm, f"{spec[0]}, after a chain: {again.say()}; {listed(harm)}")


@check("C1-forged-notes-on-a-chained-host", "Bookkeeping that a tenant forges gives its route no place of another's in a chain.")
def c1_forged_notes_on_a_chained_host(t):
    for args in (c.CHAIN, MODERN):
        base = [*c.plain(), *c.gateway(**({"name": "meshlb-istio"} if args is MODERN else {}))]
        done = t.done(f"chain of one {args is MODERN}", base, "chained_gateway", **args)
        honest = next(item for item in done if ref(item) == c.VICTIM)
        for path in ("/", "/other"):
            forged = c.ingress("late", "tenant-z", "shop.example.com", "evil", path=path, created=LATER)
            own = {key: value.replace('"web"', '"evil"') for key, value in honest["metadata"]["annotations"].items() if "meshlb" in key}
            forged["metadata"]["annotations"] = own
            led = json.dumps(honest["spec"]["rules"]).replace('"path": "/"', f'"path": "{path}"')
            forged["spec"]["rules"] = json.loads(led)
            for objects in (done, base):
                server = t.server([*objects, forged])
                before = server.get(*c.VICTIM)["spec"]
                run = t.live("chained_gateway", server, **args)
                demand(run.ok and leads(server, shop()), f"{path}: the victim's route is not led to the gateway: {run.say()}")
                demand(objects is base or server.get(*c.VICTIM)["spec"] == before, f"{path}: the victim's route was changed")
