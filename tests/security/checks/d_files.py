# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""M3, M4, M5, M8, M13: manifests and folders that are wrong, or somebody else's."""

from __future__ import annotations

import os

import yaml

from tests.security.kit import clusters as c
from tests.security.kit import files
from tests.security.kit.core import cheap, check, demand, footing, listed, ref
from tests.security.kit.product import short

SHOP, WEB, LB = ("Ingress", "victim", "shop"), ("Service", "victim", "web"), ("Deployment", "ingress-nginx", "ingress-nginx-controller")
PATH = ("spec", "rules", 0, "http", "paths", 0)
TEMPLATE = ("spec", "template")


# M3: about forty wrongly typed fields -----------------------------------------------------------------------------------


@check("M3-ingress", "Wrongly typed fields of an Ingress: an error that names file and object, or a finding; never a traceback.")
def m3_ingress(t):
    files.typed(
        t,
        c.plain(),
        [
            (SHOP, ("metadata", "annotations"), "x"),
            (SHOP, ("spec", "rules"), 5),
            (SHOP, ("spec", "rules", 0), "shop.example.com"),
            (SHOP, ("spec", "rules", 0, "http", "paths"), "/"),
            (SHOP, PATH, "web"),
            (SHOP, (*PATH, "backend"), "web"),
            (SHOP, (*PATH, "backend", "service"), "web"),
            (SHOP, (*PATH, "backend", "service", "port"), [[]]),
            (SHOP, (*PATH, "backend", "service", "port", "number"), "Pod"),
            (SHOP, ("spec", "rules", 0, "host"), {"a": 1}),
        ],
    )


@check("M3-service", "Wrongly typed fields of a Service: an error that names file and object, or a finding.")
def m3_service(t):
    files.typed(
        t,
        c.plain(),
        [
            (WEB, ("spec",), "x"),
            (WEB, ("spec", "ports"), ["80/tcp"]),
            (WEB, ("spec", "ports"), 3.5),
            (WEB, ("spec", "ports", 0, "port"), "//"),
            (WEB, ("spec", "ports", 0, "targetPort"), ["8080"]),
            (WEB, ("spec", "ports", 0, "name"), 5),
            (WEB, ("spec", "selector"), "app=web"),
            (WEB, ("spec", "selector", "app"), ["web", "web"]),
            (WEB, ("metadata", "labels"), "x"),
        ],
    )


@check("M3-workload", "Wrongly typed fields of the load balancer's Deployment: an error that names file and object, or a finding.")
def m3_workload(t):
    files.typed(
        t,
        c.plain(),
        [
            (LB, TEMPLATE, "x"),
            (LB, (*TEMPLATE, "metadata"), "x"),
            (LB, (*TEMPLATE, "metadata", "labels"), "]"),
            (LB, (*TEMPLATE, "spec"), "nan"),
            (LB, (*TEMPLATE, "spec", "containers"), "{"),
            (LB, (*TEMPLATE, "spec", "containers", 0), "c"),
            (LB, (*TEMPLATE, "spec", "containers", 0, "args"), 5),
            (LB, (*TEMPLATE, "spec", "containers", 0, "env"), 7),
            (LB, ("spec", "selector"), "run=front"),
        ],
    )


@check(
    "M3-mesh",
    "Wrongly typed fields of Namespaces, the injector's webhook, a PeerAuthentication, a ConfigMap: an error or a finding names it.",
)
def m3_mesh(t):
    peer, hook = ("PeerAuthentication", "istio-system", "default"), ("MutatingWebhookConfiguration", "", "istio-sidecar-injector")
    files.typed(
        t,
        c.plain(),
        [
            (("Namespace", "", "victim"), ("metadata", "labels"), "istio-injection=enabled"),
            (peer, ("spec", "mtls"), "STRICT"),
            (peer, ("spec", "mtls", "mode"), ["STRICT"]),
            (peer, ("spec", "portLevelMtls"), "["),
            (hook, ("webhooks",), 5),
            (hook, ("webhooks", 0), "x"),
            (("IngressClass", "", "nginx"), ("spec", "controller"), {"a": None}),
            (("ConfigMap", "ingress-nginx", "settings"), ("data",), "use-gzip"),
            (("Pod", "victim", "web-0"), ("spec", "containers"), {"a": "b"}),
            (("Pod", "victim", "web-0"), ("metadata", "labels"), ["app"]),
        ],
    )


@check("M3-routes-of-their-own-kind", "Wrongly typed fields of an IngressRoute: an error that names file and object, or a finding.")
def m3_routes_of_their_own_kind(t):
    objects = c.before_mesh(c.traefik(), c.ingress_route("shop", "victim", "Host(`shop.example.com`)", "web"))
    route = ("IngressRoute", "victim", "shop")
    files.typed(
        t,
        objects,
        [
            (route, ("spec", "routes"), "Host(`"),
            (route, ("spec", "routes", 0, "services"), "web"),
            (route, ("spec", "routes", 0, "services", 0), "web"),
            (route, ("spec", "routes", 0, "services", 0, "port"), {"a": 1}),
            (route, ("spec", "routes", 0, "match"), ["a"]),
        ],
    )


