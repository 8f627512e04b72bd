# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""H4, H5, M6, M7, M10, M12: who a run speaks as and where, what its roles allow, two runs at once, and what it prints."""

from __future__ import annotations

from tests.security.kit import clusters as c
from tests.security.kit import proofs, rights
from tests.security.kit import tenant as tz
from tests.security.kit.core import check, demand, footing, ref
from tests.security.kit.fakeapi import refusal
from tests.security.kit.product import short

STAGING = "https://staging.example.invalid:6443"


# H4 ---------------------------------------------------------------------------------------------------------------------


@check(
    "H4-helm-gets-the-connection",
    "lb_vendor_nginx sends Helm to the host, and with the token, of its connection; not to KUBECONFIG's cluster.",
)
def h4_helm_gets_the_connection(t):
    def role(helm, chart):
        return {
            "role": "meshlb.istio.lb_vendor_nginx",
            "vars": {
                "lb_vendor_nginx_install": True,
                "lb_vendor_nginx_mutual_tls": False,
                "lb_vendor_nginx_helm": helm,
                "lb_vendor_nginx_chart_ref": chart,
                "lb_vendor_nginx_connection": {"host": STAGING, "api_key": "staging-token"},
            },
        }

    run, calls = rights.helm_calls(t, role)
    demand(calls, f"Helm was not called: {short((run.out + run.err)[-300:], 300)}")
    rights.sent_there(calls, STAGING, token="staging-token")


@check(
    "H4-what-helm-cannot-be-told",
    "A connection that Helm has no option for (user and password) ends the play before Helm speaks to a cluster, or reaches it.",
)
def h4_what_helm_cannot_be_told(t):
    connection = {"host": STAGING, "username": "me", "password": "secret"}
    rights.told_or_refused(t, rights.release(connection), STAGING, "username")


# H5 ---------------------------------------------------------------------------------------------------------------------


@check("H5-no-rights-on-helmcharts", "No documented role grants a write on kinds that are only read, HelmCharts of k3s first of all.")
def h5_no_rights_on_helmcharts(t):
    rights.no_verbs(
        t,
        rights.WRITES,
        [
            ("helm.cattle.io", "helmcharts", "helmchartconfigs"),
            ("gateway.networking.k8s.io", "gatewayclasses"),
            ("getambassador.io", "hosts", "modules", "consulresolvers"),
            ("traefik.io", "middlewares"),
        ],
    )


@check("H5-patched-only", "Kinds that are only patched carry no right to create or delete.")
def h5_patched_only(t):
    rights.no_verbs(t, {"create", "delete", "deletecollection"}, [("traefik.io", "ingressroutes"), ("k8s.nginx.org", "virtualservers")])


@check("H5-no-wildcards", "No documented role has a wildcard, Secrets, or a right to raise rights (a guard).")
def h5_no_wildcards(t):
    seen = []
    for name, rules in rights.cluster_roles(t).items():
        for rule in rules:
            words = {*rule.get("apiGroups", []), *rule.get("resources", []), *rule.get("verbs", [])}
            if words & {"*", "secrets", "escalate", "bind", "impersonate", "roles", "clusterroles", "rolebindings", "clusterrolebindings"}:
                seen.append(name)
    demand(not seen, f"{seen}")


# M6 ---------------------------------------------------------------------------------------------------------------------


@check("M6-impersonation-in-a-kubeconfig", "A kubeconfig with as: is honoured or refused; the run never acts as the user behind it.")
def m6_impersonation_in_a_kubeconfig(t):
    server = t.server(c.plain())
    path = rights.kubeconfig(t.folder(), server.url, {"token": "real", "as": "nobody"})
    run = t.product.module("service_routing", {"kubeconfig": path}, check_mode=True)
    demand(run.ok or run.failed, run.say())
    wrong = [item for item in server.log if item.headers.get("impersonate-user") != "nobody"]
    demand(not wrong, f"{len(wrong)} of {len(server.log)} requests had the rights of the user behind; {run.say(60)}")


@check("M6-login-that-fails", "Where a kubeconfig's login program fails, the run ends with that; it does not go on as nobody.")
def m6_login_that_fails(t):
    server = t.server(c.plain())
    login = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "/bin/sh",
        "args": ["-c", "echo no ticket >&2; exit 3"],
        "interactiveMode": "Never",
    }
    path = rights.kubeconfig(t.folder(), server.url, {"exec": login})
    run = t.product.module("service_routing", {"kubeconfig": path}, check_mode=True)
    nameless = [item for item in server.log if not item.token]
    demand(not nameless, f"{len(nameless)} requests went out without credentials; {run.say(80)}")
    demand(run.failed, run.say())


@check("M6-password-in-an-address", "A password in the host's address is never shown.")
def m6_password_in_an_address(t):
    run = t.product.module("service_routing", {"host": "http://admin:hunter2@127.0.0.1:9", "api_key": "x"}, timeout=60)
    shown = run.message + str((run.data or {}).get("hint")) + str((run.data or {}).get("details"))
    demand(run.failed, run.say())
    demand("hunter2" not in shown, f"it shows the password: {short(shown, 120)}")


