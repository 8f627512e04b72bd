# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""H3: one hostile or broken object stops nobody: the run succeeds for the others, within 10 s of CPU and 1 GiB."""

from __future__ import annotations

import time

from tests.security.kit import clusters as c
from tests.security.kit import proofs
from tests.security.kit import tenant as tz
from tests.security.kit.core import check, demand, names, ref
from tests.security.kit.fakeapi import changed, refusal
from tests.security.kit.product import short

DEEP = "[" * 100_000


# The book on a tenant's object ------------------------------------------------------------------------------------------


@check("H3-deep-book-service-routing", "A book of 100,000 brackets on a tenant's Service stops neither a plan nor a rollback.")
def h3_deep_book_service_routing(t):
    own = c.service("zz", "tenant-z", app="evil")
    base = t.done("plain", c.plain())
    for state in ("present", "absent"):
        tz.unharmed(t, base, [own], [tz.with_book(t, own, DEEP)], state=state)


@check("H3-deep-book-other-modules", "A book of 100,000 brackets stops neither lb_sidecar nor chained_gateway.")
def h3_deep_book_other_modules(t):
    own = c.service("zz", "tenant-z", app="evil")
    forged = tz.with_book(t, own, DEEP)
    tz.unharmed(t, c.plain(sidecar=False), [own], [forged], "lb_sidecar", load_balancer=c.LB, wait=False)
    tz.unharmed(t, [*c.plain(), *c.gateway()], [own], [forged], "chained_gateway", **c.CHAIN)


@check("H3-book-through-a-text", "A book entry whose path leads through a text stops neither a plan nor a rollback.")
def h3_book_through_a_text(t):
    base = t.done("plain", c.plain())
    forged = tz.with_book(t, c.OWN, {"/metadata/name/x": {"part": "service_routing", "was": 1}})
    for state in ("present", "absent"):
        tz.unharmed(t, base, [c.OWN], [forged], state=state)


# Routes with a grammar of their own -------------------------------------------------------------------------------------


TWIN = {"strategy": "headless_twin"}  # which makes objects beside the routes
EMISSARY = 'apiVersion: getambassador.io/v3alpha1\nkind: Mapping\nname: m\nprefix: /x/\nhostname: "*"\nservice: zz\n'


def annotated(config):
    made = c.service("zz", "tenant-z", app="evil")
    made["metadata"]["annotations"] = {"getambassador.io/config": config}
    return made


def emissary():
    return c.before_mesh(c.emissary(), c.mapping("shop", "victim", "shop.example.com", "web"))


@check("H3-emissary-annotation-of-a-wrong-type", "An Emissary annotation with a wrongly typed field stops nobody, and is named.")
def h3_emissary_annotation_of_a_wrong_type(t):
    base, own = t.done("emissary", emissary()), c.service("zz", "tenant-z", app="evil")
    tz.stopped_nobody(t, base, [own], [annotated(EMISSARY + "spec: abc\n")], ref(own))


@check("H3-emissary-aliases", "YAML aliases that unfold to millions of values cost neither time nor memory, and are named.")
def h3_emissary_aliases(t):
    first = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    bomb = first + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9))
    base, own = t.done("emissary", emissary()), c.service("zz", "tenant-z", app="evil")
    tz.stopped_nobody(t, base, [own], [annotated(bomb + EMISSARY.replace('"*"', "*j"))], ref(own))


@check("H3-traefik-rule", "A Traefik rule of 700 bytes with 2^24 combinations costs nothing, and is named or understood.")
def h3_traefik_rule(t):
    base = t.done("traefik twin", c.before_mesh(c.traefik(), c.ingress_route("shop", "victim", "Host(`shop.example.com`)", "web")), **TWIN)
    honest = c.ingress_route("zz", "tenant-z", "Host(`z.example.com`)", "evil")
    rule = "&&".join(f"(Host(`a{n}.example.com`)||PathPrefix(`/b{n}`))" for n in range(24))
    tz.stopped_nobody(t, base, [honest], [c.ingress_route("zz", "tenant-z", rule, "evil")], ref(honest), **TWIN)


@check(
    "H3-route-of-a-wrong-type",
    "A tenant's IngressRoute whose routes are a text, or whose services are numbers, stops nobody, and is named.",
)
def h3_route_of_a_wrong_type(t):
    base = t.done("traefik twin", c.before_mesh(c.traefik(), c.ingress_route("shop", "victim", "Host(`shop.example.com`)", "web")), **TWIN)
    honest = c.ingress_route("zz", "tenant-z", "Host(`z.example.com`)", "evil")
    for routes in ("x", [{"kind": "Rule", "match": "Host(`z.example.com`)", "services": [5]}]):
        wrong = c.obj("traefik.io/v1alpha1", "IngressRoute", "zz", "tenant-z", {"entryPoints": ["web"], "routes": routes})
        tz.stopped_nobody(t, base, [honest], [wrong], ref(honest), **TWIN)


@check("H3-rules-without-end", "Rules of Traefik that are too long, too deep or too wide stop nobody, and are named.")
def h3_rules_without_end(t):
    base = t.done("traefik twin", c.before_mesh(c.traefik(), c.ingress_route("shop", "victim", "Host(`shop.example.com`)", "web")), **TWIN)
    honest = c.ingress_route("zz", "tenant-z", "Host(`z.example.com`)", "evil")
    for rule in ("||".join(f"Host(`a{n}.example.com`)" for n in range(50_000)), "(" * 20_000, "!" * 20_000 + "Host(`a`)"):
        tz.stopped_nobody(t, base, [honest], [c.ingress_route("zz", "tenant-z", rule, "evil")], ref(honest), **TWIN)


