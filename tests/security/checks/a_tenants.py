# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C1, C2, H1, H2, H6: what somebody with rights in one namespace may not bring about."""

from __future__ import annotations

import copy

from tests.security.kit import clusters as c
from tests.security.kit import tenant as tz
from tests.security.kit.core import check, demand, footing, listed, ref, ref_of_change, words


def find(objects, kind, namespace, name):
    return next(item for item in objects if ref(item) == (kind, namespace, name))


# C1 ---------------------------------------------------------------------------------------------------------------------


@check("C1-restores-another-object", "A book entry on a tenant's Ingress never puts another object in the planner's view.")
def c1_restores_another_object(t):
    base = t.done("plain", c.plain())
    fake = copy.deepcopy(find(base, *c.VICTIM))
    fake["metadata"]["annotations"] = {"meshlb.istio/ignore": "true"}
    forged = tz.with_book(t, c.OWN, {"": {"part": "service_routing", "set": {}, "was": fake}})
    tz.unharmed(t, base, [c.OWN], [forged])


@check("C1-restores-the-injector", "A book entry on a tenant's Service never changes what lb_sidecar writes on the load balancer.")
def c1_restores_the_injector(t):
    base = c.plain(sidecar=False)
    fake = c.injector()
    fake["webhooks"] = [{**fake["webhooks"][0], "namespaceSelector": {}, "objectSelector": {"matchLabels": {"istio.io/rev": "evil"}}}]
    own = c.service("zz", "tenant-z", app="evil")
    forged = tz.with_book(t, own, {"": {"part": "lb_sidecar", "set": {}, "was": fake}})
    control, run = tz.unharmed(t, base, [own], [forged], "lb_sidecar", load_balancer=c.LB, wait=False)
    footing(control.changes, "the honest run gives the load balancer no sidecar")
    demand(run.changes == control.changes, f"another change of the load balancer: {listed(map(words, run.changes))}")


@check("C1-publishes-at-the-gateway", "A book entry never makes chained_gateway route to, or write in, another namespace.")
def c1_publishes_at_the_gateway(t):
    base = [*c.plain(), *c.gateway()]
    carrier = c.ingress("carrier", "tenant-z", "z.example.com", "evil", cls="another-class")
    fake = c.ingress("nowhere", "victim", "z.example.com", "internal-admin", path="/admin")
    forged = tz.with_book(t, carrier, {"": {"part": "chained_gateway", "set": {}, "was": fake}}, c.CHAINED)
    tz.planned_alike(t, base, [carrier], [forged], "chained_gateway", **c.CHAIN)


@check("C1-rollback-under-another-name", "Rollback is not stopped, and writes nothing elsewhere, for a book entry that changes identity.")
def c1_rollback_under_another_name(t):
    base = t.done("plain", c.plain())
    book = {
        "/metadata/namespace": {"part": "service_routing", "set": "tenant-z", "was": "victim"},
        "/metadata/name": {"part": "service_routing", "set": "zz", "was": "shop"},
    }
    tz.unharmed(t, base, [c.OWN], [tz.with_book(t, c.OWN, book)], state="absent")


# C2 ---------------------------------------------------------------------------------------------------------------------


FOLLOWS_THE_PAGE = {
    "nginx.ingress.kubernetes.io/service-upstream": "true",
    "nginx.ingress.kubernetes.io/upstream-vhost": "web.victim.svc.cluster.local",
}


@check("C2-name-of-a-service", "A route whose host is the full name of a Service makes no mesh object, and an error or warning says so.")
def c2_name_of_a_service(t):
    host = "web.victim.svc.cluster.local"
    tz.refused_both_ways(t, c.plain(victim=FOLLOWS_THE_PAGE), [tz.innocent(host)], host, "host_alias")


@check("C2-wildcard-over-services", "A route whose host is a wildcard over names of Services makes no mesh object, and is told.")
def c2_wildcard_over_services(t):
    tz.refused_both_ways(t, c.plain(victim=FOLLOWS_THE_PAGE), [tz.innocent("*.svc.cluster.local")], "*.svc.cluster.local", "host_alias")


@check(
    "C2-name-with-host-entry",
    "A route for the name of a Service makes no host_entry, whose DestinationRule would pin another identity, and is told.",
)
def c2_name_with_host_entry(t):
    host = "oauth2-proxy.auth.svc.cluster.local"
    tz.refused_both_ways(t, c.plain(), [tz.innocent(host)], host, "host_entry")


@check("C2-misrouted-is-not-mutual-tls", "A route whose requests the mesh leads to another Service is never called mutual_tls.")
def c2_misrouted_is_not_mutual_tls(t):
    hijack = c.obj(
        "networking.istio.io/v1",
        "VirtualService",
        "made-by-somebody",
        "ingress-nginx",
        {
            "hosts": ["web.victim.svc.cluster.local"],
            "gateways": ["mesh"],
            "http": [{"route": [{"destination": {"host": "evil.tenant-z.svc.cluster.local", "port": {"number": 80}}}]}],
        },
    )
    good = t.live("service_routing", t.server(c.plain(victim=FOLLOWS_THE_PAGE)), check_mode=True)
    footing(good.ok and good.routes and good.routes[0]["before"]["verdict"] == "mutual_tls", f"without the hijack: {good.say()}")
    run = t.live("service_routing", t.server(c.plain(hijack, victim=FOLLOWS_THE_PAGE)), check_mode=True)
    demand(run.ok and run.routes, run.say())
    before = run.routes[0]["before"]
    demand(
        before["verdict"] != "mutual_tls", f"the requests reach tenant-z/evil, and the verdict is {before['verdict']} ({before.get('why')})"
    )