@check(
    "M3-files", "Files that no parser likes (a list that holds itself, 5,000 digits, 100,000 brackets) end in an error that names the file."
)
def m3_files(t):
    cases = {
        "itself.yaml": "&x {apiVersion: v1, kind: List, items: [*x]}\n",
        "digits.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\nspec: {x: " + "9" * 5000 + "}\n",
        "brackets.json": "[" * 100_000,
        "nul.json": '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a\\u0000b"}}',
    }
    seen = []
    for file, text in cases.items():
        run = t.dry("service_routing", [files.split(t, c.plain(), text, file)], timeout=30, cpu=15)
        cheap(run, file)
        if run.ended == "crashed" or (run.failed and file not in run.message):
            seen.append(f"{file}: {run.say(90)}")
    demand(not seen, f"{len(seen)} of {len(cases)}: {listed(seen, 2)}")


# M4: passed over in silence ---------------------------------------------------------------------------------------------


def old(text):
    made = c.ingress("shop", "victim", "shop.example.com", "web")
    return {**made, **text}


@check("M4-old-api-version", "An Ingress of networking.k8s.io/v1beta1 is read or told, not passed over in silence.")
def m4_old_api_version(t):
    made = c.ingress("shop", "victim", "shop.example.com", "web")
    made["apiVersion"] = "networking.k8s.io/v1beta1"
    made["spec"]["rules"][0]["http"]["paths"][0]["backend"] = {"serviceName": "web", "servicePort": 80}
    objects = c.plain()
    run = t.dry("service_routing", [files.split(t, [item for item in objects if ref(item) != SHOP], made)])
    if not (run.ok and any(item["after"]["verdict"] == "mutual_tls" for item in run.routes)):
        files.told(t, objects, SHOP, made)


@check("M4-misspelt-kind", "kind: Ingres is told.")
def m4_misspelt_kind(t):
    files.told(t, c.plain(), SHOP, old({"kind": "Ingres"}))


