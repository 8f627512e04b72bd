# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C1, H3: what a tenant notes on its own objects about kinds of routes, load balancers and chains stops no run of others."""

import copy

from tests.security.kit import clusters as c
from tests.security.kit import fakeapi
from tests.security.kit import tenant as tz
from tests.security.kit.core import check, demand, footing, listed, names, ref, ref_of_change, verdicts

KINDS, FOR_WHOM, PART = "meshlb.istio/route-kinds", "meshlb.istio/load-balancers", "meshlb.istio/part"
ABSENT_KINDS = ("IngressRoute.traefik.io", "Mapping.getambassador.io", "HTTPProxy.projectcontour.io")
TWIN = {"strategy": "headless_twin"}  # which makes objects beside the routes
BACK = {"wait": False, "drain": 0, "state": "absent"}


def ours(objects):
    return [item for item in objects if (item["metadata"].get("annotations") or {}).get(PART)]


def noting(objects, namespace, **notes):
    """The objects, of which those that were made in a namespace have other annotations."""
    found = copy.deepcopy(objects)
    mine = [item for item in ours(found) if item["metadata"].get("namespace") == namespace]
    footing(mine, f"nothing was made in {namespace}")
    for item in mine:
        item["metadata"]["annotations"].update({f"meshlb.istio/{key.replace('_', '-')}": value for key, value in notes.items()})
    return found, mine


def taken_back_for_others(t, objects, forged, module="service_routing", spoil=None, **args):
    """Demand that a rollback leaves nothing but the forged objects, fails, and names each of them in an error."""
    server = t.server(objects)
    own = set(map(ref, forged))
    before = server.state()
    if spoil:
        spoil(server)
    run = t.live(module, server, **args)
    left = [item for item in map(ref, ours(server.objects())) if item not in own]
    demand(not left, f"{run.say()}; it left: {listed('/'.join(item) for item in left)}")
    now = server.state()
    written = ["/".join(item) for item in own if now.get(item) != before[item]]
    demand(not written, f"it wrote or deleted {listed(written)}")
    demand(run.failed and run.data.get("changed") and run.changes, f"it does not fail after the others were taken back: {run.say()}")
    for item in own:
        errors = [found for found in run.findings if found["severity"] == "error"]
        demand(any((found.get("object") or {}).get("name") == item[2] for found in errors), f"no error names {'/'.join(item)}")
    return run


@check("H3-note-of-a-kind-that-is-not-served", "A note of a kind that is not served keeps its own object in place, and no other.")
def h3_note_of_a_kind_that_is_not_served(t):
    for strategy in ("headless_twin", "host_alias"):
        done = t.done(f"plain-own-{strategy}", c.plain(c.OWN), strategy=strategy)
        model = next(item for item in ours(t.done("plain headless_twin", c.plain(), **TWIN)) if item["kind"] == "Service")
        own = c.service("evil-meshlb", "tenant-z", app="evil")
        own["metadata"].update({key: copy.deepcopy(model["metadata"][key]) for key in ("labels", "annotations")})
        own["metadata"]["annotations"]["meshlb.istio/created-as"] = "tenant-z/evil-meshlb"
        rest = [item for item in done if ref(item) != ref(own)]
        for kind in ABSENT_KINDS:
            forged = copy.deepcopy(own)
            forged["metadata"]["annotations"][KINDS] = kind
            run = taken_back_for_others(t, [*rest, forged], [forged], state="absent")
            demand(kind in run.told, f"the error does not name {kind}")
            tz.unharmed(t, rest, [own], [forged], strategy=strategy)


@check("H3-note-for-a-load-balancer-that-is-not-there", "A note of a load balancer that is not there, or is a tenant's, stops no rollback.")
def h3_note_for_a_load_balancer_that_is_not_there(t):
    done = t.done("plain-own-headless_twin", c.plain(c.OWN), **TWIN)
    for label in ("nowhere/lb", "tenant-z/fake", "", ",,/,>", f"{c.LB_NAME},nowhere/lb", "a>b>c"):
        forged, mine = noting(done, "tenant-z", load_balancers=label, route_kinds="IngressRoute.traefik.io")
        own = set(map(ref, mine))
        server = t.server([*forged, *tz.look_alike()])
        run = t.live("service_routing", server, state="absent")
        demand(run.ok or run.failed, run.say())
        left = [item for item in map(ref, ours(server.objects())) if item not in own]
        demand(not left, f"{label!r}: {run.say()}; it left: {listed('/'.join(item) for item in left)}")


def of_traefik():
    route = c.ingress("shop", "victim", "shop.example.com", "web", cls="traefik")
    return c.before_mesh(c.traefik(), route, c.ingress("zz", "tenant-z", "z.example.com", "evil", cls="traefik"))


@check("H3-note-of-a-helper-kind", "A note of a kind that says how others' routes are served leaves these routes as they are.")
def h3_note_of_a_helper_kind(t):
    done = t.done("traefik-ingresses", of_traefik(), **TWIN)
    honest = verdicts(t.live("service_routing", t.server(done)), {("Ingress", "tenant-z", "zz")})
    kinds = ("Middleware.traefik.io", "IngressRoute.traefik.io", "TraefikService.traefik.io", "ServersTransport.traefik.io")
    for kind in kinds:
        forged, mine = noting(done, "tenant-z", route_kinds=f"Ingress.networking.k8s.io,{kind}")
        server = t.server(forged)
        before = server.state()
        run = t.live("service_routing", server)
        demand(run.ok, f"{kind}: {run.say()}")
        now = verdicts(run, {("Ingress", "tenant-z", "zz")})
        demand(now == honest, f"{kind}: routes of others became {now}")
        harm = [item for item in fakeapi.changed(before, server.state()) if " tenant-z/" not in item]
        demand(not harm, f"{kind}: {listed(harm)}")
        if kind.startswith("IngressRoute"):
            taken_back_for_others(t, forged, mine, state="absent")