@check("C2-pinned-strategy", "By default a strategy that a tenant pins makes no object outside of the tenant's namespace.")
def c2_pinned_strategy(t):
    tz.unharmed(t, t.done("plain", c.plain()), [c.OWN], [tz.pinned(c.OWN, "host_alias")])


@check("C2-public-hosts-still-work", "Ordinary public hosts still get host_alias and host_entry (a guard).")
def c2_public_hosts_still_work(t):
    for strategy in ("host_alias", "host_entry"):
        run = t.live("service_routing", t.server(c.plain()), strategy=strategy)
        demand(run.ok and run.routes and run.routes[0]["after"]["verdict"] == "mutual_tls", f"{strategy}: {run.say()}")


# H1 ---------------------------------------------------------------------------------------------------------------------


@check("H1-never-worse", "No run ends ok that takes a working route from mutual_tls to something worse.")
def h1_never_worse(t):
    base = t.done("plain host_entry", c.plain(), strategy="host_entry")
    squat = c.ingress("squat", "outside", "shop.example.com", "legacy", path="/zz", created="2025-05-05T00:00:00Z")
    tz.no_worse(t, base, [squat], strategy="host_entry")


# H2 ---------------------------------------------------------------------------------------------------------------------


@check("H2-kinds-that-no-part-makes", "An object of a kind that a part never creates is never deleted, whatever its labels say.")
def h2_kinds_that_no_part_makes(t):
    pod = c.obj("v1", "Pod", "p", "tenant-z", {"containers": [{"name": "a", "image": "b"}]})
    strange = [
        tz.marked(item)
        for item in (
            c.namespace("tenant-y"),
            c.obj("v1", "Node", "node7", spec={}),
            pod,
            c.obj("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "policy", webhooks=[]),
            *c.workload("dep", "tenant-z", {"name": "a", "image": "b"}, pods=0),
        )
    ]
    for state in ("present", "absent"):
        server = t.server([*c.plain(), *strange])
        run = t.live("service_routing", server, state=state)
        gone = [f"{kind} {namespace}/{name}" for kind, namespace, name in map(ref, strange) if server.get(kind, namespace, name) is None]
        planned = [words(item) for item in run.changes if item["action"] == "delete" and ref_of_change(item) in set(map(ref, strange))]
        demand(not gone and not planned, f"state={state}: deleted {listed(gone or planned)}")
        demand(run.ok, f"state={state}: {run.say()}")


@check("H2-copy-of-what-was-made", "A copy under another name of an object that was created is not deleted.")
def h2_copy_of_what_was_made(t):
    base = t.done("plain", c.plain())
    made = next((item for item in base if item["kind"] == "DestinationRule"), None)
    footing(made, "the honest run makes no DestinationRule")
    copied = copy.deepcopy(made)
    copied["metadata"] = {key: value for key, value in made["metadata"].items() if key in ("labels", "annotations", "namespace")}
    copied["metadata"]["name"] = "made-by-hand"
    server = t.server([*base, copied])
    run = t.live("service_routing", server)
    demand(server.get(*ref(copied)) is not None, "DestinationRule made-by-hand was deleted by the next run")
    demand(run.ok, run.say())


# H6 ---------------------------------------------------------------------------------------------------------------------


@check("H6-rollback-writes-no-foreign-fields", "Rollback gives back only fields that the product writes: none of the tenant's choosing.")
def h6_rollback_writes_no_foreign_fields(t):
    book = {
        "/metadata/annotations/nginx.ingress.kubernetes.io~1configuration-snippet": {"part": "service_routing", "was": "return 200 evil;"},
        "/spec/ingressClassName": {"part": "service_routing", "set": "nginx", "was": "internal"},
        "/metadata/ownerReferences": {
            "part": "service_routing",
            "was": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "y"}],
        },
        "/metadata/finalizers": {"part": "service_routing", "was": ["example.com/stay"]},
    }
    server = t.server([*t.done("plain", c.plain()), tz.with_book(t, c.OWN, book)])
    run = t.live("service_routing", server, state="absent")
    now = server.get(*ref(c.OWN))
    seen = []
    if "configuration-snippet" in str(now["metadata"].get("annotations", {}).keys()):
        seen.append("the snippet")
    if now["spec"].get("ingressClassName") != "nginx":
        seen.append("the class")
    seen += [item for item in ("ownerReferences", "finalizers") if now["metadata"].get(item)]
    demand(not seen, f"rollback wrote on the tenant's Ingress: {listed(seen)}")
    demand(run.ok, run.say())
