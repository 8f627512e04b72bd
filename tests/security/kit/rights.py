# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a run speaks as, where Helm is sent, and what the documented roles allow."""

from __future__ import annotations

import json
import re
import sys
import time

import yaml

from . import clusters as c
from . import fakeapi
from .core import Unusable, demand, footing, listed
from .product import short

WRITES = {"create", "update", "patch", "delete", "deletecollection"}
UGLY = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]")


def kubeconfig(folder, server, user, name="kubeconfig.yaml", context="here"):
    """Write a kubeconfig for one server and user; gives its path."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": user}],
    }
    path = folder / name
    path.write_text(yaml.safe_dump(content))
    return str(path)


def printable(text, what):
    """Demand that a text holds nothing that a terminal obeys."""
    found = sorted({f"U+{ord(char):04X}" for char in UGLY.findall(text)})
    demand(not found, f"{what} holds {', '.join(found)}")


# Helm -------------------------------------------------------------------------------------------------------------------

STUB = """#!{python}
import json, os, sys
files = [item for item in os.environ.get("KUBECONFIG", "").split(os.pathsep) if item]
args = sys.argv[1:]
for number, word in enumerate(args):
    if word == "--kubeconfig": files = [args[number + 1]]
    if word.startswith("--kubeconfig="): files = [word.partition("=")[2]]
texts = []
for file in files:
    try: texts.append(open(file).read())
    except OSError as error: texts.append(str(error))
env = {{key: value for key, value in os.environ.items() if key.startswith("HELM_")}}
with open({log!r}, "a") as stream:
    stream.write(json.dumps({{"args": args, "env": env, "files": texts}}) + "\\n")
line = " ".join(args)
if "version" in args: print("v3.19.0+g0000000")
elif "show" in args: print("apiVersion: v2\\nname: chart\\nversion: 1.0.0")
elif "list" in args or "search" in args or "history" in args: print("[]")
elif "values" in args or "get" in args: print("{{}}")
elif "plugin" in args: print("NAME VERSION DESCRIPTION")
"""
LOCAL = {"version", "template", "show", "repo", "pull", "dependency", "plugin", "search", "env", "lint", "package", "registry"}


def helm_calls(t, tasks, env=None, timeout=100):
    """Run a play with a program in Helm's place. Gives (what ansible-playbook came to, the calls that speak to a cluster).

    ``tasks`` gets (path of the program, folder of a chart) and gives a role's entry.
    """
    folder = t.folder("helm")
    log, stub, chart = folder / "log", folder / "helm", folder / "chart"
    stub.write_text(STUB.format(python=sys.executable, log=str(log)))
    stub.chmod(0o755)
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: chart\nversion: 1.0.0\n")
    prod = kubeconfig(folder, "https://prod.example.invalid:6443", {"token": "prod-token"}, "prod.yaml")
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": [tasks(str(stub), str(chart))]}]
    run = t.product.playbook(play, timeout, {"KUBECONFIG": prod, **(env or {})})
    calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return run, [item for item in calls if not (set(item["args"]) & LOCAL)]


def release(connection):
    """For :func:`helm_calls`: a role that installs a chart over this connection."""

    def role(helm, chart):
        return {
            "role": "meshlb.istio.lb_vendor",
            "vars": {
                "lb_vendor_load_balancers": ["ingress_nginx"],
                "lb_vendor_install": True,
                "lb_vendor_mutual_tls": False,
                "lb_vendor_helm": helm,
                "lb_vendor_releases": [{"name": "front", "namespace": "front", "chart_ref": chart, "values": {}}],
                "lb_vendor_connection": connection,
            },
        }

    return role


def destination(call):
    """(server, what it says of credentials) of a call of Helm."""
    args = {}
    for number, word in enumerate(call["args"]):
        if word.startswith("--"):
            name, sign, value = word[2:].partition("=")
            args[name] = value if sign else (call["args"][number + 1] if number + 1 < len(call["args"]) else "")
    server = args.get("kube-apiserver") or call["env"].get("HELM_KUBEAPISERVER", "")
    token = args.get("kube-token") or call["env"].get("HELM_KUBETOKEN", "")
    user = {}
    for text in call["files"]:
        content = yaml.safe_load(text) if text.startswith(("apiVersion", "{", "clusters", "contexts", "current", "kind", "-")) else {}
        if not isinstance(content, dict):
            continue
        context = args.get("kube-context") or call["env"].get("HELM_KUBECONTEXT") or content.get("current-context")
        chosen = next((item["context"] for item in content.get("contexts") or [] if item["name"] == context), {})
        named = next((item["cluster"] for item in content.get("clusters") or [] if item["name"] == chosen.get("cluster")), {})
        user = next((item["user"] for item in content.get("users") or [] if item["name"] == chosen.get("user")), {}) or {}
        server = server or named.get("server", "")
        break
    return server, {**user, **({"token": token} if token else {})}


def sent_there(calls, server, **credentials):
    """Demand that every call goes to a server, with these credentials."""
    for call in calls:
        where, user = destination(call)
        demand(where.rstrip("/") == server, f"helm {call['args'][0]} went to {where or 'wherever its defaults lead'} instead of {server}")
        for name, value in credentials.items():
            demand(user.get(name) == value, f"helm {call['args'][0]} went to {server} without the {name}")


def told_or_refused(t, role, server, *credentials):
    """What Helm cannot be told must end the play before Helm speaks to a cluster; else it goes there, with one of these credentials."""
    run, calls = helm_calls(t, role)
    if not calls:
        demand(run.code != 0, "Helm is not called, and the play is green")
        return
    for call in calls:
        where, user = destination(call)
        demand(where.rstrip("/") == server, f"helm {call['args'][0]} went to {where or 'wherever its defaults lead'} instead of {server}")
        has = {key for key, value in user.items() if value}
        demand(
            has & set(credentials),
            f"helm {call['args'][0]} went to {server} with {listed(sorted(has)) or 'nothing'} instead of {' or '.join(credentials)}",
        )


# Roles ------------------------------------------------------------------------------------------------------------------


def cluster_roles(t):
    """The ClusterRoles in the collection's documentation: {name: rules}."""
    found = {}
    for file in sorted([*t.product.root.glob("docs/**/*.yaml"), *t.product.root.glob("docs/**/*.yml")]):
        for item in yaml.safe_load_all(file.read_text()):
            for one in (item.get("items") or [item]) if isinstance(item, dict) else []:
                if one.get("kind") in ("ClusterRole", "Role"):
                    found[f"{file.name}:{one['metadata']['name']}"] = one.get("rules") or []
    if not found:
        raise Unusable("no ClusterRole was found under docs/ of the collection")
    return found