@check("M4-misspelt-field", "backend: {servic: ...} is told.")
def m4_misspelt_field(t):
    made = c.ingress("shop", "victim", "shop.example.com", "web")
    backend = made["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    backend["servic"] = backend.pop("service")
    files.told(t, c.plain(), SHOP, made)


@check("M4-keys-twice", "A key that is there twice is told.")
def m4_keys_twice(t):
    text = yaml.safe_dump(c.ingress("shop", "victim", "shop.example.com", "web"), sort_keys=False)
    files.told(t, c.plain(), SHOP, text.replace("  name: shop\n", "  name: shop\n  name: shop2\n", 1), words=["shop2"])


@check("M4-not-rendered", "A host that is a template ({{ ... }}) is told.")
def m4_not_rendered(t):
    files.told(t, c.plain(), SHOP, c.ingress("shop", "victim", "{{ .Values.host }}", "web"))


@check("M4-nothing-to-do-here", "A run that finds no load balancer at all (the wrong cluster) is not green without a word.")
def m4_nothing_to_do_here(t):
    run = t.live("service_routing", t.server([*c.mesh(), c.namespace("victim"), *c.app("web", "victim")]))
    demand(run.ok or run.failed, run.say())
    demand(run.failed or run.findings, "it ends ok with no route, and no finding")


@check("M4-folder-behind-a-link", "A folder behind a symbolic link is read, or told.")
def m4_folder_behind_a_link(t):
    objects = c.plain()
    folder, elsewhere = t.manifests([item for item in objects if ref(item) != SHOP]), t.folder("elsewhere")
    (elsewhere / "shop.yaml").write_text(yaml.safe_dump(c.ingress("shop", "victim", "shop.example.com", "web")))
    os.symlink(elsewhere, folder / "routes")
    run = t.dry("service_routing", [folder])
    demand(run.ok or run.failed, run.say())
    read = any(item["object"]["name"] == "shop" for item in run.routes)
    named = [item for item in run.findings if "routes" in str(item.get("message"))]
    demand(read or run.failed or named, "it ends ok without the route in it, and no finding names the folder")


@check("M4-ports-that-cannot-be", "targetPort: -1 makes no Service with a port of -1, and is told.")
def m4_ports_that_cannot_be(t):
    wrong = c.service("web", "victim", target=-1)
    run = files.told(t, c.plain(), WEB, wrong)
    ports = [port.get("port") for item in run.changes for port in ((item.get("after") or {}).get("spec") or {}).get("ports") or []]
    demand(all(0 < int(port) < 65536 for port in ports), f"the plan has a Service with port {ports}")


# M5 ---------------------------------------------------------------------------------------------------------------------


@check("M5-opt-out", 'meshlb.istio/ignore: "True" is an opt-out as "true" is.')
def m5_opt_out(t):
    for value in ("true", "True"):
        server = t.server(c.plain(victim={"meshlb.istio/ignore": value}))
        before = server.state()
        run = t.live("service_routing", server)
        demand(run.ok, run.say())
        demand(server.state() == before, f'"{value}": it writes for the route all the same')


@check("M5-spellings", "Every usual spelling of yes is an opt-out, every usual one of no is none, and anything else is told.")
def m5_spellings(t):
    for value in ("TRUE", "1", "yes", "On", "t"):
        server = t.server(c.plain(victim={"meshlb.istio/ignore": value}))
        before = server.state()
        run = t.live("service_routing", server)
        demand(run.ok and server.state() == before, f'"{value}": {run.say()}')
    for value in ("False", "0", "no", "off"):
        run = t.live("service_routing", t.server(c.plain(victim={"meshlb.istio/ignore": value})))
        demand(run.ok and run.changes, f'"{value}": {run.say()}')
    server = t.server(c.plain(victim={"meshlb.istio/ignore": "perhaps"}))
    before = server.state()
    run = t.live("service_routing", server)
    told = any("perhaps" in str(item.get("message")) for item in run.findings)
    demand(run.ok and server.state() == before and told, f'"perhaps": {run.say()}')


@check("M5-what-was-written-stays", "What was written for an object that then opted out stays.")
def m5_what_was_written_stays(t):
    done = t.done("plain", c.plain())
    objects = [files.put(item, ("metadata", "annotations", "meshlb.istio/ignore"), "yes") if ref(item) == SHOP else item for item in done]
    server = t.server(objects)
    before = server.state()
    run = t.live("service_routing", server)
    demand(run.ok and server.state() == before, run.say())


# M8 ---------------------------------------------------------------------------------------------------------------------


def repository(t):
    """(repository, output folder in it) with something precious beside."""
    root = t.folder("checkout")
    output = root / "repo" / "mutual-tls"
    output.mkdir(parents=True)
    (root / "precious").write_text("precious\n")
    return root / "repo", output


@check("M8-names-with-dots", "A name such as ../../../evil in a manifest never leads a file out of output_dir.")
def m8_names_with_dots(t):
    base = c.plain()
    where, output = repository(t)
    evil = c.ingress("../../../evil", "victim", "shop.example.com", "web")
    objects = [item for item in base if ref(item) != SHOP] + [evil]
    objects = [files.put(item, ("spec", "ports", 0, "name"), "web") if ref(item) == WEB else item for item in objects]
    for stem in ("ingress.networking.k8s.io_victim_..", "patch.ingress.networking.k8s.io_victim_.."):
        (output / stem).mkdir()
    run = files.kept_inside(t, where, output, objects, strategy="service_vip")
    demand(run.failed or any("evil" in str(item) for item in run.findings), "it ends ok, and nothing tells of the name")


@check("M8-links-in-output-dir", "A committed symbolic link in output_dir is not followed when files are written.")
def m8_links_in_output_dir(t):
    where, output = repository(t)
    os.symlink("../../precious", output / "kustomization.yaml.new")
    files.kept_inside(t, where, output, c.plain())


@check("M8-kustomization-comes-last", "Where a file cannot be written, kustomization.yaml names no file that is not there.")
def m8_kustomization_comes_last(t):
    probe, output = t.folder("probe"), t.folder("output")
    first = t.dry("service_routing", c.plain(), output_dir=str(probe))
    footing(first.ok and len(first.data.get("files") or []) > 1, first.say())
    blocked = max(name for name in first.data["files"] if name != "kustomization.yaml")
    for ending in (".new", ".tmp"):
        (output / f"{blocked}{ending}").mkdir()
    run = t.dry("service_routing", c.plain(), output_dir=str(output))
    demand(run.ok or run.failed, run.say())
    missing = files.whole(output)
    demand(not missing, f"{run.say(60)}; kustomization.yaml names {listed(missing)}, which is not there")


# M13 --------------------------------------------------------------------------------------------------------------------


@check("M13-pipes", "A named pipe among the manifests does not hang the run.", patient=True)
def m13_pipes(t):
    folder = t.manifests(c.plain())
    os.mkfifo(folder / "pipe.yaml")
    run = t.dry("service_routing", [folder], timeout=15)
    cheap(run)
    demand(run.ok or (run.failed and "pipe.yaml" in run.message), run.say())


@check("M13-devices-and-links", "A link to a device, and a folder that holds itself, end in an error that names the file, or do no harm.")
def m13_devices_and_links(t):
    for target in ("/dev/zero", "."):
        folder = t.manifests(c.plain())
        os.symlink(target, folder / ("odd.yaml" if target != "." else "odd"))
        run = t.dry("service_routing", [folder], timeout=15)
        cheap(run)
        demand(run.ok or (run.failed and "odd" in run.message), run.say())


@check("M3-honest-manifests", "The honest manifests give the honest plan (a guard).")
def m3_honest_manifests(t):
    run = t.dry("service_routing", c.plain())
    demand(run.ok and run.routes and run.routes[0]["after"]["verdict"] == "mutual_tls", run.say())
    footing(not short(run.message), run.message)
    folder = t.folder("output")
    run = t.dry("service_routing", c.plain(), output_dir=str(folder))
    demand(run.ok and not files.whole(folder) and (folder / "kustomization.yaml").is_file(), run.say())
