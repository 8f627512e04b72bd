# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""H3, C3: settings of the mesh, of a load balancer and of a gateway are texts in objects. One that is malformed is never an absent one."""

from __future__ import annotations

import copy

from tests.security.kit import clusters as c
from tests.security.kit import tenant as tz
from tests.security.kit.core import cheap, check, demand, listed, names, verdicts
from tests.security.kit.fakeapi import changed

MESH = "trustDomain: td.example.com\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)
TEXTS = (
    "trustDomain: [", "just a text", "- a", "a: 1\na: 2", "a: &a {b: *a}", "a: 1\n---\nb: 1", "!!python/object/apply:os.system [x]", "\x07",
    "a: " + "x" * 500_000, "[" * 100_000, "{a: " * 50_000,
)
OF_MESH = (
    BOMB + "trustDomain: *j", "trustDomain: " + "9" * 5000, "trustDomain: " + "[" * 500 + "]" * 500, "rootNamespace: [a]",
    "enableAutoMtls: 5", "outboundTrafficPolicy: x", "defaultConfig: {gatewayTopology: [1]}",
    "defaultConfig: {gatewayTopology: {numTrustedProxies: {}}}", "defaultServiceExportTo: x",
)


def config_map(namespace, name, key, text):
    return c.obj("v1", "ConfigMap", name, namespace, data={key: text})


KNOWN_OF_NONE = (frozenset({"unknown"}),)
"""What a run may say of its routes."""


def unknown_and_kept(t, key, objects, settings, texts, modules=("service_routing",), expected=KNOWN_OF_NONE, **args):
    """Demand for each text in place of honest settings: a second run writes nothing, names the ConfigMap, and knows of no route."""
    namespace, name, field, honest = settings
    done = t.done(key, [*objects, config_map(namespace, name, field, honest)], **args)
    for text in texts:
        for module, state in ((module, state) for module in modules for state in ("present", None)):
            server = t.server(done)
            server.put(config_map(namespace, name, field, text))
            before = server.state()
            run = t.live(module, server, check_mode=state is None, **(args if module == "service_routing" else {}))
            seen = changed(before, server.state())
            about = f"{text[:40]!r} in {namespace}/{name}"
            demand(run.ok or run.failed, f"{about}: {run.say()}")
            demand(not seen, f"{about}: {listed(seen)}")
            demand(names(run, ("ConfigMap", namespace, name)), f"{about}: nothing names the ConfigMap; {run.say()}")
            told = {value for values in verdicts(run).values() for value in values[:2]}
            demand(not run.ok or module != "service_routing" or told in expected, f"{about}: the run says {told}")
            cheap(run, about)


@check("H3-settings-of-the-mesh", "A malformed mesh configuration is named, leaves no verdict, and takes nothing back.", patient=True)
def h3_settings_of_the_mesh(t):
    settings = ("istio-system", "istio", "mesh", MESH)
    for strategy, texts in (("host_entry", (*TEXTS, *OF_MESH)), ("headless_twin", TEXTS[:3])):
        unknown_and_kept(t, f"mesh-{strategy}", c.plain(), settings, texts, strategy=strategy)


@check("H3-settings-of-the-injector", "Malformed values of the injector are named, leave no verdict, and take nothing back.", patient=True)
def h3_settings_of_the_injector(t):
    settings = ("istio-system", "istio-sidecar-injector", "values", '{"global": {"proxy": {"clusterDomain": "cluster.local"}}}')
    texts = (*TEXTS, '{"global": []}', '{"global": {"proxy": {"excludeOutboundPorts": [1]}}}')
    unknown_and_kept(t, "injector", c.plain(), settings, texts)


@check("H3-settings-in-other-modules", "lb_info says unknown, lb_sidecar and chained_gateway stop or go on, and no module fails otherwise.")
def h3_settings_in_other_modules(t):
    base = [*c.plain(), *c.gateway()]
    for name, key in (("istio", "mesh"), ("istio-sidecar-injector", "values")):
        for text in (TEXTS[0], TEXTS[3], TEXTS[-1], BOMB):
            server = t.server([*base, config_map("istio-system", name, key, text)])
            before = server.state()
            told = t.live("lb_info", server)
            demand(told.ok, told.say())
            if text != BOMB:  # which says nothing of what is read
                mesh = told.data["mesh"]
                demand(names(told, ("ConfigMap", "istio-system", name)), f"lb_info does not name the ConfigMap: {told.say()}")
                demand(name != "istio" or mesh["trust_domain"] == mesh["root_namespace"] == "unknown", f"lb_info: {mesh}")
            for module, args in (
                ("lb_sidecar", {"load_balancer": c.LB, "wait": False}), ("chained_gateway", c.CHAIN),
                ("mtls_proof", {"methods": ["config"]}),
            ):
                run = t.live(module, server, **args)
                demand(run.ok or run.failed, f"{module}: {run.say()}")
                cheap(run)
            demand(text == BOMB or not changed(before, server.state()), f"{text[:40]!r}: {listed(changed(before, server.state()))}")


