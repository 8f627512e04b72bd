# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What held when it was reviewed, and has to go on holding."""

from __future__ import annotations

import json
import re
import signal
import time

from . import clusters as c
from . import fakeapi
from .core import demand, footing, listed, verdicts
from .product import short


def changed_before(handler, request):
    """Somebody else changes the object just before this request gets to it."""
    name = request.path.rpartition("/")[2]
    live = next((item for key, item in handler.api.store.items() if key[3] == name and f"/{fakeapi.plural(key[1])}/" in request.path), None)
    if live is not None:
        live["metadata"].setdefault("labels", {})["touched"] = "yes"
        handler.api.put(live)
    return "go on"


def slow_writes(server):
    """Have every write take a quarter of a second, so that a run can be ended between two."""
    server.on_writes("", fakeapi.wait(0.25))


def end_after_first_write(server, process, number):
    """Send a signal to a run after its first write; demand that it ends, and writes no more."""
    until = time.monotonic() + 40
    while not server.writes() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    footing(process.poll() is None, "the run was over before it could be ended")
    time.sleep(0.1)
    process.send(number)
    until = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    demand(process.poll() is not None, f"it goes on 20 s after {signal.Signals(number).name}")
    process.wait()
    time.sleep(0.4)
    server.faults.clear()
    seen = len(server.writes())
    time.sleep(0.3)
    demand(len(server.writes()) == seen, "it writes on after its end")


def age_leases(server):
    """Let an hour pass for every Lease, as the run that held it is dead."""
    for item in server.objects():
        if item["kind"] == "Lease":
            spec = item.setdefault("spec", {})
            for name in ("renewTime", "acquireTime"):
                if spec.get(name):
                    spec[name] = "2024-01-01T00:00:00.000000Z"
            server.put(item)


def next_run(t, server, **args):
    """The run after one that was ended. It may once refuse to write because the dead one's Lease has not run out."""
    age_leases(server)
    seen = len(server.writes())
    run = t.live("service_routing", server, timeout=90, **args)
    if run.failed and len(server.writes()) == seen:
        time.sleep(2)
        age_leases(server)
        run = t.live("service_routing", server, timeout=90, **args)
    demand(run.ok, f"the next run: {run.say()}")


def ended_midway(t, objects, number, **args):
    """End a run after its first write; demand that the next run finishes and that rollback then restores every object."""
    server = t.server(objects)
    original = server.state()
    slow_writes(server)
    end_after_first_write(server, t.start("service_routing", server, workers=1, **args), number)
    next_run(t, server, **args)
    settled = t.live("service_routing", server, check_mode=True, **args)
    demand(settled.ok and not settled.changes, f"the run after it: {settled.say()}")
    rolled_back(t, server, original)


def rolled_back(t, server, original, module="service_routing", **args):
    """Demand that a rollback restores every object."""
    back = t.live(module, server, state="absent", **args)
    left = fakeapi.changed(original, server.state())
    demand(back.ok and not left, f"rollback: {back.say(60)}; {listed(left)}")


def there_and_back(t, objects, module="service_routing", rules=None, back=None, **args):
    """Demand of a module that it changes something, that a second run changes nothing, and that rollback restores all.

    ``rules``: what its account may do. ``back``: other arguments of the rollback. Gives the first run.
    """
    server = t.server(objects)
    original = server.state()
    server.rules = rules
    first, second = t.live(module, server, **args), t.live(module, server, **args)
    demand(first.ok and first.changes, f"{module}: {first.say()}")
    demand(second.ok and not second.changes, f"{module} a second time: {second.say()}")
    rolled_back(t, server, original, module, **(back or args))
    return first


def one_after_the_other(t, objects, strategies):
    """Demand that one strategy after the other serves the routes, and that rollback then restores every object."""
    server = t.server(objects)
    original = server.state()
    for strategy in strategies:
        run = t.live("service_routing", server, strategy=strategy)
        served = [item["after"]["verdict"] for item in run.routes]
        demand(run.ok and served and set(served) == {"mutual_tls"}, f"{strategy}: {run.say(120)}; {served}")
    rolled_back(t, server, original)


def refused_kind(t, objects, kind, **args):
    """Demand that a list which is refused (403) from the start, of a kind that no route needs, changes no plan and is told."""
    honest = t.live("service_routing", t.server(objects), check_mode=True, **args)
    footing(honest.ok and honest.changes, f"with all rights: {honest.say()}")
    server = t.server(objects)
    word = fakeapi.plural(kind)
    said = f'{word} is forbidden: User "checks" cannot list resource "{word}" at the cluster scope'
    server.fault("GET", rf"/{word}(\?|$)", fakeapi.refusal(403, said, "Forbidden"), -1)
    run = t.live("service_routing", server, **args)
    demand(run.ok, f"{kind} is refused: {run.say()}")
    demand(verdicts(run) == verdicts(honest), f"{kind} is refused: another plan, {verdicts(run)}")
    asked = any(f"/{word}" in item.path for item in server.log)
    demand(not asked or kind.lower() in run.told.lower() or word in run.told.lower(), f"{kind} is refused, and no finding tells")


def never_asked_for_secrets(t, *kinds):
    """Demand that Secrets are neither listed nor read, whatever kind a custom profile names."""
    objects = c.plain(c.obj("v1", "Secret", "password", "victim", data={"x": "eA=="}))
    for kind in kinds:
        profile = [
            {
                "id": "acme",
                "class_controllers": ["acme.example/ingress"],
                "routes": [{"kind": kind, "items": "[{host: 'a', service: 'b', port: `80`}]"}],
            }
        ]
        server = t.server(objects)
        run = t.live("service_routing", server, custom_profiles=profile, check_mode=True)
        asked = [str(item) for item in server.log if "secret" in item.path.lower()]
        demand(not asked, f"kind {kind!r}: {listed(asked)}")
        demand(run.ok or run.failed, f"kind {kind!r}: {run.say()}")


def not_rendered(t, annotations, path, playbook="meshlb.istio.assess", *more):
    """Demand that what a tenant writes into a cluster is never rendered as a template, and that a token is never shown."""
    folder, token = t.folder("templates"), "token-that-nobody-may-see"
    marks = [folder / name for name in ("annotation", "path")]
    server = t.server(c.plain(_with_templates(annotations, path, marks)))
    extra = folder / "extra.json"
    extra.write_text(json.dumps({"istio_standalone_mtls_connection": {"host": server.url, "api_key": token}}))
    run = t.product.playbook(playbook, 120, None, "-e", f"@{extra}", *more)
    shown = run.out + run.err
    rendered = [mark.name for mark in marks if mark.exists()]
    demand(not rendered, f"a template in the cluster was rendered: {listed(rendered)}")
    demand(token not in shown, "the token is in the output")
    worked = run.code == 0 and re.search(r"failed=0", run.out) and server.log
    footing(worked, f"the playbook did not do its work: {short(shown[-300:], 300)}")


def _with_templates(annotations, path, marks):
    """A tenant's Ingress with templates that would leave a mark."""

    def fill(text):
        return text.replace("MARK0", str(marks[0])).replace("MARK1", str(marks[1]))

    filled = {key: fill(value) for key, value in annotations.items()}
    more = {"path": fill(path), "path_type": "ImplementationSpecific", "annotations": filled}
    return c.ingress("jinja", "tenant-z", "j.example.com", "evil", **more)
