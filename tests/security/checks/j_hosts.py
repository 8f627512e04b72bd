# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C2, H1: hosts that are not a tenant's to claim, pins, plans that would make a route worse, and digests, in more ways than one."""

from tests.security.kit import clusters as c
from tests.security.kit import fakeapi
from tests.security.kit import tenant as tz
from tests.security.kit.core import check, demand, footing


@check("C2-other-spellings", "Short names, wider wildcards and other spellings of names of Services make no mesh object, and are told.")
def c2_other_spellings(t):
    for host in ("web.victim", "web.victim.svc", "*.local", "*.victim.svc.cluster.local", "x.web.victim.svc.cluster.local",
                 "WEB.Victim.SVC.Cluster.Local", "web.victim.svc.cluster.local.", "*.Victim", "cluster.local"):  # fmt: skip
        tz.refused_host(t, c.plain(), [tz.innocent(host)], host, strategy="host_entry")


@check("C2-host-that-is-dialled", "A host that a load balancer sends for somebody else makes no mesh object for a tenant, and is told.")
def c2_host_that_is_dialled(t):
    host = "api.partner.example"
    victim = {"nginx.ingress.kubernetes.io/upstream-vhost": host}
    for strategy in ("host_alias", "host_entry"):
        tz.refused_host(t, c.plain(victim=victim), [tz.innocent(host)], host, dialled=[host], strategy=strategy)


@check("C2-dialling-blocks-nobody", "A tenant that has the load balancer send a victim's host keeps the victim from nothing.")
def c2_dialling_blocks_nobody(t):
    late = c.ingress(
        "late", "tenant-z", "z.example.com", "evil", annotations={"nginx.ingress.kubernetes.io/upstream-vhost": "shop.example.com"},
        created="2025-05-05T00:00:00Z",
    )
    run = t.live("service_routing", t.server(c.plain(late)), strategy="host_entry", check_mode=True)
    shop = next((item for item in run.routes if item["object"]["name"] == "shop"), None)
    demand(run.ok and shop and shop["after"]["verdict"] == "mutual_tls", f"victim/shop: {shop and shop['after']}; {run.say()}")


@check("C2-other-pins", "Neither host_entry nor a word that is no strategy, pinned by a tenant, writes outside of the tenant's namespace.")
def c2_other_pins(t):
    for pin in ("host_entry", "auto", "no-strategy"):
        tz.unharmed(t, t.done("plain", c.plain()), [c.OWN], [tz.pinned(c.OWN, pin)], loose=["z.example.com"])


@check("H1-other-neighbours", "No new neighbour on a victim's host takes mutual TLS away, by whichever strategy it was given.")
def h1_other_neighbours(t):
    created = "2025-05-05T00:00:00Z"
    for strategy in ("host_entry", "host_alias", "headless_twin", "auto"):
        base = t.done(f"plain {strategy}", c.plain(), strategy=strategy)
        for backend in ("legacy", "gone"):
            squat = c.ingress("squat", "outside", "shop.example.com", backend, path="/zz", created=created)
            tz.no_worse(t, base, [squat], strategy=strategy)


@check("G-digest", "A plan that was approved is carried out; any other plan is refused before the first write.")
def g_digest(t):
    server = t.server(c.plain())
    plan = t.live("service_routing", server, check_mode=True)
    digest = (plan.data or {}).get("plan_digest")
    footing(plan.ok and digest, f"no digest: {plan.say()}")
    other = t.server(c.plain(c.OWN))
    before = other.state()
    refused = t.live("service_routing", other, expected_plan_digest=digest)
    demand(refused.failed and not fakeapi.changed(before, other.state()), f"another plan was carried out: {refused.say()}")
    run = t.live("service_routing", server, expected_plan_digest=digest)
    demand(run.ok and run.data.get("plan_digest") == digest, f"the approved plan was not carried out: {run.say()}")


@check("H1-newcomers-beside-a-harmful-one", "A new route that cannot be served keeps no other new one on its host from being served.")
def h1_newcomers_beside_a_harmful_one(t):
    created = "2025-05-05T00:00:00Z"
    for strategy in ("host_entry", "host_alias", "headless_twin", "auto"):
        base = t.done(f"plain {strategy}", c.plain(), strategy=strategy)
        new = c.ingress("new", "victim", "shop.example.com", "internal-admin", path="/new", created=created)
        bad = [c.ingress("squat", where, "shop.example.com", back, path=f"/{back}", created=created)
               for where, back in (("outside", "legacy"), ("tenant-z", "gone"))]  # fmt: skip
        server = t.server([*base, new, *bad])
        run = t.live("service_routing", server, strategy=strategy)
        demand(run.ok, run.say())
        after = {item["object"]["name"]: item["after"]["verdict"] for item in run.routes}
        demand(after["shop"] == after["new"] == "mutual_tls", f"{strategy}: {after}")
        again = t.live("service_routing", server, strategy=strategy)
        demand(again.ok and not again.changes, f"{strategy}, the second run: {again.say()}")
