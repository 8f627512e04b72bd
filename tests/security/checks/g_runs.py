# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""M7: two runs at once. More modules, fewer rights, other orders, and runs that died."""

from __future__ import annotations

import signal
import time

from tests.security.kit import clusters as c
from tests.security.kit import rights
from tests.security.kit.core import check, demand, footing, ref


@check("M7-equal-runs-without-leases", "Without the right to Leases none of two equal runs fails halfway either; a finding says so.")
def m7_equal_runs_without_leases(t):
    for strategy in ("host_alias", "host_entry", "headless_twin"):
        rights.consistent(t, c.plain(c.OTHER, c.OWN), {"strategy": strategy}, {"strategy": strategy}, prepare=rights.no_leases)
    server = t.server(c.plain())
    rights.no_leases(server)
    run = t.live("service_routing", server)
    demand(run.ok and run.changes, run.say())
    demand(any("leases" in item["message"].lower() for item in run.findings), "no finding says that Leases may not be used")


@check("M7-two-chains-at-once", "Of two equal runs of chained_gateway at once, none fails halfway, and their plan is there.")
def m7_two_chains_at_once(t):
    rights.consistent(t, [*c.plain(), *c.gateway()], c.CHAIN, c.CHAIN, "chained_gateway", back={"wait": False, "drain": 0})


@check("M7-two-sidecars-at-once", "Of two equal runs of lb_sidecar at once, none fails.")
def m7_two_sidecars_at_once(t):
    args = {"load_balancer": c.LB, "wait": False}
    rights.consistent(t, c.plain(sidecar=False), args, args, "lb_sidecar", back=args)


@check("M7-present-during-absent", "A rollback and a run at once leave what one of them wants.")
def m7_present_during_absent(t):
    objects = t.done("m7", c.plain(c.OTHER, c.OWN), strategy="host_alias")
    runs, _wrote, server = rights.together(t, objects, {"strategy": "host_entry"}, {"state": "absent"})
    again = [t.live("service_routing", server, check_mode=True, **args) for args in ({"strategy": "host_entry"}, {"state": "absent"})]
    footing(all(item.ok for item in again), again[0].say())
    ended = [not item.changes for item, run in zip(again, runs.values(), strict=True) if run.ok]
    demand(len(ended) < 2 or any(ended), "both ended ok, and what is there is neither's plan")


@check("M7-the-loser-names-the-holder", "A run that another one holds up writes nothing, and names it; the other module's runs count, too.")
def m7_the_loser_names_the_holder(t):
    for module, args in (("service_routing", {"strategy": "host_entry"}), ("chained_gateway", c.CHAIN)):
        server = t.server([*c.plain(c.OTHER, c.OWN), *c.gateway()])
        process, holder = rights.holding(t, server, strategy="host_alias", workers=1)
        seen = server.writes()
        loser = t.live(module, server, lock_timeout=1, **args)
        footing(process.poll() is None, "the first run was over too soon")
        demand(loser.failed and holder in loser.message, f"it does not name {holder}: {loser.say(200)}")
        others = [item for item in server.writes()[len(seen):] if "virtualservices" not in item.path and "ingresses" not in item.path]
        demand(not others, f"it wrote: {others}")
        demand(process.wait().ok, "the first run failed")
        demand(not [item for item in server.objects() if item["kind"] == "Lease"], "a Lease is left")


@check("M7-apart-by-namespaces", "Runs that are limited to different namespaces do not wait for each other; one that is not limited does.")
def m7_apart_by_namespaces(t):
    server = t.server(c.plain(c.OTHER, c.OWN))
    process, holder = rights.holding(t, server, strategy="host_alias", namespaces=["tenant-z"], workers=1)
    all_of_them = t.live("service_routing", server, strategy="host_alias", lock_timeout=0)
    footing(process.poll() is None or all_of_them.failed, "the first run was over too soon")
    apart = t.live("service_routing", server, strategy="host_alias", namespaces=["auth"], lock_timeout=0)
    demand(apart.ok and apart.changes, f"with other namespaces: {apart.say()}")
    demand(all_of_them.failed and holder in all_of_them.message, f"with all namespaces: {all_of_them.say()}")
    demand(process.wait().ok, "the first run failed")


@check("M7-nothing-to-write", "Neither check mode nor a run without changes waits for another one, or uses a Lease.")
def m7_nothing_to_write(t):
    objects = t.done("m7-done", c.plain(c.OTHER), strategy="host_alias")
    server = t.server(objects)
    for args in ({"check_mode": True, "strategy": "host_entry"}, {"strategy": "host_alias"}):
        run = t.live("service_routing", server, **args)
        demand(run.ok, run.say())
    demand(not [item for item in server.log if "/leases" in item.path], "it used a Lease")


@check("M7-killed-and-run-again", "A run right after one that was killed waits for its Lease to expire, and finishes.", patient=True)
def m7_killed_and_run_again(t):
    server = t.server(c.plain(c.OTHER, c.OWN))
    process, _holder = rights.holding(t, server, strategy="host_alias", workers=1)
    process.send(signal.SIGKILL)
    process.wait()
    server.faults.clear()
    begun, seen = time.monotonic(), len(server.writes())
    run = t.live("service_routing", server, timeout=100, strategy="host_alias")
    demand(run.ok, f"the next run: {run.say()}")
    demand(time.monotonic() - begun > 30 and len(server.writes()) > seen, "it did not wait")
    settled = t.live("service_routing", server, check_mode=True, strategy="host_alias")
    demand(settled.ok and not settled.changes, f"the run after it: {settled.say()}")


@check("M7-planned-after-waiting", "A run that waited plans on what is there then, not on what it read before.")
def m7_planned_after_waiting(t):
    late = c.ingress("late", "auth", "late.example.com", "oauth2-proxy")
    server = t.server(c.plain(c.OTHER, c.OWN))
    process, _holder = rights.holding(t, server, strategy="host_alias", workers=1)
    second = t.start("service_routing", server, strategy="host_alias")
    time.sleep(1.5)
    server.put(late)
    server.faults.clear()
    demand(process.wait().ok, "the first run failed")
    run = second.wait()
    demand(run.ok and any(item["host"] == "late.example.com" for item in run.routes), f"{ref(late)} is not in its plan: {run.say()}")
    settled = t.live("service_routing", server, check_mode=True, strategy="host_alias")
    demand(settled.ok and not settled.changes, f"the run after it: {settled.say()}")
