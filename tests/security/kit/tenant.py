# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody with rights in one namespace does, and what must not come of it. The logic is shared; the checks are the cases."""

from __future__ import annotations

import copy
import json

from . import clusters as c
from . import fakeapi
from .core import SECONDS, Unusable, as_json, cheap, demand, footing, listed, names, ref, ref_of_change, route_key, speaks, verdicts, words
from .product import short

BOOK = "meshlb.istio/replaced"
MADE = ({"app.kubernetes.io/managed-by": "meshlb.istio"}, "meshlb.istio/part", "meshlb.istio/load-balancers")


def marked(obj, part="service_routing", name=c.LB_NAME):
    """A copy of an object that claims to be one of the product's."""
    labels, key, load_balancers = MADE
    made = copy.deepcopy(obj)
    made["metadata"].setdefault("labels", {}).update(labels)
    made["metadata"].setdefault("annotations", {}).update({key: part, load_balancers: name, "meshlb.istio/applied": "{}"})
    return made


def innocent(host):
    """A tenant's route, younger than the victim's."""
    return c.ingress("innocent", "tenant-z", host, "evil", created="2025-05-05T00:00:00Z")


class Book:
    """How the product keeps, on an object that it changed, what was there before."""

    def __init__(self, key=BOOK, content=None, path=(), words=None):
        self.key, self.content, self.path = key, content, path
        self.words = words or {"part": "part", "set": "set", "was": "was"}

    def forged(self, entries):
        """The annotation's text with these entries (JSON pointer -> part, set, was) in place of the honest ones."""
        mapping = {pointer: {self.words[word]: value for word, value in entry.items()} for pointer, entry in entries.items()}
        if not self.path:
            return json.dumps(mapping)
        content = copy.deepcopy(self.content)
        node = content
        for step in self.path[:-1]:
            node = node[step]
        node[self.path[-1]] = mapping
        return json.dumps(content)


def _walk(value, path=()):
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _walk(item, (*path, number))


def learned(t):
    """The book's form, learned from an honest chain: the backend of the victim's path is replaced, so its former value is kept.

    ``None`` where nothing of it is on the object. Cannot be checked where it is there in a form that is not understood.
    """

    def learn():
        server = fakeapi.Server([*c.plain(), *c.gateway()])
        run = t.live("chained_gateway", server, **c.CHAIN)
        server.close()
        footing(run.ok and run.changes, f"an honest chain, to learn the book's form from: {run.say()}")
        found = server.get(*c.VICTIM)["metadata"].get("annotations") or {}
        marked = [(key, value) for key, value in found.items() if '"web"' in value]
        books = [book for key, text in marked for book in _books(key, text)]
        if marked and not books:
            raise Unusable(
                f"what {marked[0][0]} holds on a changed object is of a form that these checks do not know ({short(marked[0][1], 80)})"
            )
        return books[0] if books else None

    return t.memo("the book's form", learn)


def _books(key, text):
    """The books that an annotation may be read as."""
    try:
        content = json.loads(text)
    except ValueError:
        return
    for path, value in _walk(content):
        if isinstance(value, dict) and value and all(str(item).startswith("/") for item in value):
            for entry in value.values():
                known = _words(entry) if isinstance(entry, dict) else {}
                if set(known) == {"part", "set", "was"}:
                    yield Book(key, content, path, known)


def _words(entry):
    """What an entry calls its part, what was set and what was there: {our word: its word}."""
    found = {}
    for name, item in entry.items():
        former = '"web"' in json.dumps(item)
        if item == "chained_gateway":
            found["part"] = name
        elif former:
            found["was"] = name
        elif isinstance(item, (dict, str)):
            found["set"] = name
    return found


def with_book(t, obj, book, load_balancers=""):
    """A copy of an object on which the tenant wrote this book (text, or entries), in the form of today and in the first one."""
    made = copy.deepcopy(obj)
    annotations = made["metadata"].setdefault("annotations", {})
    for form in (Book(), learned(t)):
        if form is not None:
            annotations[form.key] = book if isinstance(book, str) else form.forged(book)
    if load_balancers:
        annotations["meshlb.istio/load-balancers"] = load_balancers
    return made


def unharmed(t, base, honest, hostile, module="service_routing", loose=(), **args):
    """Demand that the hostile form of a tenant's objects has no other effect than the honest form, but on those objects.

    The same cluster is run once with the honest form and once with the hostile one. The run has to succeed in both, cheaply;
    what is stored afterwards, and what is said of all other routes, has to be the same. What the honest run creates for the
    tenant's own route may be missing. ``loose``: texts in names of objects that may differ.
    """
    own = {ref(item) for item in [*honest, *hostile]}
    first, second = t.server([*base, *honest]), t.server([*base, *hostile])
    start = first.state()
    control = t.live(module, first, **args)
    footing(control.ok, f"the honest run beside it: {control.say()}")
    run = t.live(module, second, timeout=45, cpu=SECONDS, **args)
    harm = _differences(start, first.state(), second.state(), own, loose)
    if run.ok:
        harm += _misled(verdicts(control, own), verdicts(run, own))
    demand(not harm or not run.ok, f"for the tenant's word the run {listed(harm)}")
    cheap(run)
    demand(run.ok, f"one object of a tenant stopped the run: {run.say()}" + (f"; it {listed(harm)}" if harm else ""))
    return control, run


