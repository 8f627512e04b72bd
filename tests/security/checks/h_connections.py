# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""H4, M6, M10: other ways to speak to the wrong cluster, as somebody else or as nobody, and to reach a terminal."""

from __future__ import annotations

import json

from tests.security.kit import clusters as c
from tests.security.kit import rights
from tests.security.kit.core import check, demand
from tests.security.kit.fakeapi import refusal
from tests.security.kit.product import short

STAGING, PROD = "https://staging.example.invalid:6443", "https://prod.example.invalid:6443"
VERSION = "client.authentication.k8s.io/v1"
MODULES = {
    "service_routing": {},
    "lb_info": {},
    "lb_sidecar": {"load_balancer": c.LB, "wait": False},
    "chained_gateway": {"gateway": {"namespace": "istio-ingress"}, "hosts": "from_load_balancer", "wait": False},
    "mtls_proof": {},
}


def cluster(t):
    return t.server([*c.plain(), *c.gateway()])


def told(run):
    return json.dumps({key: value for key, value in (run.data or {}).items() if key != "invocation"})


@check("M6-every-module-says-where", "The result of every module names the API server and the context.")
def m6_every_module_says_where(t):
    for module, args in MODULES.items():
        server = cluster(t)
        path = rights.kubeconfig(t.folder(), server.url, {"token": "x"}, context="the-context")
        run = t.product.module(module, {"kubeconfig": path, **args}, check_mode=True)
        demand(run.ok, f"{module}: {run.say()}")
        demand(run.data.get("cluster") == {"server": server.url, "context": "the-context"}, f"{module} says {run.data.get('cluster')}")


@check("M6-inline-kubeconfig", "A kubeconfig that is given as content is honoured in the same way. Its server is named, its token is not.")
def m6_inline_kubeconfig(t):
    server = cluster(t)
    path = rights.kubeconfig(t.folder(), server.url, {"token": "real-token-0001", "as": "nobody", "as-groups": ["none"]})
    with open(path, encoding="utf-8") as stream:
        content = rights.yaml.safe_load(stream)
    run = t.product.module("service_routing", {"kubeconfig": content}, check_mode=True)
    demand(run.ok, run.say())
    asked = [(item.headers.get("impersonate-user"), item.headers.get("impersonate-group")) for item in server.log]
    wrong = [item for item in asked if item != ("nobody", "none")]
    demand(not wrong, f"{len(wrong)} of {len(server.log)} requests had the rights of the user behind")
    demand(server.url in told(run) and "real-token-0001" not in json.dumps(run.data), "the server is not named, or the token is shown")


@check("M6-groups-of-an-impersonated-user", "as-groups without as is refused, by every module.")
def m6_groups_of_an_impersonated_user(t):
    for module, args in MODULES.items():
        server = cluster(t)
        path = rights.kubeconfig(t.folder(), server.url, {"token": "x", "as-groups": ["system:masters"]})
        run = t.product.module(module, {"kubeconfig": path, **args}, check_mode=True)
        demand(run.failed and not server.log, f"{module}: {run.say()}")


@check("M6-variables-of-another-cluster", "What K8S_AUTH_* says of one cluster goes to no other, and leads to no other.")
def m6_variables_of_another_cluster(t):
    server, prod = cluster(t), cluster(t)
    kubeconfig = rights.kubeconfig(t.folder(), prod.url, {"token": "prod-token"})
    own = rights.kubeconfig(t.folder(), server.url, {"token": "own-token"}, "own.yaml")
    ambient = {"K8S_AUTH_HOST": prod.url, "K8S_AUTH_API_KEY": "prod-token", "KUBECONFIG": kubeconfig}
    cases = (
        ({"host": server.url}, ambient),
        ({"host": server.url}, {"K8S_AUTH_KUBECONFIG": kubeconfig}),
        ({"host": server.url, "client_cert": __file__}, {"KUBECONFIG": kubeconfig}),
        ({"host": server.url, "context": "here"}, {"KUBECONFIG": kubeconfig}),
        ({"kubeconfig": own}, ambient),
        ({}, {"K8S_AUTH_HOST": server.url, "KUBECONFIG": kubeconfig}),
    )
    for args, env in cases:
        run = t.product.module("lb_info", args, env=env, check_mode=True)
        demand(run.ok or run.failed, run.say())
        sent = [item for item in server.log if "prod-token" in item.token]
        demand(not sent, f"{args} with {sorted(env)}: {len(sent)} requests carried the other cluster's token")
        demand(not prod.log, f"{args} with {sorted(env)}: it went to the other cluster")
    demand(server.log, "no request came")


