# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bookkeeping, marks and refusals in more ways than one: other kinds, other modules, there and back."""

import copy

from tests.security.kit import clusters as c
from tests.security.kit import fakeapi
from tests.security.kit import tenant as tz
from tests.security.kit.core import check, demand, footing, listed, names, ref, ref_of_change

MODULES = {
    "service_routing": {"state": "absent"}, "lb_sidecar": {"load_balancer": c.LB, "wait": False, "state": "absent"},
    "chained_gateway": {"state": "absent", "hosts": "", "wait": False, "drain": 0},
}  # fmt: skip
BROKEN = {
    "maps": '{"a":' * 50_000, "a number of 5,000 digits": '{"/spec/x": {"part": "service_routing", "was": ' + "9" * 5_000 + "}}",
    "infinity": '{"/spec/x": {"part": "service_routing", "was": 1e999}}', "an entry that is a text": '{"/spec/x": "y"}',
    "a list": "[1]", "half a letter": '{"/spec/x": {"part": "service_routing", "was": "\\ud800"}}', "unclosed quotes": '"' * 200_000,
}  # fmt: skip


def forged(part, was_of_everything=None):
    """Entries of one part for every place that is not the part's to set."""
    other = was_of_everything or {"kind": "Secret"}
    return {
        "": {"part": part, "set": {}, "was": other}, "/kind": {"part": part, "set": "Ingress", "was": "Namespace"},
        "/apiVersion": {"part": part, "was": "v1"}, "/metadata": {"part": part, "was": {"name": "shop", "namespace": "victim"}},
        "/metadata/name": {"part": part, "set": "zz", "was": "shop"},
        "/metadata/namespace": {"part": part, "set": "tenant-z", "was": "victim"},
        "/metadata/finalizers": {"part": part, "was": ["example.com/stay"]}, "/metadata/labels": {"part": part, "was": {"a": "b"}},
        "/metadata/annotations": {"part": part, "was": {"meshlb.istio/ignore": "true"}}, "/spec": {"part": part, "was": {"rules": "x"}},
        "/metadata/annotations/nginx.ingress.kubernetes.io~1server-snippet": {"part": part, "was": "return 200;"},
        "/spec/rules/0/host": {"part": part, "set": "z.example.com", "was": "shop.example.com"},
        "/metadata/name/x/y": {"part": part, "was": 1},
        "/spec/rules/²/host": {"part": part, "was": 1}, "/spec/rules/99999999999999999999": {"part": part, "was": 1},
        "no pointer": {"part": part, "was": 1},
    }  # fmt: skip


@check("C1-every-part-keeps-to-its-fields", "No entry of any part for fields that are not its own has an effect in any module.")
def c1_every_part_keeps_to_its_fields(t):
    base = [*t.done("plain", c.plain()), *c.gateway()]
    for part in MODULES:
        hostile = tz.with_book(t, c.OWN, forged(part, copy.deepcopy(base[0])), c.CHAINED if part == "chained_gateway" else c.LB_NAME)
        for module, back in MODULES.items():
            dummy, run = tz.unharmed(t, base, [c.OWN], [hostile], module, **back)
            demand(part != module or names(run, ref(c.OWN)), f"{module} says nothing of the entries")


@check("C1-books-on-other-kinds", "Bookkeeping on kinds that are never patched has no effect, whatever its entries name.")
def c1_books_on_other_kinds(t):
    base = t.done("plain", c.plain())
    entries = {"/metadata/labels/app": {"part": "service_routing", "was": "web"}, "/spec/nodeName": {"part": "service_routing", "was": "n"}}
    for item in (
        c.obj("v1", "Pod", "zz", "tenant-z", {"containers": [{"name": "a", "image": "b"}]}), c.namespace("tenant-y"),
        c.obj("networking.k8s.io/v1", "IngressClass", "zz", spec={"controller": "example.com/zz"}),
        c.obj("security.istio.io/v1", "PeerAuthentication", "zz", "tenant-z", {"mtls": {"mode": "STRICT"}}),
    ):  # fmt: skip
        server = t.server([*base, tz.with_book(t, item, entries, c.LB_NAME)])
        before = server.get(*ref(item))
        for state in ("present", "absent"):
            run = t.live("service_routing", server, state=state)
            demand(run.ok, f"{item['kind']}, {state}: {run.say()}")
            demand(server.get(*ref(item)) == before, f"{item['kind']}, {state}: it was written")