@check("M6-token-of-another-cluster", "host without credentials does not send that host the token of KUBECONFIG's cluster.")
def m6_token_of_another_cluster(t):
    server, prod = t.server(c.plain()), t.server([])
    path = rights.kubeconfig(t.folder(), prod.url, {"token": "prod-token"})
    run = t.product.module("service_routing", {"host": server.url}, env={"KUBECONFIG": path}, check_mode=True)
    sent = [item for item in server.log if "prod-token" in item.token]
    demand(not sent, f"{len(sent)} of {len(server.log)} requests to another host carried the token of KUBECONFIG's cluster")
    demand(run.ok or run.failed, run.say())


@check("M6-login-that-hangs", "A kubeconfig's login program that never ends does not hold a run for longer than a minute.", patient=True)
def m6_login_that_hangs(t):
    server = t.server(c.plain())
    login = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh", "args": ["-c", "sleep 300"], "interactiveMode": "Never"}
    path = rights.kubeconfig(t.folder(), server.url, {"exec": login})
    run = t.product.module("service_routing", {"kubeconfig": path}, timeout=75, check_mode=True)
    demand(run.ended != "killed", f"it hangs as the program does: {run.say()}")
    demand(run.failed, run.say())


@check("M6-says-where", "A result names the API server that was used.")
def m6_says_where(t):
    server = t.server(c.plain())
    run = t.live("service_routing", server, check_mode=True)
    demand(run.ok, run.say())
    result = str({key: value for key, value in run.data.items() if key != "invocation"})
    demand(server.url in result, f"nothing in the result names {server.url}")


# M7 ---------------------------------------------------------------------------------------------------------------------


TWO_ROUTES = (c.OWN, c.OTHER)


@check("M7-two-equal-runs-at-once", "Of two equal runs at once, none fails halfway, and what is there afterwards is their plan.")
def m7_two_equal_runs_at_once(t):
    rights.consistent(t, c.plain(*TWO_ROUTES), {"strategy": "host_alias"}, {"strategy": "host_alias"})


@check("M7-two-different-runs-at-once", "Two runs with different strategies at once do not both end ok and leave neither's plan.")
def m7_two_different_runs_at_once(t):
    rights.consistent(t, c.plain(*TWO_ROUTES), {}, {"strategy": "host_entry"})


# M9 ---------------------------------------------------------------------------------------------------------------------


@check("M9-proof-by-port-forward", "With the right to forward ports and without the right to run commands, routes are proven.")
def m9_proof_by_port_forward(t):
    proofs.proven_with(t, ("portforward",))


# M10 --------------------------------------------------------------------------------------------------------------------


@check("M10-no-escape-sequences", "A webhook's refusal reaches the terminal without control characters.")
def m10_no_escape_sequences(t):
    server = t.server(c.plain())
    said = 'admission webhook "policy.example.com" denied the request: \x1b[2J\x1b]0;owned\x07 all\r\nok: [localhost] \x9b31m \u202egnp.exe'
    server.fault("POST", "/(services|destinationrules)", refusal(403, said, "Forbidden"), -1)
    run = t.live("service_routing", server)
    demand(run.failed or run.findings, run.say())
    rights.printable(run.told, "what it says")
    demand("policy.example.com" in run.told, f"the webhook is not named: {short(run.told)}")


@check("M10-cells-of-tables", "What a tenant writes into a path reaches no table with control characters.")
def m10_cells_of_tables(t):
    tenant = c.ingress("zz", "tenant-z", "z.example.com", "evil", path="/esc\x1b[31m\x07\u202egnp.exe", path_type="ImplementationSpecific")
    found = rights.table(t, t.server(c.plain(tenant)), "plan.routes | meshlb.istio.summary")
    rights.printable(found, "the table")


# M12 --------------------------------------------------------------------------------------------------------------------


@check("M12-expressions-on-a-tenants-object", "A JMESPath type error on one tenant's object stops nobody, and is named.")
def m12_expressions_on_a_tenants_object(t):
    profile = rights.acme("spec.rules[?length(host) > `1`].{host: host, service: to, port: port}")
    shop = rights.edge_route("shop", "victim", {"rules": [{"host": "shop.example.com", "to": "web", "port": 80}]})
    honest = rights.edge_route("zz", "tenant-z", {"rules": [{"host": "z.example.com", "to": "evil", "port": 80}]})
    wrong = rights.edge_route("zz", "tenant-z", {"rules": [{"host": 5, "to": "evil", "port": 80}]})
    probe = t.live("service_routing", t.server(rights.behind_acme(shop)), check_mode=True, custom_profiles=profile)
    footing(probe.ok and probe.routes, f"the honest run: {probe.say()}")
    tz.stopped_nobody(t, rights.behind_acme(shop), [honest], [wrong], ref(honest), custom_profiles=profile, strategy="headless_twin")


FOREIGN = rights.edge_route("zz", "tenant-z", {"rules": [{"host": "z.example.com", "ns": "victim", "to": "web", "port": 80}]})
ITEMS = "spec.rules[].{host: host, namespace: ns, service: to, port: port}"


@check("M12-namespaces-are-kept-to", "With namespaces: [tenant-z], a route of tenant-z with a backend in victim makes no object in victim.")
def m12_namespaces_are_kept_to(t):
    rights.kept_to_namespaces(t, rights.behind_acme(FOREIGN), custom_profiles=rights.acme(ITEMS))


@check("M12-across-namespaces-is-said", "Without namespaces, a finding says where a route makes objects in another namespace than its own.")
def m12_across_namespaces_is_said(t):
    rights.said_across_namespaces(t, rights.behind_acme(FOREIGN), custom_profiles=rights.acme(ITEMS))