@check("H3-annotation-of-brackets", "An Emissary annotation of 900 brackets, or of no map, stops nobody, and is named.")
def h3_annotation_of_brackets(t):
    base, own = t.done("emissary", emissary()), c.service("zz", "tenant-z", app="evil")
    for config in ("[" * 900 + "]" * 900, "just a text", EMISSARY + "metadata_labels: abc\n", EMISSARY + "hostname: {a: b}\n"):
        tz.stopped_nobody(t, base, [own], [annotated(config)], ref(own))


@check("H3-malformed-objects-live", "A malformed object of any kind changes nothing for others, in any module, and is named.")
def h3_malformed_objects_live(t):
    base = t.done("plain twin", c.plain(), **TWIN)
    honest = c.OWN
    for spec in (5, {"rules": ["x"]}, {"rules": [{"http": {"paths": [{"backend": {"service": {"name": 5}}}]}}]}):
        tz.stopped_nobody(t, base, [honest], [{**honest, "spec": spec}], ref(honest), **TWIN)
    own = c.service("zz", "tenant-z", app="evil")
    for spec in ({"ports": ["80/tcp"]}, {"ports": [{"port": 80, "targetPort": -1}]}, {"selector": "app=evil"}):
        tz.stopped_nobody(t, base, [own], [{**own, "spec": spec}], ref(own), **TWIN)
        tz.stopped_nobody(t, c.plain(sidecar=False), [own], [{**own, "spec": spec}], ref(own), "lb_sidecar", load_balancer=c.LB, wait=False)
    tz.stopped_nobody(t, [*c.plain(), *c.gateway()], [own], [{**own, "spec": {"selector": 5}}], ref(own), "chained_gateway", **c.CHAIN)


# Proofs -----------------------------------------------------------------------------------------------------------------


@check("H3-proof-with-a-slow-pattern", "A route's pattern that Python's re needs years for does not hold up the proof of others.")
def h3_proof_with_a_slow_pattern(t):
    proofs.proven_for_others(t, proofs.tenants_route("/" + "a" * 40 + "!"), regex="/(a+)+")


@check("H3-proof-with-an-odd-sidecar", "A backend's sidecar that answers JSON of an odd shape does not stop the proof of others.")
def h3_proof_with_an_odd_sidecar(t):
    for answer in (
        '{"configs": [{"dynamic_listeners": 5}]}',
        '{"configs": [{"dynamic_listeners": [null]}]}',
        '{"configs": ' + "[" * 100_000,
    ):
        proofs.proven_for_others(t, proofs.tenants_route(), odd={("tenant-z", "evil-0"): answer})


@check("H3-proof-with-an-endless-sidecar", "A backend's sidecar that never stops talking is cut off, and the others are proven.")
def h3_proof_with_an_endless_sidecar(t):
    def endless(line):
        for _number in range(40_000):
            line.say(b"x" * 65536)
            time.sleep(0.002)

    proofs.proven_for_others(t, proofs.tenants_route(), odd={("tenant-z", "evil-0"): endless})


@check("H3-answer-that-never-ends", "An answer that comes byte by byte is not read for ever.", patient=True)
def h3_answer_that_never_ends(t):
    def trickle(handler):
        handler.send_response(200)
        handler.end_headers()
        if handler.headers.get("Host", "").startswith("z."):
            for _number in range(600):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.5)

    front = proofs.LoadBalancer(trickle)
    try:
        proofs.proven_for_others(
            t,
            proofs.tenants_route(),
            timeout=75,
            methods=["configuration", "traffic"],
            entrypoint=f"http://127.0.0.1:{front.port}",
            requests=1,
        )
    finally:
        front.close()


@check("H3-host-that-cannot-be-sent", "A host that no TLS handshake can carry (a..b) does not stop the proof of others.")
def h3_host_that_cannot_be_sent(t):
    route = c.ingress("zz", "tenant-z", "a..b", "evil", annotations=proofs.SERVICE_UPSTREAM)
    front = proofs.LoadBalancer(lambda handler: None)
    try:
        proofs.proven_for_others(t, route, methods=["configuration", "traffic"], entrypoint=f"https://127.0.0.1:{front.port}", requests=1)
    finally:
        front.close()


# Whole workloads --------------------------------------------------------------------------------------------------------


@check("H3-a-tenants-own-load-balancer", "A tenant's Deployment that looks like the load balancer changes nothing for the real one.")
def h3_a_tenants_own_load_balancer(t):
    tz.changes_nothing_for_the_real_one(t, tz.look_alike(), ("Deployment", "tenant-z", "fake"))


@check("H3-a-quota-in-one-namespace", "A refusal in one namespace does not keep the plan from the others, and is told.")
def h3_a_quota_in_one_namespace(t):
    server = t.server(c.plain(c.OWN))
    full = refusal(
        403, 'services "evil-meshlb" is forbidden: exceeded quota: small, requested: count/services=1, used: 5, limited: 5', "Forbidden"
    )
    server.fault("POST", "^/api/v1/namespaces/tenant-z/services", full, -1)
    run = t.live("service_routing", server, **TWIN)
    demand(run.ok or run.failed, run.say())
    made = [item for item in changed(t.server(c.plain(c.OWN)).state(), server.state()) if " victim/" in item]
    demand(made, f"nothing was written for the victim: {run.say()}")
    told = run.failed or names(run, ref(c.OWN), "tenant-z")
    demand(told, "nothing tells of the refusal")
    low = run.message.lower()
    demand("quota" in low or run.ok, f"the reason is lost: {short(run.message)}")