def granted(t, group, *resources):
    """Verbs that some documented role grants on resources of a group: {resource: verbs}."""
    found = {}
    for rules in cluster_roles(t).values():
        for rule in rules:
            if group in rule.get("apiGroups", []) or "*" in rule.get("apiGroups", []):
                for resource in resources:
                    if resource in rule.get("resources", []) or "*" in rule.get("resources", []):
                        found.setdefault(resource, set()).update(rule.get("verbs", []))
    return found


def no_verbs(t, verbs, named):
    """Demand that none of the verbs is granted on any of these: (group, resource, ...)."""
    seen = []
    for group, *resources in named:
        for resource, has in granted(t, group, *resources).items():
            wrong = sorted(has & ({*verbs, "*"}))
            if wrong:
                seen.append(f"{resource}.{group} ({', '.join(wrong)})")
    demand(not seen, f"{len(seen)} rules grant what is never used: {listed(seen, 6)}")


# Two runs at once -------------------------------------------------------------------------------------------------------

WORK = r"/(deployments|gateways|services|destinationrules|serviceentries|virtualservices|ingresses)(/|\?|$)"


TOKENS = {"one": "token-one", "two": "token-two"}


class Meeting:
    """A fault that holds the first write of each of two runs until the other's came, or the other ended, or 6 s have passed."""

    def __init__(self):
        self.arrived, self.ended = set(), set()

    def __call__(self, _handler, request):
        who = next((name for name, token in TOKENS.items() if token in request.token), "")
        if request.writes and who not in self.arrived:
            self.arrived.add(who)
            until = time.monotonic() + 6
            while len(self.arrived | self.ended) < 2 and time.monotonic() < until:
                time.sleep(0.02)
        if request.writes:
            time.sleep(0.1)
        return "go on"

    def wait(self, started):
        """Wait for both; gives {name: run}."""
        until = time.monotonic() + 90
        while len(self.ended) < 2 and time.monotonic() < until:
            self.ended.update(name for name, process in started.items() if process.poll() is not None)
            time.sleep(0.02)
        return {name: process.wait() for name, process in started.items()}


def together(t, objects, first, second, module="service_routing", prepare=None):
    """Two runs whose writes overlap. Gives ({name: run}, {name: writes}, server)."""
    server, meeting = t.server(objects), Meeting()
    if prepare:
        prepare(server)
    server.on_writes(WORK, meeting)
    asked = {"one": first, "two": second}
    runs = meeting.wait({name: t.start(module, server, token=TOKENS[name], **args) for name, args in asked.items()})
    for name, run in runs.items():
        demand(run.ok or run.failed, f"run {name}: {run.say()}")
    server.faults.clear()
    wrote = [item for item in server.log if item.writes and re.search(WORK, item.path)]
    return runs, {name: [item for item in wrote if token in item.token] for name, token in TOKENS.items()}, server


def no_leases(server):
    """Take the right to use Leases away."""
    said = 'leases.coordination.k8s.io is forbidden: User "checks" cannot use resource "leases"'
    server.fault("*", "/leases", fakeapi.refusal(403, said, "Forbidden"), -1)