@check("H6-values-that-cannot-have-been-there", "Rollback gives back a field of its own only as what it can have found there.")
def h6_values_that_cannot_have_been_there(t):
    vhost = "/metadata/annotations/nginx.ingress.kubernetes.io~1upstream-vhost"
    backend = "/spec/rules/0/http/paths/0/backend/service"
    now = c.OWN["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    book = {
        vhost: {"part": "service_routing", "set": "x", "was": "evil\n}"},
        backend: {"part": "chained_gateway", "set": now, "was": {"name": "x", "resource": {"kind": "Secret", "name": "y"}}},
    }
    own = copy.deepcopy(c.OWN)
    own["metadata"].setdefault("annotations", {})["nginx.ingress.kubernetes.io/upstream-vhost"] = "x"
    server = t.server([*t.done("plain", c.plain()), *c.gateway(), tz.with_book(t, own, book, c.CHAINED)])
    for module in ("service_routing", "chained_gateway"):
        run = t.live(module, server, **MODULES[module])
        demand(run.ok, run.say())
    found = server.get(*ref(c.OWN))
    demand("evil" not in str(found["metadata"]["annotations"].get("nginx.ingress.kubernetes.io/upstream-vhost")), "the Host came back")
    demand(found["spec"] == own["spec"], f"the backend is {found['spec']['rules'][0]['http']['paths'][0]['backend']}")


@check("H3-broken-books", "Bookkeeping of any broken shape, on a route's object or a Service, stops no module, and is named.")
def h3_broken_books(t):
    service = c.service("evil-2", "tenant-z", app="evil")
    base = [*c.plain(sidecar=True), *c.gateway()]
    for shape, text in BROKEN.items():
        for own in (c.OWN, service):
            hostile = tz.with_book(t, own, text)
            for module, args in (("service_routing", {}), ("lb_sidecar", {"load_balancer": c.LB, "wait": False})):
                dummy, run = tz.unharmed(t, base, [own], [hostile], module, **args)
                demand(names(run, ref(own)), f"{shape}: {module} does not name {own['kind']} zz")
            # The Gateway lacks the host of a route that cannot be led there.
            run = t.live("chained_gateway", t.server([*base, hostile]), check_mode=True, **c.CHAIN)
            demand(run.ok and c.VICTIM in set(map(ref_of_change, run.changes)), f"{shape}: {run.say()}")
            demand(ref(own) not in set(map(ref_of_change, run.changes)), f"{shape}: chained_gateway writes on {own['kind']}")
            demand(names(run, ref(own)), f"{shape}: chained_gateway does not name {own['kind']} {own['metadata']['name']}")


@check("H3-broken-book-and-rollback", "Bookkeeping of any broken shape stops no rollback of others.")
def h3_broken_book_and_rollback(t):
    done = t.done("plain", c.plain())
    for shape, text in BROKEN.items():
        server = t.server([*done, tz.with_book(t, c.OWN, text)])
        run = t.live("service_routing", server, state="absent")
        demand(run.ok, f"{shape}: {run.say()}")
        left = [item for item in server.objects() if (item["metadata"].get("annotations") or {}).get("meshlb.istio/part")]
        demand(not left, f"{shape}: {listed('/'.join(ref(item)) for item in left)} is still there")