@check("M6-odd-login-programs", "A login program that says something else, nothing, or is not there ends the run with its reason.")
def m6_odd_login_programs(t):
    said = {
        "no ticket": "echo no ticket >&2; exit 3",
        "ExecCredential": "echo {}",
        "token": f"echo '{json.dumps({'apiVersion': VERSION, 'kind': 'ExecCredential', 'status': {}})}'",
        "status 7": "exit 7",
        "\\x1b[2J": "printf 'x\\033[2J' >&2; exit 1",
    }
    for word, line in said.items():
        server = cluster(t)
        login = {"apiVersion": VERSION, "command": "/bin/sh", "args": ["-c", line], "interactiveMode": "Never"}
        path = rights.kubeconfig(t.folder(), server.url, {"exec": login})
        run = t.product.module("lb_sidecar", {"kubeconfig": path, **MODULES["lb_sidecar"]})
        demand(run.failed and not server.log, f"{line}: {len(server.log)} requests; {run.say()}")
        demand(word in run.message, f"{line}: it does not say why: {run.say(200)}")


@check("M6-password-in-a-reachable-address", "A password in an address that works is shown in no result, and at no verbosity.")
def m6_password_in_a_reachable_address(t):
    server = cluster(t)
    address = server.url.replace("http://", "http://admin:hunter2@")
    for module, args in MODULES.items():
        run = t.product.module(module, {"host": address, "api_key": "x-0000", **args}, check_mode=True)
        demand(run.ok or run.failed, run.say())
        demand("hunter2" not in json.dumps(run.data), f"{module} shows the password")
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"meshlb.istio.lb_info": {"host": address, "api_key": "x-0000"}}]}]
    run = t.product.playbook(play, 100, None, "-vvv", "--diff")
    demand("hunter2" not in run.out + run.err, "the play shows the password at -vvv")


@check("H4-variables-lead-helm-nowhere-else", "With a kubeconfig in the connection, neither HELM_KUBE* nor K8S_AUTH_* lead Helm elsewhere.")
def h4_variables_lead_helm_nowhere_else(t):
    path = rights.kubeconfig(t.folder(), STAGING, {"token": "staging-token"}, "staging.yaml")
    ambient = {
        "HELM_KUBEAPISERVER": PROD, "HELM_KUBETOKEN": "prod-token", "HELM_KUBECONTEXT": "prod", "HELM_KUBEASUSER": "root",
        "K8S_AUTH_HOST": PROD, "K8S_AUTH_API_KEY": "prod-token", "K8S_AUTH_CONTEXT": "prod",
    }  # fmt: skip
    for connection in ({"kubeconfig": path}, {"host": STAGING, "api_key": "staging-token"}):
        run, calls = rights.helm_calls(t, rights.release(connection), ambient)
        demand(calls, f"Helm was not called: {short((run.out + run.err)[-300:], 300)}")
        rights.sent_there(calls, STAGING, token="staging-token")
        demand(not any(call["env"].get("HELM_KUBEASUSER") for call in calls), "Helm speaks as somebody else")


@check(
    "H4-host-without-credentials", "With host alone, or beside another cluster's kubeconfig, the play ends before Helm speaks to a cluster."
)
def h4_host_without_credentials(t):
    prod = rights.kubeconfig(t.folder(), PROD, {"token": "prod-token"}, "prod.yaml")
    for connection in ({"host": STAGING}, {"host": STAGING, "kubeconfig": prod}, {"host": STAGING, "client_cert": "a", "client_key": "b"}):
        for env in ({}, {"K8S_AUTH_KUBECONFIG": prod}, {"K8S_AUTH_HOST": PROD, "K8S_AUTH_API_KEY": "prod-token"}):
            run, calls = rights.helm_calls(t, rights.release(connection), env)
            demand(run.code != 0 and not calls, f"{sorted(connection)} with {sorted(env)}: Helm was called")


@check("M10-texts-of-an-api-server", "What an API server or a tenant says reaches a terminal without control characters and on one line.")
def m10_texts_of_an_api_server(t):
    nasty = "x\x1b[2J\x07\u202e\r\nPASSED\x9b31m\u2028y"
    tenant = c.ingress("zz", "tenant-z", "z.example.com", "evil", annotations={"meshlb.istio/strategy": nasty, "note": nasty})
    for module, args in MODULES.items():
        server = t.server([*c.plain(tenant), *c.gateway()])
        server.fault("GET", r"/httproutes(\?|$)", refusal(403, f"cannot list {nasty}", "Forbidden"), -1)
        said = f'admission webhook "p" denied the request: {nasty}'
        server.fault("POST", "/(services|gateways|virtualservices)", refusal(403, said, "Forbidden"), -1)
        run = t.live(module, server, **args)
        demand(run.ok or run.failed, run.say())
        text = json.dumps({key: value for key, value in run.data.items() if key != "invocation"}, ensure_ascii=False)
        rights.printable(text, f"{module}: its result")
        lines = [run.message, *(item["message"] for item in run.findings)]
        demand(not any("\n" in item for item in lines), f"{module}: a message has more than one line")
