# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list that fails in a second run, and what must not come of it."""

from __future__ import annotations

import contextlib
import json
import time

from . import fakeapi
from .core import demand, footing, listed, verdicts
from .product import short


def second_run(t, key, objects, spoil, lasting=False, named=(), timeout=60, module="service_routing", **args):
    """Demand that a second run, in which ``spoil(server)`` makes a list fail, deletes nothing.

    It either gets the list after all and gives the same plan, or fails before it writes. ``lasting``: the list never works;
    then the run may also end ok with everything left as it is and a finding that has one of the words ``named``.
    """
    server = t.server(t.done(key, objects, module, **args))
    honest = t.live(module, server, **args)
    footing(honest.ok and not honest.changes, f"the honest run before it: {honest.say()}")
    before = server.state()
    spoil(server)
    run = t.live(module, server, timeout=timeout, **args)
    seen = fakeapi.changed(before, server.state())
    demand(not seen, f"{run.say(80)}; {listed(seen)}")
    demand(run.ok or run.failed, run.say())
    if run.ok:
        _same_plan(verdicts(honest), verdicts(run), run, named if lasting else ())
    return run


def _same_plan(usual, now, run, named):
    """Demand the usual plan, or a finding with one of the words."""
    told = [item for item in run.findings if any(word.lower() in str(item.get("message")).lower() for word in named)]
    if named:
        demand(usual == now or told, "the run ended ok with another plan, and no finding names what could not be read")
        return
    lost = [f"{key[1]}/{key[2]} {value} became {now.get(key)}" for key, value in usual.items() if now.get(key) != value]
    demand(usual == now, f"the run ended ok with another plan: {listed(lost) or 'more routes'}")


def taken_back(t, key, objects, spoil, module="service_routing", back=None, **args):
    """Demand that a rollback in which a list fails is a whole one, or fails before it writes. ``back``: its arguments, if others."""
    done = t.done(key, objects, module, **args)
    server = t.server(done)
    original = t.server(objects).state()
    before = server.state()
    spoil(server)
    run = t.live(module, server, **{**(args if back is None else back), "state": "absent"})
    after = server.state()
    demand(run.ok or run.failed, run.say())
    if run.ok:
        left = fakeapi.changed(original, after)
        demand(not left, f"the rollback ended ok, and left: {listed(left)}")
    else:
        demand(
            after == before,
            f"the rollback failed ({short(run.message, 80)}), but not before it wrote: {listed(fakeapi.changed(before, after))}",
        )
    return run


def paging_ends(t, objects, path, page, most=200, other=None):
    """Demand that a list whose ``continue`` repeats is given up; after ``most`` pages the server ends it itself.

    ``other``: a page that comes in turn with the first one.
    """
    server = t.server(objects)
    footing(t.live("service_routing", server, check_mode=True).ok, "the honest run")
    server.log.clear()

    def same(handler, _request):
        number = sum(path in item.path for item in server.log)
        if number > most:
            server.faults.clear()
            return "go on"
        return handler.answer(200, json.dumps(other if other and number % 2 else page).encode())

    server.fault("GET", path, same, -1)
    run = t.live("service_routing", server, timeout=40, check_mode=True)
    pages = sum(path in item.path for item in server.log)
    demand(pages <= most, f"it asked for the same page {most} times, and went on")
    demand(run.ok or run.failed, run.say())


def trickling(begin, then=b" ", pause=0.2):
    """Answer ``begin``, and then a little now and then, for as long as somebody listens."""

    def action(handler, _request):
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.connection.sendall(begin)
            for _number in range(600):
                time.sleep(pause)
                handler.connection.sendall(then)

    return action
