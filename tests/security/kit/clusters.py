# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small clusters for the checks: an Istio mesh, a load balancer in front of it, and applications of several tenants."""

from __future__ import annotations

import copy
import hashlib

INJECTED = {"istio-injection": "enabled"}


def address(prefix, name):
    number = int(hashlib.sha1(name.encode()).hexdigest()[:4], 16)
    return f"{prefix}.{number // 250 % 250}.{number % 250 + 1}"


def obj(api_version, kind, name, namespace="", spec=None, labels=None, annotations=None, **more):
    metadata = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    found = {"apiVersion": api_version, "kind": kind, "metadata": metadata}
    if spec is not None:
        found["spec"] = copy.deepcopy(spec)
    found.update(copy.deepcopy(more))
    return found


def namespace(name, mesh=True, **more):
    return obj("v1", "Namespace", name, labels=INJECTED if mesh else None, **more)


def _terms(*terms):
    return {
        "matchExpressions": [
            {"key": key, "operator": operator, **({"values": values} if values else {})} for key, operator, *values in terms
        ]
    }


def _hook(name, namespaces, objects):
    client = {"service": {"name": "istiod", "namespace": "istio-system", "path": "/inject"}}
    return {"name": name, "clientConfig": client, "namespaceSelector": namespaces, "objectSelector": objects}


def injector():
    """Istio's webhook for sidecars, as its charts install it."""
    label, inject, rev = "istio-injection", "sidecar.istio.io/inject", "istio.io/rev"
    by_namespace = _hook("namespace.sidecar-injector.istio.io", _terms((label, "In", "enabled")), _terms((inject, "NotIn", "false")))
    by_object = _hook(
        "object.sidecar-injector.istio.io",
        _terms((label, "DoesNotExist"), (rev, "DoesNotExist")),
        _terms((inject, "In", "true"), (rev, "DoesNotExist")),
    )
    kind = ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
    return obj(*kind, "istio-sidecar-injector", webhooks=[by_namespace, by_object])


def mesh(mode="STRICT"):
    template = {
        "metadata": {"labels": {"app": "istiod"}},
        "spec": {"containers": [{"name": "discovery", "image": "istio/pilot:1.29.0"}]},
    }
    return [
        namespace("istio-system", mesh=False),
        obj(
            "apps/v1",
            "Deployment",
            "istiod",
            "istio-system",
            {"selector": {"matchLabels": {"app": "istiod"}}, "template": template},
            labels={"app": "istiod", "istio.io/rev": "default"},
        ),
        injector(),
        obj("security.istio.io/v1", "PeerAuthentication", "default", "istio-system", {"mtls": {"mode": mode}}),
    ]


def workload(name, ns, container, labels=None, annotations=None, sidecar=True, kind="Deployment", pods=1, account=""):
    """A workload and its running pods, with a sidecar in them or without."""
    labels = labels or {"app": name}
    template = {"metadata": {"labels": dict(labels)}, "spec": {"containers": [container]}}
    if annotations:
        template["metadata"]["annotations"] = dict(annotations)
    if account:
        template["spec"]["serviceAccountName"] = account
    selector = {key: value for key, value in labels.items() if not key.endswith(("istio.io/inject", "istio.io/tlsMode"))}
    made = obj("apps/v1", kind, name, ns, {"selector": {"matchLabels": selector}, "template": template}, labels={"app": name})
    return [made, *(_pod(f"{name}-{number}", made, sidecar) for number in range(pods))]


def _pod(name, owner, sidecar):
    template, ns = owner["spec"]["template"], owner["metadata"]["namespace"]
    metadata = template["metadata"]
    pod = obj("v1", "Pod", name, ns, template["spec"], labels=metadata["labels"], annotations=metadata.get("annotations"))
    if sidecar:
        pod["spec"]["containers"].append({"name": "istio-proxy", "image": "istio/proxyv2:1.29.0"})
        pod["metadata"]["labels"].setdefault("security.istio.io/tlsMode", "istio")
        pod["metadata"].setdefault("annotations", {})["sidecar.istio.io/status"] = '{"containers":["istio-proxy"]}'
    ip = address("10.244", f"{ns}/{name}")
    pod["status"] = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [{"type": "Ready", "status": "True"}]}
    above, kind = owner["metadata"]["name"], "ReplicaSet" if owner["kind"] == "Deployment" else owner["kind"]
    mark = {"apiVersion": "apps/v1", "kind": kind, "name": above, "uid": f"rs-{ns}-{above}", "controller": True}
    pod["metadata"]["ownerReferences"] = [mark]
    return pod


def service(name, ns, app=None, port=80, target=8080, port_name="http", **more):
    ports = [{"name": port_name, "port": port, "targetPort": target, "protocol": "TCP"}]
    spec = {"clusterIP": address("10.96", f"{ns}/{name}"), "selector": {"app": app or name}, "ports": ports, **more}
    return obj("v1", "Service", name, ns, spec)


def app(name, ns, sidecar=True, **more):
    """An application: workload, pod, Service."""
    container = {"name": "main", "image": "app:1", "ports": [{"containerPort": 8080}]}
    return [*workload(name, ns, container, sidecar=sidecar, account=name), service(name, ns, **more)]


