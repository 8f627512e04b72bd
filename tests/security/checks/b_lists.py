# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C3, M1, M2, M11: an API server that fails, answers oddly, or asks for patience."""

from __future__ import annotations

import json
import time

from tests.security.kit import clusters as c
from tests.security.kit import fakeapi as api
from tests.security.kit import lists
from tests.security.kit.core import check, demand
from tests.security.kit.product import short


def traefik():
    return c.before_mesh(c.traefik(), c.ingress_route("shop", "victim", "Host(`shop.example.com`)", "web"))


# C3 ---------------------------------------------------------------------------------------------------------------------


@check("C3-error-once", "One 500 on the list of a load balancer's own kind: the run tries again, or fails before it writes.")
def c3_error_once(t):
    lists.second_run(t, "traefik", traefik(), lambda s: s.fault("GET", "/ingressroutes", api.refusal(500)))


@check("C3-right-was-lost", "A list that is refused (403) for good: nothing is taken back, and a finding or a failure names the kind.")
def c3_right_was_lost(t):
    lost = api.refusal(403, 'ingressroutes.traefik.io is forbidden: User "checks" cannot list', "Forbidden")
    lists.second_run(t, "traefik", traefik(), lambda s: s.fault("GET", "/ingressroutes", lost, -1), lasting=True, named=["ingressroute"])


@check("C3-kind-not-in-discovery", "A kind that an earlier run wrote for and that is no longer served: nothing is taken back in silence.")
def c3_kind_not_in_discovery(t):
    lists.second_run(
        t, "traefik", traefik(), lambda s: s.stop_serving("traefik.io/v1alpha1"), lasting=True, named=["ingressroute", "traefik.io"]
    )


@check("C3-answer-that-is-no-list", "A 200 that is no list of that kind does not count as an empty list.")
def c3_answer_that_is_no_list(t):
    lists.second_run(t, "traefik", traefik(), lambda s: s.fault("GET", "/ingressroutes", api.text("{}"), 1))


@check("C3-rollback-is-whole", "A rollback in which a list fails once is a whole one, or fails before it writes.")
def c3_rollback_is_whole(t):
    lists.taken_back(t, "plain", c.plain(), lambda s: s.fault("GET", "/destinationrules", api.refusal(500)))


@check("C3-kinds-that-all-have", "One 500 on the list of Deployments, which every cluster has, changes no plan.")
def c3_kinds_that_all_have(t):
    lists.second_run(t, "plain", c.plain(), lambda s: s.fault("GET", "/deployments", api.refusal(500)))


# M1 ---------------------------------------------------------------------------------------------------------------------


@check("M1-bounded-patience", "Retry-After: 86400 does not hold a run for longer than a minute.", patient=True)
def m1_bounded_patience(t):
    server = t.server(c.plain())
    server.fault("GET", "/ingresses", api.refusal(429, "slow down", "TooManyRequests", {"Retry-After": "86400"}))
    run = t.live("service_routing", server, timeout=70, check_mode=True)
    demand(run.ok or run.failed, run.say())


@check("M1-short-patience-is-given", "Retry-After: 1 is waited for, and the run succeeds (a guard).")
def m1_short_patience_is_given(t):
    server = t.server(c.plain())
    server.fault("GET", "/ingresses", api.refusal(429, "slow down", "TooManyRequests", {"Retry-After": "1"}), 2)
    run = t.live("service_routing", server, check_mode=True)
    demand(run.ok and run.changes, run.say())


# M2 ---------------------------------------------------------------------------------------------------------------------


@check("M2-advice-fits", "A server error on a kind that is needed is told as what it is, and not as a missing right.")
def m2_advice_fits(t):
    server = t.server(c.plain())
    server.fault("GET", "/ingresses", api.refusal(500, "etcdserver: request timed out"), -1)
    run = t.live("service_routing", server)
    demand(run.failed, run.say())
    demand("500" in run.message or "request timed out" in run.message, f"it does not say what the server answered: {short(run.message)}")
    low = run.message.lower()
    demand("grant" not in low and "rbac" not in low, f"it asks for rights: {short(run.message[-160:])}")


# M11 --------------------------------------------------------------------------------------------------------------------


def odd(t, pattern, body, what, word):
    """A run that meets an odd answer fails before it writes, and names the server or ``word``; or it ends with the honest plan."""
    server = t.server(c.plain())
    before = server.state()
    server.fault("GET", pattern, api.text(body if isinstance(body, str) else json.dumps(body)), -1)
    run = t.live("service_routing", server, timeout=30)
    demand(run.ok or run.failed, f"{what}: {run.say()}")
    if run.failed:
        demand(server.state() == before, f"{what}: it failed, but not before it wrote")
        named = server.url in run.message or word in run.message.lower()
        demand(named, f"{what}: the message names neither the server nor what was asked: {short(run.message)}")
    else:
        demand(any(item["after"]["verdict"] == "mutual_tls" for item in run.routes), f"{what}: it ended ok with another plan")


@check(
    "M11-answers-of-an-odd-shape",
    "Answers such as null, a list, or items with null in them end in a message that names server or kind, never in a traceback.",
)
def m11_answers_of_an_odd_shape(t):
    for body in ("null", "[1, 2]", {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [None]}):
        odd(t, "/api/v1/pods", body, f"Pods answered with {json.dumps(body)[:40]}", "pod")
    broken = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": [{"versions": [{}]}]}
    odd(t, "^/apis$", broken, "a broken discovery", "discover")


@check("M11-paging-ends", "A continue token that repeats is not followed for ever.")
def m11_paging_ends(t):
    page = {"kind": "NodeList", "apiVersion": "v1", "metadata": {"continue": "same"}, "items": []}
    lists.paging_ends(t, c.plain(), "/nodes", page)


@check("M1-answers-that-trickle", "An answer that comes byte by byte is broken off within request_timeout, before a write.", patient=True)
def m1_answers_that_trickle(t):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    begins = ((head + b"Content-Length: 9000\r\n\r\n", b" "), (head + b"X: ", b"x"), (head + b"\r\n" + b'{"items": []}', b" "))
    for path in ("^/apis$", r"/services(\?|$)", r"/ingresses(\?|$)"):
        for begin, then in begins:
            server = t.server(c.plain())
            before = server.state()
            server.fault("GET", path, lists.trickling(begin, then), -1)
            start = time.monotonic()
            run = t.live("service_routing", server, request_timeout=2)
            took = time.monotonic() - start
            demand(run.failed and server.url in run.message, f"{path}: {run.say()}")
            demand(took < 15, f"{path}: it took {took:.0f} s")
            demand(server.state() == before, f"{path}: it wrote")