MARKED = (
    c.service("web-2", "tenant-z", app="evil"), c.obj("v1", "ConfigMap", "settings", "tenant-z", data={}),
    c.ingress("other", "tenant-z", "o.example.com", "evil"), c.obj("v1", "Secret", "tls", "tenant-z", data={}),
    c.obj("networking.istio.io/v1", "VirtualService", "mine", "tenant-z", {"hosts": ["x.example.com"], "http": []}),
    c.obj("networking.istio.io/v1", "Gateway", "mine", "tenant-z", {"servers": []}),
    c.obj("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "policy", webhooks=[]),
    c.obj("rbac.authorization.k8s.io/v1", "ClusterRole", "reader", rules=[]), c.namespace("tenant-y"),
)  # fmt: skip


@check("H2-marks-of-every-part", "Label and annotations of any part get nothing deleted that the part did not name, by any module.")
def h2_marks_of_every_part(t):
    base = [*c.plain(), *c.gateway()]
    for part in MODULES:
        strange = [tz.marked(item, part, f"{c.LB_NAME},{c.CHAINED}") for item in MARKED]
        for module, back in MODULES.items():
            server = t.server([*base, *strange])
            run = t.live(module, server, **back)
            demand(run.ok, f"{part}, {module}: {run.say()}")
            gone = [item for item in strange if server.get(*ref(item)) is None]
            demand(not gone, f"{part}: {module} deleted {listed('/'.join(ref(item)) for item in gone)}")


@check("H2-copies-under-a-name-of-our-kind", "A copy is not deleted, even under a name such as the collection gives, and is named.")
def h2_copies_under_a_name_of_our_kind(t):
    done = t.done("plain twin", c.plain(), strategy="headless_twin")
    made = [item for item in done if (item["metadata"].get("annotations") or {}).get("meshlb.istio/part")]
    footing({item["kind"] for item in made} == {"Service", "DestinationRule"}, f"an honest run makes {len(made)} objects")
    copies = []
    for item in made:
        kept = {key: item["metadata"][key] for key in ("labels", "annotations", "namespace")}
        copies.append({**copy.deepcopy(item), "metadata": {**copy.deepcopy(kept), "name": f"copy-of-{item['metadata']['name']}"}})
    for state in ("present", "absent"):
        server = t.server([*done, *copies])
        run = t.live("service_routing", server, state=state, strategy="headless_twin")
        demand(run.ok, run.say())
        for item in copies:
            demand(server.get(*ref(item)) is not None, f"{state}: deleted {ref(item)}")
            demand(names(run, ref(item)), f"{state}: no finding names {ref(item)}")


def _denies(code, text):
    return fakeapi.refusal(code, text, "Forbidden")


@check("H3-refusals-in-one-namespace", "A policy, a webhook or a quota in one namespace keeps neither plan nor rollback from the others.")
def h3_refusals_in_one_namespace(t):
    both = c.plain(c.OWN)
    for method, path, text in (
        ("POST", "/namespaces/tenant-z/", 'admission webhook "policy.example.com" denied the request: not here'),
        ("DELETE", "/namespaces/tenant-z/", 'admission webhook "keep.example.com" denied the request: it stays'),
    ):
        server = t.server(both)
        if method == "DELETE":
            footing(t.live("service_routing", server, strategy="headless_twin").ok, "the honest run before it")
        server.fault(method, path, _denies(403, text), -1)
        run = t.live("service_routing", server, state="absent" if method == "DELETE" else "present", strategy="headless_twin")
        demand(run.failed and "example.com" in run.told and "tenant-z" in run.told, run.say())
        made = [item for item in server.objects() if (item["metadata"].get("annotations") or {}).get("meshlb.istio/part")]
        of_victim = [item for item in made if item["metadata"]["namespace"] == "victim"]
        demand(bool(of_victim) == (method == "POST"), f"{method} refused in tenant-z: in victim there are {len(of_victim)} objects")
        halves = [item for item in made if item["metadata"]["namespace"] == "tenant-z"]
        demand(method == "DELETE" or not halves, f"half a unit was written: {listed(map(str, map(ref, halves)))}")
        server.faults.clear()
        again = t.live("service_routing", server, state="absent" if method == "DELETE" else "present", strategy="headless_twin")
        demand(again.ok, f"the next run, without the refusal: {again.say()}")


@check("H3-all-or-nothing", "With all_or_nothing a refusal in one namespace keeps everything from being written.")
def h3_all_or_nothing(t):
    server = t.server(c.plain(c.OWN))
    before = server.state()
    server.fault("POST", "/namespaces/tenant-z/services", _denies(403, "exceeded quota: small"), -1)
    run = t.live("service_routing", server, all_or_nothing=True, strategy="headless_twin")
    demand(run.failed and "quota" in run.told, run.say())
    demand(server.state() == before, f"it wrote: {listed(fakeapi.changed(before, server.state()))}")


@check("C1-another-workload-is-not-the-load-balancer", "A workload of a tenant that notes the load balancer is not taken for it.")
def c1_another_workload_is_not_the_load_balancer(t):
    inject = {"part": "lb_sidecar", "set": "true"}
    container = {"name": "a", "image": "b"}
    fake = c.workload("aaa", "aaa", container, labels={"sidecar.istio.io/inject": "true"}, pods=0)[0]
    hostile = tz.with_book(t, fake, {"/spec/template/metadata/labels/sidecar.istio.io~1inject": inject}, c.LB_NAME)
    server = t.server([*c.plain(sidecar=False), hostile])
    original = server.get("Deployment", c.LB["namespace"], c.LB["name"])
    given = t.live("lb_sidecar", server, load_balancer=c.LB, wait=False)
    footing(given.ok and given.changes, f"giving it a sidecar: {given.say()}")
    taken = t.live("lb_sidecar", server, load_balancer=c.LB, wait=False, state="absent")
    demand(taken.ok, taken.say())
    demand(server.get("Deployment", c.LB["namespace"], c.LB["name"])["spec"] == original["spec"], "the load balancer keeps its sidecar")
    demand(server.get(*ref(fake))["spec"] == hostile["spec"], "the tenant's workload was written instead")


@check("C1-hosts-that-a-chain-never-led", "What a tenant's route says of a chain's hosts leads no one else's route to the gateway.")
def c1_hosts_that_a_chain_never_led(t):
    server = t.server([*c.plain(c.OWN), *c.gateway()])
    chained = t.live("chained_gateway", server, **{**c.CHAIN, "hosts": ["z.example.com"]})
    footing(chained.ok and chained.changes, f"a chain for one host: {chained.say()}")
    labels, key, load_balancers = tz.MADE
    forged_route = c.obj("networking.istio.io/v1", "VirtualService", "meshlb-shop.example.com", "tenant-z", {"hosts": ["shop.example.com"]})
    forged_route["metadata"] |= {"labels": dict(labels), "annotations": {key: "chained_gateway", load_balancers: c.CHAINED}}
    server.put(forged_route)
    run = t.live("chained_gateway", server, check_mode=True, state="absent", **{**c.CHAIN, "hosts": ["z.example.com"]})
    demand(run.ok, run.say())
    demand(c.VICTIM not in set(map(ref_of_change, run.changes)), "the victim's Ingress would be led to the gateway")