def ingress(name, ns, host, backend, path="/", annotations=None, cls="nginx", port=80, path_type="Prefix", created="2024-01-01T00:00:00Z"):
    paths = [{"path": path, "pathType": path_type, "backend": {"service": {"name": backend, "port": {"number": port}}}}]
    made = obj(
        "networking.k8s.io/v1",
        "Ingress",
        name,
        ns,
        {"ingressClassName": cls, "rules": [{"host": host, "http": {"paths": paths}}]},
        annotations=annotations,
    )
    made["metadata"]["creationTimestamp"] = created
    return made


def nginx(ns="ingress-nginx", sidecar=True, name="ingress-nginx-controller", cls="nginx", settings=None, controller="k8s.io/ingress-nginx"):
    container = {
        "name": "controller",
        "image": "registry.example.com/ingress-nginx/controller:v1.12.4",
        "args": ["/nginx-ingress-controller", f"--controller-class={controller}", f"--ingress-class={cls}", f"--configmap={ns}/settings"],
    }
    labels = {"run": "front"}
    annotations = None
    if sidecar:
        labels.update({"sidecar.istio.io/inject": "true", "security.istio.io/tlsMode": "disabled"})
        annotations = {"traffic.sidecar.istio.io/includeInboundPorts": ""}
    return [
        namespace(ns, mesh=False),
        obj("networking.k8s.io/v1", "IngressClass", cls, spec={"controller": controller}),
        *workload(name, ns, container, labels=labels, annotations=annotations, sidecar=sidecar),
        obj("v1", "ConfigMap", "settings", ns, data=settings or {"use-gzip": "true"}),
    ]


VICTIM = ("Ingress", "victim", "shop")


def plain(*more, sidecar=True, mode="STRICT", victim=None, settings=None):
    """ingress-nginx before a STRICT mesh, a victim's route, and two more tenants. ``victim``: annotations of the victim's Ingress."""
    return [
        *mesh(mode),
        *nginx(sidecar=sidecar, settings=settings),
        namespace("victim"),
        namespace("tenant-z"),
        namespace("auth"),
        namespace("outside", mesh=False),
        *app("web", "victim"),
        *app("internal-admin", "victim"),
        *app("evil", "tenant-z"),
        *app("oauth2-proxy", "auth"),
        *app("legacy", "outside", sidecar=False),
        ingress("shop", "victim", "shop.example.com", "web", annotations=victim),
        *more,
    ]


def gateway(ns="istio-ingress", name="istio-ingress"):
    """An Istio gateway as its chart installs it, for chained mode."""
    labels = {"app": name, "istio": "ingress", "sidecar.istio.io/inject": "true"}
    container = {"name": "istio-proxy", "image": "auto"}
    made = workload(name, ns, container, labels=labels, annotations={"inject.istio.io/templates": "gateway"}, sidecar=False)
    front = obj(
        "v1",
        "Service",
        name,
        ns,
        {
            "type": "ClusterIP",
            "clusterIP": "10.96.99.99",
            "selector": {"app": name, "istio": "ingress"},
            "ports": [{"name": "status-port", "port": 15021, "targetPort": 15021}, {"name": "http2", "port": 80, "targetPort": 80}],
        },
    )
    return [namespace(ns, mesh=False), *made, front]


def traefik(ns="edge"):
    container = {
        "name": "traefik",
        "image": "traefik:v3.6.0",
        "args": ["--entryPoints.web.address=:8000/tcp", "--providers.kubernetesingress", "--providers.kubernetescrd"],
    }
    return [
        namespace(ns),
        obj("networking.k8s.io/v1", "IngressClass", "traefik", spec={"controller": "traefik.io/ingress-controller"}),
        *workload("traefik", ns, container, labels={"app.kubernetes.io/name": "traefik"}),
    ]


def ingress_route(name, ns, match, backend, port=80):
    routes = [{"kind": "Rule", "match": match, "services": [{"name": backend, "port": port}]}]
    return obj("traefik.io/v1alpha1", "IngressRoute", name, ns, {"entryPoints": ["web"], "routes": routes})


def emissary(ns="edge"):
    container = {
        "name": "ambassador",
        "image": "registry.example.com/emissary-ingress/emissary:3.10.0",
        "env": [{"name": "AMBASSADOR_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
    }
    return [namespace(ns), *workload("emissary", ns, container)]


def mapping(name, ns, host, backend, prefix="/"):
    return obj("getambassador.io/v3alpha1", "Mapping", name, ns, {"hostname": host, "prefix": prefix, "service": backend})


def before_mesh(front, *routes):
    """Another load balancer before the same applications."""
    return [
        *mesh(),
        *front,
        namespace("victim"),
        namespace("tenant-z"),
        *app("web", "victim"),
        *app("cart", "victim"),
        *app("evil", "tenant-z"),
        *routes,
    ]


# What most checks are about: the load balancer, a chain of it, and the routes of two tenants beside the victim's.
LB = {"namespace": "ingress-nginx", "name": "ingress-nginx-controller"}
LB_NAME = "ingress-nginx/ingress-nginx-controller"
CHAIN = {"gateway": {"namespace": "istio-ingress"}, "hosts": "from_load_balancer", "wait": False, "drain": 0}
CHAINED = f"{LB_NAME}>istio-ingress/meshlb"
OWN = ingress("zz", "tenant-z", "z.example.com", "evil")
OTHER = ingress("yy", "auth", "y.example.com", "oauth2-proxy")