@check("H3-look-alike-of-another-kind", "A tenant's workload whose kind of routes may not be read stops no run and no rollback of others.")
def h3_look_alike_of_another_kind(t):
    done = t.done("plain", c.plain())
    fake = c.workload("fake", "tenant-z", c.traefik("tenant-z")[2]["spec"]["template"]["spec"]["containers"][0], labels={"run": "fake"})
    route = c.ingress_route("zz", "tenant-z", "Host(`z.example.com`)", "evil")
    lost = fakeapi.refusal(403, 'ingressroutes.traefik.io is forbidden: User "checks" cannot list', "Forbidden")
    for state in ("present", "absent"):
        server = t.server([*done, *fake, route])
        server.fault("GET", "/ingressroutes", lost, -1)
        before = server.state()
        run = t.live("service_routing", server, state=state)
        demand(run.ok or run.failed, run.say())
        if state == "present":
            demand(run.ok, run.say())
            harm = [item for item in fakeapi.changed(before, server.state()) if " tenant-z/" not in item]
            demand(not harm, listed(harm))
        else:
            demand(not ours(server.objects()), f"{run.say()}; it left {listed('/'.join(ref(item)) for item in ours(server.objects()))}")


def chained(t):
    return t.done("plain-chain-own", [*c.plain(c.OWN), *c.gateway()], "chained_gateway", **c.CHAIN)


@check("H3-notes-beside-a-chain", "What a tenant notes on the helper beside its own routes stops no chain, and no rollback of one.")
def h3_notes_beside_a_chain(t):
    for kind in ABSENT_KINDS:
        forged, mine = noting(chained(t), "tenant-z", route_kinds=kind)
        server = t.server(forged)
        before = server.state()
        run = t.live("chained_gateway", server, **c.CHAIN)
        demand(run.ok, f"{kind}: {run.say()}")
        harm = [item for item in fakeapi.changed(before, server.state()) if " tenant-z/" not in item]
        demand(not harm, f"{kind}: {listed(harm)}")
        server = t.server(forged)
        run = t.live("chained_gateway", server, **BACK)
        left = [ref(item) for item in ours(server.objects()) if ref(item) not in set(map(ref, mine))]
        demand(not left, f"{kind}: {run.say()}; it left {listed('/'.join(item) for item in left)}")
        was = next(item for item in c.plain() if ref(item) == c.VICTIM)
        demand(server.get(*c.VICTIM)["spec"] == was["spec"], f"{kind}: the victim's route is not as it was")
        demand(run.failed and names(run, ref(mine[0])), f"{kind}: {run.say()}")


@check("H3-chains-that-are-not-there", "A chain that a tenant's object says it belongs to stops no rollback of others.")
def h3_chains_that_are_not_there(t):
    model = next(item for item in ours(chained(t)) if item["metadata"]["namespace"] == "tenant-z")
    route = c.ingress_route("zz", "outside", "Host(`z.example.com`)", "legacy")
    lost = fakeapi.refusal(403, 'ingressroutes.traefik.io is forbidden: User "checks" cannot list', "Forbidden")
    for label in ("nowhere/lb>tenant-z/gw", "nowhere/lb>", ">", f"{c.LB_NAME}>tenant-z/meshlb"):
        forged = copy.deepcopy(model)
        forged["metadata"]["annotations"].update({FOR_WHOM: label})
        rest = [item for item in chained(t) if ref(item) != ref(model)]
        server = t.server([*rest, forged, route])
        server.fault("GET", "/ingressroutes", lost, -1)
        run = t.live("chained_gateway", server, **BACK)
        left = [ref(item) for item in ours(server.objects()) if ref(item) != ref(model)]
        demand(not left, f"{label}: {run.say()}; it left {listed('/'.join(item) for item in left)}")


@check("H3-squatters-beside-a-chain", "Objects of a tenant's own that have a helper's name keep nobody else out of a chain.")
def h3_squatters_beside_a_chain(t):
    objects = [*c.plain(c.OWN), *c.gateway()]
    mine = [item for item in ours(chained(t)) if item["metadata"]["namespace"] == "tenant-z"]
    helper = next(item for item in mine if item["kind"] == "Service")
    taken = c.service(helper["metadata"]["name"], "tenant-z", app="evil")
    lost = copy.deepcopy(taken)
    lost["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "meshlb.istio"}
    lost["metadata"]["annotations"] = {PART: "service_routing"}
    for squatter in (taken, lost):
        server = t.server([*objects, squatter])
        run = t.live("chained_gateway", server, **c.CHAIN)
        demand(c.VICTIM in set(map(ref_of_change, run.changes)), f"the victim's route is not chained: {run.say()}")
        now = [item for item in ours(server.objects()) if item["metadata"]["namespace"] == "victim"]
        demand(now, f"the victim's side was not written: {run.say()}")
        demand(server.get(*ref(squatter))["spec"] == squatter["spec"], "the tenant's Service was written")
        demand(names(run, ref(squatter)), "nothing names the tenant's Service")
        own = server.get(*ref(c.OWN))
        demand(own["spec"] == c.OWN["spec"], "the tenant's route leads to a Service that is not ours")
