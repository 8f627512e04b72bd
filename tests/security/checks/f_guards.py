# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""G: what held when it was reviewed. These pass today and have to go on passing."""

from __future__ import annotations

import signal

import yaml

from tests.security.kit import clusters as c
from tests.security.kit import envoy, files, guards, proofs, rights
from tests.security.kit import fakeapi as api
from tests.security.kit.core import cheap, check, demand, footing, listed, ref
from tests.security.kit.product import short


@check("G-secrets-are-never-read", "Secrets are neither listed nor read, whatever kind a custom profile names.")
def g_secrets_are_never_read(t):
    guards.never_asked_for_secrets(t, "Secret", "secret")


@check("G-no-templating-of-cluster-content", "A template in an annotation or a path is never rendered, and no token is shown at -vvv.")
def g_no_templating_of_cluster_content(t):
    guards.not_rendered(
        t,
        {"meshlb.istio/strategy": "{{ lookup('pipe', 'touch MARK0') }}"},
        "/{{ lookup('pipe', 'touch MARK1') }}",
        "meshlb.istio.assess",
        "-vvv",
    )


@check("G-killed-midway", "After SIGKILL in the middle of its writes the next run finishes, and rollback restores every object.")
def g_killed_midway(t):
    guards.ended_midway(t, c.plain(c.OWN), signal.SIGKILL, strategy="host_alias")


@check("G-run-and-rollback", "A run, a second run without changes, and a rollback that restores every object.")
def g_run_and_rollback(t):
    for strategy in ("auto", "host_alias", "host_entry"):
        guards.there_and_back(t, c.plain(c.OWN), strategy=strategy, back={})


@check(
    "G-chain-and-rollback", "chained_gateway: a run, a second one without changes, and a rollback that gives the route its backend back."
)
def g_chain_and_rollback(t):
    guards.there_and_back(t, [*c.plain(), *c.gateway()], "chained_gateway", back={"wait": False, "drain": 0}, **c.CHAIN)


@check("G-own-values-come-back", "One strategy after the other on a route with values of its user's, which rollback then gives back.")
def g_own_values_come_back(t):
    own = {"nginx.ingress.kubernetes.io/proxy-body-size": "8m", "owner": "shop", "meshlb.istio/note": ""}
    guards.one_after_the_other(t, c.plain(victim=own), ("host_alias", "host_entry", "headless_twin", "host_alias"))


@check("G-one-host-in-two-namespaces", "A host that its owner serves from two namespaces gets mutual TLS for both, by each strategy.")
def g_one_host_in_two_namespaces(t):
    login = c.ingress("login", "auth", "shop.example.com", "oauth2-proxy", path="/login")
    guards.one_after_the_other(t, c.plain(login), ("auto", "host_entry", "host_alias"))


@check("G-documented-rights", "With the documented roles and no other right, a run writes, and rollback restores every object.")
def g_documented_rights(t):
    rules = [rule for rules in rights.cluster_roles(t).values() for rule in rules]
    for strategy in ("auto", "host_alias", "host_entry"):
        guards.there_and_back(t, c.plain(c.OWN), rules=rules, strategy=strategy, back={})


@check(
    "G-kind-that-nobody-needs",
    "A list that is refused (403) from the start, of a kind that no route needs, is a finding and changes no plan.",
)
def g_kind_that_nobody_needs(t):
    guards.refused_kind(t, c.plain(c.OWN), "HTTPRoute")


@check("G-proof-by-commands", "With the right to run commands and without the right to forward ports, routes are proven.")
def g_proof_by_commands(t):
    proofs.proven_with(t, ("exec",))


@check("G-conflicts", "An object that changed in between (409) is read again; one of a name that is taken is not touched.")
def g_conflicts(t):
    server = t.server(c.plain())
    server.fault("PATCH", "/ingresses/shop", guards.changed_before, 1, dry=False)
    run = t.live("service_routing", server, strategy="host_alias")
    kept = (server.get(*c.VICTIM)["metadata"].get("labels") or {}).get("touched")
    demand(run.ok and run.changes and kept == "yes", f"after a change by somebody else in between: {run.say()}")
    probe = t.live("service_routing", t.server(c.plain()), check_mode=True, strategy="headless_twin")
    made = next((item["object"] for item in probe.changes if item["action"] == "create" and item["object"]["kind"] == "Service"), None)
    footing(made, f"no Service is planned: {probe.say()}")
    theirs = c.service(made["name"], made["namespace"], app="web")
    server = t.server(c.plain(theirs))
    before = server.state()[ref(theirs)]
    run = t.live("service_routing", server, strategy="headless_twin")
    demand(server.state().get(ref(theirs)) == before, "somebody's Service of that name was written")
    demand(run.ok or run.failed, run.say())
    told = any(item.get("object") and item["object"]["name"] == made["name"] for item in run.findings)
    demand(run.failed or told or run.routes[0]["after"]["verdict"] == "mutual_tls", "the route goes without, and nothing tells of it")