def _differences(start, there, here, own, loose):
    """What the hostile form brought about, in words: ``there`` is what the honest run left, ``here`` what the other one left."""
    spaces, harm = {item[1] for item in own}, []
    for key in sorted({*there, *here}):
        if key in own or there.get(key) == here.get(key) or (key[0] == "ConfigMap" and "meshlb" in key[2]):
            continue  # the last: a book of the product's own
        mine = key[1] in spaces or any(text in key[2] for text in loose)
        if mine and key in there and key not in start and key not in here:
            continue  # what is not made for the tenant's own route harms nobody else
        if key not in there:
            word = "did not take back" if key in start else "created"
        elif key not in here:
            word = "deleted" if key in start else "did not create"
        else:
            word = "did not change" if here[key] == start.get(key) else "wrote"
        harm.append(f"{word} {key[0]} {key[1]}/{key[2]}")
    return harm


def _misled(told, now):
    """Routes of others of which another thing is said."""
    keys = sorted(key for key in {*told, *now} if told.get(key) != now.get(key))
    return [f"changed route {key[1]}/{key[2]} from {told.get(key)} to {now.get(key)}" for key in keys]


def planned_alike(t, base, honest, hostile, module="service_routing", **args):
    """Like ``unharmed``, of the plan alone (check mode): no other change is planned for the hostile form than for the honest one."""
    own = {ref(item) for item in [*honest, *hostile]}
    first, second = t.server([*base, *honest]), t.server([*base, *hostile])
    control = t.live(module, first, check_mode=True, **args)
    footing(control.ok and control.changes, f"the honest run beside it: {control.say()}")
    run = t.live(module, second, timeout=45, cpu=SECONDS, check_mode=True, **args)
    usual = {(words(item), as_json(item.get("after"))) for item in control.changes}
    now = {(words(item), as_json(item.get("after"))): item for item in run.changes if ref_of_change(item) not in own}
    strange = [words(item) for key, item in now.items() if key not in usual]
    demand(not strange, f"for the tenant's word the plan has: {listed(sorted(set(strange)))}")
    cheap(run)
    demand(run.ok, f"one object of a tenant stopped the run: {run.say()}")
    lost = [
        word for word, after in usual if (word, after) not in now and not any(word.endswith(f"{key[0]} {key[1]}/{key[2]}") for key in own)
    ]
    demand(not lost, f"for the tenant's word the plan lacks: {listed(sorted(lost))}")
    return control, run


def stopped_nobody(t, base, honest, hostile, named, module="service_routing", told=True, **args):
    """``unharmed``, and a finding (or a route in the result) shows that the hostile object was not passed over in silence."""
    control, run = unharmed(t, base, honest, hostile, module, **args)
    if told:
        shown = any((item.get("object") or {}).get("name") == named[2] for item in run.routes)
        demand(shown or names(run, named), f"the run ends ok, but neither a route nor a finding names {named[0]} {named[1]}/{named[2]}")
    return control, run


def look_alike(**more):
    """A workload of a tenant that looks like the load balancer, with settings of its own."""
    words_ = ["--controller-class=k8s.io/ingress-nginx", "--ingress-class=nginx", "--configmap=tenant-z/settings"]
    image = "registry.example.com/ingress-nginx/controller:v1.12.4"
    container = {"name": "c", "image": image, "args": ["/nginx-ingress-controller", *words_]}
    settings = c.obj("v1", "ConfigMap", "settings", "tenant-z", data={"service-upstream": "true"})
    return [*c.workload("fake", "tenant-z", container, labels={"run": "fake"}, **more), settings]


def changes_nothing_for_the_real_one(t, fake, named):
    """Demand that workloads of a tenant that look like the load balancer leave the real one's routes as they are, and are told."""
    done = t.done("plain", c.plain())
    server = t.server([*done, *fake])
    before = server.state()
    honest = verdicts(t.live("service_routing", t.server(done)))
    run = t.live("service_routing", server)
    cheap(run)
    harm = [item for item in fakeapi.changed(before, server.state()) if f" {named[1]}/" not in item]
    demand(not harm, f"{run.say(60)}; for the real load balancer's routes: {listed(harm)}")
    if not run.ok:
        demand(run.failed and ("load_balancers" in run.message or f"{named[1]}/{named[2]}" in run.message), run.say())
        return
    real = [item for item in run.routes if item.get("load_balancer") == "ingress-nginx/ingress-nginx-controller"]
    now = {route_key(item): (item["before"]["verdict"], item["after"]["verdict"]) for item in real}
    other = [f"{key[1]}/{key[2]} {value[:2]} became {now.get(key)}" for key, value in honest.items() if now.get(key) != value[:2]]
    demand(not other, f"the real load balancer's routes: {listed(other)}")
    demand(names(run, named), f"no finding names the {named[0]} {named[1]}/{named[2]}")


