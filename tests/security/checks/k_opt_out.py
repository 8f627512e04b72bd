# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""M5: an opt-out in any spelling, on routes of any kind and on a load balancer: nothing is written, and rollback still takes back."""

import copy

from tests.security.checks.k_notes import ours
from tests.security.kit import clusters as c
from tests.security.kit import fakeapi
from tests.security.kit.core import check, demand, footing, listed, names, ref

IGNORE = "meshlb.istio/ignore"
YES = ("true", "True", "TRUE", "1", "t", "T", "yes", "Yes", "y", "on", " true ")
UNCLEAR = ("", "perhaps", "2", "truee")
NO = ("false", "False", "0", "no", "off")


def asking(obj, value):
    made = copy.deepcopy(obj)
    made["metadata"].setdefault("annotations", {})[IGNORE] = value
    return made


def fronts():
    """Clusters, each with a route of another kind."""
    traefik = c.ingress_route("shop", "victim", "Host(`shop.example.com`)", "web")
    mapping = c.mapping("shop", "victim", "shop.example.com", "web.victim:80")
    yield "Ingress", [item for item in c.plain() if ref(item) != c.VICTIM], [item for item in c.plain() if ref(item) == c.VICTIM][0]
    yield "IngressRoute", c.before_mesh(c.traefik()), traefik
    yield "Mapping", c.before_mesh(c.emissary()), mapping


@check("M5-every-spelling-and-kind", "An opt-out in any spelling, or an unclear one, keeps routes of any kind from being written for.")
def m5_every_spelling_and_kind(t):
    for kind, base, route in fronts():
        for value in (*YES[:: 1 if kind == "Ingress" else 4], *UNCLEAR[:: 1 if kind == "Ingress" else 3]):
            server = t.server([*base, asking(route, value)])
            before = server.state()
            run = t.live("service_routing", server)
            harm = fakeapi.changed(before, server.state())
            demand(run.ok and not harm, f"{kind}, {value!r}: {run.say()}; {listed(harm)}")
            demand(names(run, ref(route)), f"{kind}, {value!r}: it is not named")
        for value in NO[:: 1 if kind == "Ingress" else 3]:
            run = t.live("service_routing", t.server([*base, asking(route, value)]), check_mode=True)
            demand(run.ok and run.changes, f"{kind}, {value!r}: {run.say()}")


@check("M5-opt-out-after-a-run", "What was written for a route that opts out later stays, and rollback takes it back.")
def m5_opt_out_after_a_run(t):
    for kind, base, route in fronts():
        for strategy in ("auto",) if kind == "Mapping" else ("headless_twin", "host_alias"):
            key = f"opt-out-{kind}-{strategy}"
            done = t.done(key, [*base, route], strategy=strategy)
            for value in ("yes", "perhaps"):
                objects = [asking(item, value) if ref(item) == ref(route) else item for item in done]
                server = t.server(objects)
                before = server.state()
                run = t.live("service_routing", server, strategy="host_entry")
                harm = fakeapi.changed(before, server.state())
                demand(run.ok and not harm, f"{key}, {value}: {run.say()}; {listed(harm)}")
                back = t.live("service_routing", server, state="absent")
                demand(back.ok and not ours(server.objects()), f"{key}, {value}: the rollback: {back.say()}")
                now = server.get(*ref(route))
                demand(now["spec"] == route["spec"], f"{key}, {value}: the route is not as it was")
                demand("meshlb.istio/replaced" not in now["metadata"]["annotations"], f"{key}, {value}: bookkeeping is left")


@check("M5-opt-out-of-a-load-balancer", "A load balancer that opts out gets no sidecar, and gives back the one that it has.")
def m5_opt_out_of_a_load_balancer(t):
    args = {"load_balancer": c.LB, "wait": False}
    workload = ("Deployment", c.LB["namespace"], c.LB["name"])
    for value in ("true", "Yes", "perhaps", ""):
        objects = [asking(item, value) if ref(item) == workload else item for item in c.plain(sidecar=False)]
        server = t.server(objects)
        before = server.state()
        run = t.live("lb_sidecar", server, **args)
        demand(run.ok and server.state() == before, f"{value!r}: {run.say()}")
        demand(names(run, workload), f"{value!r}: the workload is not named")
    original = next(item for item in c.plain(sidecar=False) if ref(item) == workload)
    done = t.done("sidecar for an opt-out", c.plain(sidecar=False), "lb_sidecar", **args)
    server = t.server([asking(item, "true") if ref(item) == workload else item for item in done])
    before = server.state()
    run = t.live("lb_sidecar", server, inbound_capture="all", **args)
    demand(run.ok and server.state() == before, f"with a sidecar: {run.say()}")
    back = t.live("lb_sidecar", server, state="absent", **args)
    footing(back.ok, back.say())
    demand(server.get(*workload)["spec"] == original["spec"], f"the sidecar was not taken back: {back.say()}")