def consistent(t, objects, first, second, module="service_routing", prepare=None, back=None):
    """Demand of two runs at once that they do not both end ok and leave neither's plan; and of equal ones that none fails halfway."""
    runs, wrote, server = together(t, objects, first, second, module, prepare)
    if first == second:
        for name, run in runs.items():
            demand(run.ok or not wrote[name], f"run {name} failed after {len(wrote[name])} of its writes: {short(run.message, 120)}")
    settled = []
    for name, args in (("one", first), ("two", second)):
        if runs[name].ok:
            again = t.live(module, server, check_mode=True, **args)
            footing(again.ok, f"looking again: {again.say()}")
            settled.append(not again.changes)
    demand(any(run.ok for run in runs.values()) or any(wrote.values()), f"neither run did anything: {runs['one'].say()}")
    demand(len(settled) < 2 or any(settled), "both runs ended ok, and what is there is neither's plan")
    demand(first != second or not settled or all(settled), "the run that ended ok did not leave its plan")
    end = t.live(module, server, state="absent", **(back or {}))
    demand(end.ok, f"rollback afterwards: {end.say()}")
    left = fakeapi.changed(t.server(objects).state(), server.state())
    demand(not left, f"rollback afterwards leaves: {listed(left)}")


def holding(t, server, module="service_routing", **args):
    """Start a run whose writes are slow, and wait until it holds its Lease. Gives (process, the Lease's holder)."""
    server.on_writes(WORK, fakeapi.wait(1.5))
    process = t.start(module, server, **args)
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        held = [item for item in server.objects() if item["kind"] == "Lease"]
        if held and server.writes():
            return process, str(held[0]["spec"]["holderIdentity"])
        time.sleep(0.02)
    raise Unusable("the run was over before it held a Lease")


# Tables and namespaces --------------------------------------------------------------------------------------------------


def table(t, server, expression):
    """The text that a play makes of a plan with the collection's own filter."""
    out = t.folder("table") / "table.txt"
    content = "{{ (" + expression + ") | join('\n') }}"
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [
                {
                    "meshlb.istio.service_routing": {"host": server.url, "api_key": "a-long-token-0000"},
                    "check_mode": True,
                    "register": "plan",
                },
                {"ansible.builtin.copy": {"dest": str(out), "mode": "0600", "content": content}},
            ],
        }
    ]
    run = t.product.playbook(play)
    footing(out.exists() and "shop.example.com" in out.read_text(), f"the play: {short((run.out + run.err)[-250:], 250)}")
    return out.read_text()


def kept_to_namespaces(t, objects, ns="tenant-z", elsewhere="victim", **args):
    """Demand that with ``namespaces`` a route's backend in another namespace gets no object there."""
    server = t.server(objects)
    before = server.state()
    run = t.live("service_routing", server, namespaces=[ns], **args)
    demand(run.ok or run.failed, run.say())
    there = [key for key, value in server.state().items() if key[1] == elsewhere and before.get(key) != value]
    demand(not there, f"{run.say(60)}; in {elsewhere} it wrote {listed('/'.join(key) for key in there)}")
    footing(not (run.ok and not run.routes), "the route is not seen")


def said_across_namespaces(t, objects, name="zz", elsewhere="victim", **args):
    """Demand that a finding of the route's object names the other namespace where the plan writes there."""
    run = t.live("service_routing", t.server(objects), check_mode=True, **args)
    demand(run.ok or run.failed, run.say())
    foreign = [f"{item['action']} {item['object']['kind']}" for item in run.changes if (item["object"].get("namespace") or "") == elsewhere]
    told = [item for item in run.findings if elsewhere in str(item.get("message")) and (item.get("object") or {}).get("name") == name]
    demand(not foreign or told, f"{listed(foreign)} in {elsewhere}, and no finding of {name} says so")
    footing(run.failed or run.routes, "the route is not seen")


# A load balancer described as data --------------------------------------------------------------------------------------


def acme(items, select="", **more):
    """A custom profile; ``items`` says how its routes are read."""
    route = {"kind": "EdgeRoute.acme.example", "items": items, "uses_service": "route.spec.viaService", **more}
    if select:
        route["select"] = select
    return [
        {
            "id": "acme",
            "title": "ACME",
            "class_controllers": ["acme.example/ingress"],
            "recognise": {"images": ["acme/edge-proxy"]},
            "routes": [route],
        }
    ]


def edge_route(name, ns, spec):
    return c.obj("acme.example/v1", "EdgeRoute", name, ns, spec)


def behind_acme(*routes):
    container = {"name": "proxy", "image": "registry.example.com/acme/edge-proxy:1.0"}
    front = [
        c.namespace("edge"),
        c.obj("networking.k8s.io/v1", "IngressClass", "acme", spec={"controller": "acme.example/ingress"}),
        *c.workload("acme", "edge", container),
    ]
    return c.before_mesh(front, *routes)