@check("H3-settings-of-traefik", "A malformed configuration file of Traefik's is named, leaves no verdict, and takes nothing back.")
def h3_settings_of_traefik(t):
    for file, honest in (("traefik.yaml", "providers: {kubernetesCRD: {}}"), ("traefik.toml", "[providers.kubernetesCRD]")):
        front = copy.deepcopy(c.traefik())
        for item in front:
            pods = item["spec"]["template"]["spec"] if item["kind"] == "Deployment" else item["spec"] if item["kind"] == "Pod" else None
            if pods:
                pods["volumes"] = [{"name": "static", "configMap": {"name": "static"}}]
                pods["containers"][0].update(args=[], volumeMounts=[{"name": "static", "mountPath": "/etc/traefik"}])
        objects = c.before_mesh(front, c.ingress_route("shop", "victim", "Host(`shop.example.com`)", "web"))
        deep = ("providers: " + "[" * 500 + "]" * 500, "providers: {kubernetesCRD: {namespaces: [" + "9" * 5000 + "]}}")
        toml = ("a = " + "[" * 20_000, "a" + ".a" * 20_000 + " = 1", "a = " + "9" * 5000, "a = 1\na = 2")
        texts = (*TEXTS, *deep) if file.endswith("yaml") else (*(item for item in TEXTS if item != "\x07"), *toml)
        unknown_and_kept(t, file, objects, ("edge", "static", file, honest), texts)


@check("H3-settings-of-a-gateway", "A gateway whose own settings are malformed stops the chain, or is left as it is, without a traceback.")
def h3_settings_of_a_gateway(t):
    for text in (*TEXTS[:6], TEXTS[-1], "gatewayTopology: [1]", "gatewayTopology: {numTrustedProxies: x}", "proxyMetadata: x", BOMB):
        objects = [*c.plain(), *c.gateway()]
        for item in objects:
            if item["kind"] in ("Deployment", "Gateway", "Service") and item["metadata"]["namespace"] == "istio-ingress":
                holder = item["spec"]["template"] if item["kind"] == "Deployment" else item
                holder["metadata"].setdefault("annotations", {})["proxy.istio.io/config"] = text
                holder["metadata"]["annotations"]["cloud.google.com/neg"] = text
        for platform in ("", "gke_standalone_neg"):
            server = t.server(objects)
            args = {**c.CHAIN, "platform": platform, "hosts": ["shop.example.com"]} if platform else c.CHAIN
            run = t.live("chained_gateway", server, **args)
            demand(run.ok or run.failed, f"{text[:40]!r}: {run.say()}")
            cheap(run)


@check("H3-settings-of-a-tenants-istiod", "A tenant's Deployment that looks like istiod, with settings, changes nothing for others.")
def h3_settings_of_a_tenants_istiod(t):
    base = t.done("plain-a-tenant", [*c.plain(), c.namespace("a-tenant")])
    fake = c.workload("istiod", "a-tenant", {"name": "discovery", "image": "istio/pilot:1.0.0", "args": ["discovery"]}, sidecar=False)[:1]
    for text in ("[", "rootNamespace: a-tenant\ntrustDomain: evil.example.com\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}"):
        hostile = [*fake, config_map("a-tenant", "istio", "mesh", text), config_map("a-tenant", "istio-sidecar-injector", "values", text)]
        for state in ("present", "absent"):
            tz.unharmed(t, base, [], hostile, state=state)


NONE = (*KNOWN_OF_NONE, frozenset())
"""Whose class it is depends on the name, so its routes may be nobody's."""


def apisix():
    own = c.obj("networking.k8s.io/v1", "IngressClass", "apisix", spec={"controller": "example.com/apisix"})
    pods = {"name": "apisix", "image": "apache/apisix:3.16.0"}
    front = [c.namespace("edge"), own, *c.workload("apisix", "edge", pods, labels={"app.kubernetes.io/name": "apisix"})]
    match, backend = {"hosts": ["shop.example.com"], "paths": ["/*"]}, {"serviceName": "web", "servicePort": 80}
    spec = {"ingressClassName": "apisix", "http": [{"name": "r", "match": match, "backends": [backend]}]}
    return c.before_mesh(front, c.obj("apisix.apache.org/v2", "ApisixRoute", "shop", "victim", spec))


def envoy_gateway():
    group, owner = "gateway.networking.k8s.io/v1", "gateway.envoyproxy.io/owning-gateway"
    labels = {f"{owner}-namespace": "edge", f"{owner}-name": "front", "app.kubernetes.io/managed-by": "envoy-gateway"}
    pods = {"name": "envoy", "image": "envoyproxy/envoy:distroless-v1.39.1", "command": ["envoy"]}
    asked = {"command": ["envoy-gateway"], "args": ["envoy", "shutdown-manager"]}
    beside = {"name": "shutdown-manager", "image": "envoyproxy/gateway:v1.9.1", **asked}
    workload = c.workload("envoy-edge-front", "edge", pods, labels=labels)
    for item in workload:
        spec = item["spec"]["template"]["spec"] if "template" in item["spec"] else item["spec"]
        spec["containers"].append(beside)
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    rules = [{"backendRefs": [{"name": "web", "port": 80}]}]
    route = {"parentRefs": [{"name": "front", "namespace": "edge"}], "hostnames": ["shop.example.com"], "rules": rules}
    return c.before_mesh(
        [c.namespace("edge"), *workload],
        c.obj(group, "GatewayClass", "eg", spec={"controllerName": "example.com/eg"}),
        c.obj(group, "Gateway", "front", "edge", {"gatewayClassName": "eg", "listeners": [listener]}),
        c.obj(group, "HTTPRoute", "shop", "victim", route),
    )


@check("H3-settings-of-controllers", "APISIX's or Envoy Gateway's malformed configuration is named, and takes nothing back.", patient=True)
def h3_settings_of_controllers(t):
    for key, objects, file, honest in (
        ("apisix", apisix(), "config.yaml", "controller_name: example.com/apisix"),
        ("envoy gateway", envoy_gateway(), "envoy-gateway.yaml", "gateway: {controllerName: example.com/eg}"),
    ):
        unknown_and_kept(t, key, objects, ("edge", "controller", file, honest), TEXTS, expected=NONE)