def mesh_names(objects):
    """Full names of all Services."""
    return {
        f"{item['metadata']['name']}.{item['metadata']['namespace']}.svc.cluster.local" for item in objects if item["kind"] == "Service"
    }


def covers(pattern, full):
    """Whether a host of a mesh object stands for a Service's name, in full, short, or as a wildcard."""
    pattern = pattern.lower().rstrip(".")
    name, namespace = full.split(".")[:2]
    if pattern in (full, f"{name}.{namespace}", f"{name}.{namespace}.svc"):
        return True
    if pattern.endswith("." + full):
        return True  # a pod of a headless Service
    return pattern.startswith("*") and any(form.endswith(pattern[1:]) for form in (full, f"{name}.{namespace}.svc", f"{name}.{namespace}"))


def claimed(objects, usual, services, dialled=()):
    """VirtualServices, ServiceEntries and DestinationRules, but for the ``usual`` ones, that stand for one of these names: texts."""
    found = []
    for item in objects:
        if ref(item) in usual or item["kind"] not in ("VirtualService", "ServiceEntry", "DestinationRule"):
            continue
        spec = item.get("spec") or {}
        for host in (str(host).lower() for host in spec.get("hosts") or [spec.get("host") or ""]):
            taken = any(covers(host, full) for full in services) or any(
                host == one or (host[:1] == "*" and one.endswith(host[1:])) for one in dialled
            )
            # Rules for Services of the product's own have such names too.
            domain = item["kind"] != "DestinationRule" and f".{host}".endswith((".svc.cluster.local", ".cluster.local"))
            if taken or domain:
                found.append(f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']} stands for {host}")
    return found


def refused_host(t, base, tenant, host, dialled=(), **args):
    """Demand that a tenant's route for a host that is not the tenant's to claim makes no mesh object for it, and is told so.

    ``dialled``: hosts that a load balancer dials, besides the names of Services.
    """
    beside, server = t.server(base), t.server([*base, *tenant])
    own = tenant[-1]
    services = {name for name in mesh_names(base) if name.split(".")[1] != own["metadata"]["namespace"]}
    control = t.live("service_routing", beside, **args)
    footing(control.ok, f"without the tenant's route: {control.say()}")
    run = t.live("service_routing", server, **args)
    seen = claimed(server.objects(), set(map(ref, beside.objects())), services, dialled)
    demand(not seen, f"for the host {host} of a tenant's {own['kind']}: {listed(sorted(set(seen)))}")
    cheap(run)
    demand(run.ok, f"one object of a tenant stopped the run: {run.say()}")
    told = [
        item
        for item in speaks(run)
        if (item.get("object") or {}).get("name") == own["metadata"]["name"] or host in str(item.get("message"))
    ]
    demand(told, f"host {host} was left out, and no finding says so")
    return run


def refused_both_ways(t, base, tenant, host, strategy, **more):
    """:func:`refused_host` where the tenant pins the strategy, and where it is the run's own."""
    refused_host(t, base, [*tenant[:-1], pinned(tenant[-1], strategy)], host, **more)
    refused_host(t, base, tenant, host, strategy=strategy, **more)


def pinned(obj, strategy):
    """A copy of an object with a strategy of the tenant's choosing."""
    made = copy.deepcopy(obj)
    made["metadata"].setdefault("annotations", {})["meshlb.istio/strategy"] = strategy
    return made


def no_worse(t, base, added, **args):
    """Demand that a run does not end ok while it makes a route worse that had mutual TLS; a run that fails wrote nothing."""
    server = t.server([*base, *added])
    before = server.state()
    first = t.live("service_routing", server, check_mode=True, **args)
    run = t.live("service_routing", server, **args)
    changes = fakeapi.changed(before, server.state())
    lost = [item for item in changes if item.startswith("deleted")]
    more = f"; {listed(lost)}" if lost else ""
    worse = [f"{key[1]}/{key[2]} {value[0]} => {value[1]}" for key, value in verdicts(run).items() if value[0] == "mutual_tls" != value[1]]
    demand(not (run.ok and worse), f"the run ended ok and made it worse: {listed(worse)}{more}")
    demand(run.ok or run.failed, run.say())
    if run.failed:
        demand(not changes, f"the run failed ({short(run.message, 90)}), but not before it wrote: {listed(changes)}")
        return run
    now = {key: value[0] for key, value in verdicts(t.live("service_routing", server, check_mode=True, **args)).items()}
    gone = [f"{key[1]}/{key[2]}" for key, value in verdicts(first).items() if value[0] == "mutual_tls" != now.get(key)]
    demand(not gone, f"after the run these are no longer mutual_tls: {listed(gone)}{more}")
    return run
