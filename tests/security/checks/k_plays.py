# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""H1, H4: what the modules promise, the roles and playbooks keep: one cluster, the plan that was approved, an end in time."""

from __future__ import annotations

import json
import time

from tests.security.kit import clusters as c
from tests.security.kit import lists
from tests.security.kit.core import check, demand, footing, listed
from tests.security.kit.fakeapi import changed
from tests.security.kit.product import short

NOT_PROVEN = {"istio_standalone_mtls_prove": False, "istio_standalone_mtls_wait_timeout": 5}


def play(t, name, values, *more, env=None, timeout=120):
    """Run one of the collection's playbooks with variables."""
    file = t.folder("play") / "values.json"
    file.write_text(json.dumps(values))
    return t.product.playbook(f"meshlb.istio.{name}", timeout, env, "-e", f"@{file}", *more)


def at(server):
    return {"host": server.url, "api_key": "checks"}


def digest_in(run):
    """The plan's digest that a role's result has, as -v prints it."""
    found = run.out.rpartition('"plan_digest": "')[2].partition('"')[0]
    footing(found.startswith("sha256:"), f"no digest in the output: {short(run.out[-300:], 300)}")
    return found


@check("H4-rollback-in-one-cluster", "rollback with istio_chained_connection alone works in that cluster, and in no other.", patient=True)
def h4_rollback_in_one_cluster(t):
    for name in ("istio_chained_connection", "istio_standalone_mtls_connection"):
        done = t.done("plain", c.plain())
        meant, other = t.server(done), t.server(done)
        before = other.state()
        env = {"K8S_AUTH_HOST": other.url, "K8S_AUTH_API_KEY": "other"}
        run = play(t, "rollback", {name: at(meant), **NOT_PROVEN}, env=env)
        demand(not other.log and other.state() == before, f"{name}: the default cluster was asked {len(other.log)} times")
        demand(meant.writes(), f"{name}: nothing was taken back where it was meant; {short(run.out[-300:], 300)}")


@check("H1-roles-keep-to-the-plan", "A role with a digest of another plan writes nothing; with that of check mode it writes.", patient=True)
def h1_roles_keep_to_the_plan(t):
    gateway = {"istio_chained_gateway": c.CHAIN["gateway"], "istio_chained_drain": 0, "istio_chained_wait_timeout": 5}
    cases = (
        ("standalone_mtls", "istio_standalone_mtls", c.plain(sidecar=False), NOT_PROVEN),
        ("chained", "istio_chained", [*c.plain(), *c.gateway()], gateway),
    )
    for playbook, role, objects, values in cases:
        server = t.server(objects)
        given = {f"{role}_connection": at(server), **values}
        before = server.state()
        planned = play(t, playbook, given, "--check", "-v")
        demand(server.state() == before, f"{playbook} in check mode wrote {listed(changed(before, server.state()))}")
        digest = digest_in(planned)
        wrong = play(t, playbook, {**given, f"{role}_expected_plan_digest": "sha256:" + "0" * 64})
        seen = changed(before, server.state())
        demand(wrong.code != 0 and not seen, f"{playbook} with another digest wrote {listed(seen)}")
        said = "sha256:000" in wrong.out and digest in wrong.out
        demand(said, f"{playbook} does not say which plan it is: {short(wrong.out[-400:], 400)}")
        meant = play(t, playbook, {**given, f"{role}_expected_plan_digest": digest})
        wrote = [item for item in server.writes() if not item.dry and "/leases" not in item.path]
        demand(wrote, f"{playbook} with the digest of its plan wrote nothing: {short(meant.out[-400:], 400)}")


@check("M1-roles-end-in-time", "request_timeout of a role bounds what its modules wait for.", patient=True)
def m1_roles_end_in_time(t):
    slow = lists.trickling(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
    for playbook, role in (
        ("assess", "istio_standalone_mtls"), ("prove", "istio_standalone_mtls"), ("standalone_mtls", "istio_standalone_mtls"),
        ("chained", "istio_chained"),
    ):
        server = t.server([*c.plain(), *c.gateway()])
        server.fault("GET", r"/pods(\?|$)", slow, -1)
        begin = time.monotonic()
        values = {f"{role}_connection": at(server), f"{role}_request_timeout": 2, "istio_chained_gateway": c.CHAIN["gateway"]}
        run = play(t, playbook, values, timeout=50)
        took = time.monotonic() - begin
        demand(run.code not in (0, None) and server.url in run.out, f"{playbook}: {short(run.out[-300:], 300)}")
        demand(took < 45 and not server.writes(), f"{playbook} took {took:.0f} s")


@check("H1-chain-may-be-allowed-to", "istio_chained_allow_regressions reaches the module.")
def h1_chain_may_be_allowed_to(t):
    server = t.server([*c.plain(), *c.gateway()])
    values = {"istio_chained_connection": at(server), "istio_chained_gateway": c.CHAIN["gateway"], "istio_chained_allow_regressions": [5]}
    run = play(t, "chained", values, "--check")
    demand(run.code != 0 and "allow_regressions" in run.out, f"a value of another form is not refused: {short(run.out[-300:], 300)}")