@check("G-broken-connections", "A reset while it reads is tried again; the lost answer to a write is repaired by the next run.")
def g_broken_connections(t):
    server = t.server(c.plain())
    server.fault("GET", "/ingresses", api.reset, 1)
    run = t.live("service_routing", server, check_mode=True)
    demand(run.ok and run.changes, f"after a reset: {run.say()}")
    server = t.server(c.plain())
    server.fault("POST", "/services", api.lost, 1, dry=False)
    first = t.live("service_routing", server)
    demand(first.ok or first.failed, first.say())
    again, settled = t.live("service_routing", server), t.live("service_routing", server, check_mode=True)
    demand(again.ok and settled.ok and not settled.changes, f"after a lost answer: {again.say(90)}; then {settled.say(90)}")


@check("G-refusing-webhook", "A webhook that refuses is named, and nothing was written; one without dry runs is a finding.")
def g_refusing_webhook(t):
    server = t.server(c.plain())
    before = server.state()
    server.fault(
        "POST", "/services", api.refusal(403, 'admission webhook "policy.example.com" denied the request: not here', "Forbidden"), -1
    )
    run = t.live("service_routing", server, strategy="headless_twin")
    demand(run.failed or run.ok, run.say())
    demand("policy.example.com" in run.told and "not here" in run.told, f"it does not tell of the webhook: {run.say()}")
    demand(server.state() == before, f"and it wrote: {listed(api.changed(before, server.state()))}")
    server = t.server(c.plain())
    no_dry = api.refusal(400, 'admission webhook "old.example.com" does not support dry run', "BadRequest")
    server.fault("POST", "/services", no_dry, -1, dry=True)
    run = t.live("service_routing", server, strategy="headless_twin")
    demand(run.ok and run.changes and any("old.example.com" in item["message"] for item in run.findings), run.say())


@check("G-redirects-are-not-followed", "A redirect of the API server is not followed, and the token goes nowhere else.")
def g_redirects_are_not_followed(t):
    server, elsewhere = t.server(c.plain()), t.server([])
    server.fault("GET", "/ingresses", api.text("", 302, {"Location": f"{elsewhere.url}/steal"}), -1)
    run = t.live("service_routing", server)
    demand(not elsewhere.log, f"it went to the other server: {listed(map(str, elsewhere.log))}")
    demand(run.failed, run.say())


@check("G-unsafe-tags", "A YAML tag that would run a program is refused, and nothing is run.")
def g_unsafe_tags(t):
    mark = t.folder() / "owned"
    folder = files.split(t, c.plain(), f'!!python/object/apply:os.system ["touch {mark}"]\n')
    run = t.dry("service_routing", [folder])
    demand(not mark.exists(), "the program was run")
    demand(run.failed and "wrong.yaml" in run.message, run.say())


@check("G-aliases-in-unused-fields", "YAML aliases that would unfold to billions of values in a field that nobody reads do no harm.")
def g_aliases_in_unused_fields(t):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"] + [
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]" for n in range(9)
    ]
    text = yaml.safe_dump(c.namespace("laughs")) + "spec:\n" + "".join(f"  {line}\n" for line in lines)
    run = t.dry("service_routing", [files.split(t, c.plain(), text)], timeout=30, cpu=15)
    cheap(run)
    demand(run.ok or (run.failed and "wrong.yaml" in run.message), run.say())


@check("G-impersonation-and-proof", "With impersonation no sidecar is asked with the rights of the user behind.")
def g_impersonation_and_proof(t):
    server = t.server(c.plain(proofs.tenants_route(), victim=proofs.PAGE))
    server.exec = envoy.Sidecars(envoy.two_tenants())
    run = t.live("mtls_proof", server, methods=["configuration"], impersonate_user="nobody")
    behind = [item for item in server.log if "/pods/" in item.path and item.headers.get("impersonate-user") != "nobody"]
    demand(not behind, f"{len(behind)} sidecars were asked with the rights of the user behind")
    demand(run.ok or run.failed, run.say())
    proven = [item for item in run.routes if item.get("verdict") == "mutual_tls"]
    demand(not proven or server.exec.asked, "no sidecar was asked, and a route is called proven")


@check("G-check-mode-writes-nothing", "Check mode sends no write, and plans what the run then does.")
def g_check_mode_writes_nothing(t):
    server = t.server(c.plain(c.OWN))
    before = server.state()
    planned = t.live("service_routing", server, check_mode=True)
    demand(planned.ok and planned.changes, planned.say())
    demand(server.state() == before and not server.writes(), f"it wrote: {listed(map(str, server.writes()))}")
    done = t.live("service_routing", server)
    demand(done.ok and done.changes == planned.changes, f"the run does something else than was planned: {done.say()}")


@check("G-many-pods", "5,000 Pods cost less than 10 s of CPU and 1 GiB.")
def g_many_pods(t):
    pods = []
    for number in range(5000):
        pod = c.obj(
            "v1",
            "Pod",
            f"p{number}",
            f"n{number % 50}",
            {"containers": [{"name": "c", "image": "i", "env": [{"name": f"E{n}", "value": "v" * 30} for n in range(8)]}]},
            labels={"app": f"a{number % 50}"},
            annotations={"x": "y" * 500},
        )
        pod["status"] = {"phase": "Running", "podIP": f"10.9.{number // 250}.{number % 250}"}
        pods.append(pod)
    run = t.live("service_routing", t.server([*c.plain(), *pods]), check_mode=True, timeout=90)
    cheap(run)
    demand(run.ok and run.changes, run.say())
    footing(not short(run.message), run.message)
