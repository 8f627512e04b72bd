# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs that somebody wants to stop, hold up or lead astray, in more ways than one."""

import time

from tests.security.kit import clusters as c
from tests.security.kit import proofs
from tests.security.kit.core import check, demand

EVIL = ("tenant-z", "evil-0")
TRAFFIC = {"methods": ["configuration", "traffic"], "requests": 1}


def tenants_verdict(run):
    return next((item.get("verdict") for item in run.routes if item["object"]["namespace"] == "tenant-z"), None)


def said_of_the_tenant(run):
    return [item for item in run.findings if (item.get("object") or {}).get("namespace") == "tenant-z"]


@check("H3-proof-with-other-slow-patterns", "Neither doubled, nested, long nor foreign expressions hold up the proof of others.")
def h3_proof_with_other_slow_patterns(t):
    path = "/" + "a" * 60 + "!"
    for regex in ("/(a|a)*b", "/(.*a){20}", "/((a{0,30}){0,30})*c", "(" * 5000, "/(?=(a+)+$)", "/.*" * 300 + "b"):
        proofs.proven_for_others(t, proofs.tenants_route(path), regex=regex)


@check("H3-odd-sidecars-are-named", "A backend's sidecar of any odd shape makes its own route unknown, with a finding, and no other.")
def h3_odd_sidecars_are_named(t):
    for answer in (
        "null", "[]", '{"configs": 5}', '{"configs": [{"dynamic_listeners": [{"active_state": {"listener": {"name": "virtualInbound", '
        '"filter_chains": [5]}}}]}]}', '{"configs": [' + "{}," * 900_000 + "{}]}", '{"a":' * 50_000, '{"configs": [1' + "0" * 6000 + "]",
        "\x00\x1b[2J", b"\xff\xfe\xfd",
    ):
        run = proofs.proven_for_others(t, proofs.tenants_route(), odd={EVIL: answer})
        shown = repr(answer[:60])
        demand(tenants_verdict(run) == "unknown", f"with {shown} the tenant's route is {tenants_verdict(run)}")
        demand(said_of_the_tenant(run), f"with {shown} nothing tells of it")


@check("H3-odd-sidecar-of-a-load-balancer", "A load balancer's sidecar of an odd shape ends in unknown routes, and in no traceback.")
def h3_odd_sidecar_of_a_load_balancer(t):
    table = '{"configs": [{"dynamic_route_configs": [{"route_config": {"name": "80", "virtual_hosts": 5}}]}]}'
    for answer in (table, "5", '{"configs": [[]]}'):
        server = proofs.prepared(t, ("portforward",), odd={("ingress-nginx", "ingress-nginx-controller-0"): answer})
        run = t.live("mtls_proof", server, methods=["configuration"])
        demand(run.ok, run.say())
        demand({item["verdict"] for item in run.routes} == {"unknown"}, f"with {answer} the verdicts are {run.routes}")
        demand(run.findings, "nothing tells of it")


@check("H3-sidecar-that-trickles", "A backend's sidecar that sends a byte every half second is cut off, in either way.", patient=True)
def h3_sidecar_that_trickles(t):
    def trickle(line):
        for _number in range(300):
            line.say(b" ")
            time.sleep(0.5)

    for ways in (("portforward",), ("exec",)):
        proofs.proven_with(t, ways, odd={EVIL: trickle})


@check("H3-sidecar-in-small-pieces", "A backend's sidecar that sends byte by byte, as fast as it can, is cut off at little cost.")
def h3_sidecar_in_small_pieces(t):
    def pieces(line):
        for _number in range(300_000):
            line.say(b" ")

    for ways in (("portforward",), ("exec",)):
        proofs.proven_with(t, ways, odd={EVIL: pieces})


@check("H3-sidecar-that-complains", "A backend's sidecar whose answer is an error of any length holds up nobody.")
def h3_sidecar_that_complains(t):
    def complain(line):
        for _number in range(2000):
            line.complain(b"\x1b[2J" + b"y" * 60_000)
        line.end(b"[" * 60_000)

    for ways in (("portforward",), ("exec",), ("portforward", "exec")):
        proofs.proven_with(t, ways, odd={EVIL: complain})


@check("H3-other-hosts-that-cannot-be-sent", "Hosts with empty or long labels, line breaks or control characters stop nobody.")
def h3_other_hosts_that_cannot_be_sent(t):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    front = proofs.LoadBalancer(answer)
    try:
        hosts = (".x", "a" * 64 + ".example.com", "a\nb", "a\r\nX-Evil: 1", "a\0b", "a\x1b[2Jb", "ä..b", "*.." + "a" * 300, "\ud800")
        for host in hosts:
            route = c.ingress("zz", "tenant-z", host, "evil", annotations=proofs.SERVICE_UPSTREAM)
            for scheme in ("http", "https"):
                run = proofs.proven_for_others(t, route, entrypoint=f"{scheme}://127.0.0.1:{front.port}", **TRAFFIC)
                demand(said_of_the_tenant(run), f"nothing tells of the host {host!r}")
    finally:
        front.close()


@check("H3-headers-that-never-end", "An answer whose headers come byte by byte is not read for ever.", patient=True)
def h3_headers_that_never_end(t):
    def trickle(handler):
        if handler.headers.get("Host", "").startswith("z."):
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X" * 300:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.3)

    front = proofs.LoadBalancer(trickle)
    try:
        proofs.proven_for_others(t, proofs.tenants_route(), timeout=75, entrypoint=f"http://127.0.0.1:{front.port}", **TRAFFIC)
    finally:
        front.close()


@check("M9-no-way-to-a-sidecar", "Without either right no route is called proven, and a finding names the right that is missing.")
def m9_no_way_to_a_sidecar(t):
    server = proofs.prepared(t, ())
    run = t.live("mtls_proof", server, methods=["configuration"])
    demand(run.ok or run.failed, run.say())
    proven = [item for item in run.routes if item["verdict"] == "mutual_tls"]
    demand(not proven, f"{len(proven)} routes are called proven")
    demand("pods/portforward" in run.told, "the missing right is not named")


@check("M9-nothing-is-run-unasked", "With ask_via: portforward no command is run, even where no port can be forwarded.")
def m9_nothing_is_run_unasked(t):
    server = proofs.prepared(t, ("exec",))
    run = t.live("mtls_proof", server, methods=["configuration"], ask_via="portforward")
    demand(run.ok or run.failed, run.say())
    demand(not server.exec.asked, f"{len(server.exec.asked)} commands were run")


@check("M9-ports-come-first", "With both rights no command is run.")
def m9_ports_come_first(t):
    server = proofs.prepared(t, ("portforward", "exec"))
    proofs.victim_is_proven(t, server)
    run = [item for item in server.log if item.path.endswith("/exec")]
    demand(not run, f"{len(run)} commands were run")


@check("G-impersonation-by-ports", "With impersonation no port is forwarded with the rights of the user behind.")
def g_impersonation_by_ports(t):
    for via in ("auto", "portforward", "exec"):
        server = proofs.prepared(t, ("portforward", "exec"))
        run = t.live("mtls_proof", server, methods=["configuration"], impersonate_user="nobody", ask_via=via)
        demand(run.ok or run.failed, run.say())
        demand(not server.exec.asked, f"{len(server.exec.asked)} sidecars were asked with the rights of the user behind")
