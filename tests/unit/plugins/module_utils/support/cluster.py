# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small objects for tests, as the API gives them. Backends live in ``apps``, the load balancer in ``edge``."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.core.model import LoadBalancer, Outcome, Route
from ansible_collections.meshlb.istio.plugins.module_utils.istio.outcome import predict
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source

from tests.unit.plugins.module_utils.support.known import detect, read_routes

Obj = dict[str, Any]
APPS, EDGE, ROOT = "apps", "edge", "istio-system"
PUBLIC = "shop.example.com"
NGINX = "nginx.ingress.kubernetes.io"
_METADATA = {"labels": "labels", "annotations": "annotations", "created": "creationTimestamp", "owners": "ownerReferences"}
SECURITY, NETWORKING = "security.istio.io/v1", "networking.istio.io/v1"


def obj(api_version: str, kind: str, namespace: str, name: str, **more: Any) -> Obj:
    """Any object; ``labels``, ``annotations``, ``created`` and ``owners`` go to its metadata, the rest stays beside it."""
    metadata: Obj = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    for key, field in _METADATA.items():
        value = more.pop(key, None)
        if value:
            metadata[field] = value
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def namespace(name: str, **labels: str) -> Obj:
    return obj("v1", "Namespace", "", name, labels={key.replace("_", "-"): value for key, value in labels.items()})


def container(name: str, *, image: str = "", command: Iterable[str] = (), args: Iterable[str] = (), **ports: int) -> Obj:
    made: Obj = {"name": name, "image": image, "command": list(command), "args": list(args)}
    made["ports"] = [{"name": key, "containerPort": number} for key, number in ports.items()]
    return made


PROXY = container("istio-proxy", image="docker.io/istio/proxyv2:1.31.1")
_ADDRESSES = itertools.count(1)


def pod(
    app: str, *, sidecar: bool = True, name: str = "", ip: str = "", where: str = APPS, annotations: Obj | None = None,
    labels: Obj | None = None, account: str = "", **ports: int,
) -> Obj:
    """A running pod labelled ``app``; ``sidecar`` puts Istio's proxy beside its container."""
    number = next(_ADDRESSES)
    own = {"app": app, **({"security.istio.io/tlsMode": "istio"} if sidecar else {}), **(labels or {})}
    spec = {"containers": [container("main", **ports), *([PROXY] if sidecar else [])], "serviceAccountName": account or app}
    status = {"phase": "Running", "podIP": ip or f"10.1.{number // 250}.{number % 250 + 1}"}
    return obj("v1", "Pod", where, name or f"{app}-{number}", labels=own, annotations=annotations, spec=spec, status=status)


def workload(
    app: str, *, kind: str = "Deployment", where: str = APPS, labels: Obj | None = None, annotations: Obj | None = None,
    containers: Iterable[Obj] = (), pod_labels: Obj | None = None, **spec: Any,
) -> Obj:
    """A Deployment (or another kind with a pod template) whose pods are labelled ``app``."""
    own = {"app": app, **(pod_labels or {})}
    template = {
        "metadata": {"labels": own, **({"annotations": annotations} if annotations else {})},
        "spec": {"containers": list(containers) or [container("main", http=8080)], **spec},
    }
    body = {"selector": {"matchLabels": {"app": app}}, "template": template}
    return obj("apps/v1", kind, where, app, labels=labels or {"app": app}, spec=body)


def port(name: str = "http", number: int = 80, target: int | str = 8080, **more: Any) -> Obj:
    return {**({"name": name} if name else {}), "port": number, "targetPort": target, "protocol": "TCP", **more}


def service(
    name: str, *ports: Obj, where: str = APPS, ip: str = "", selector: Obj | None = None, annotations: Obj | None = None,
    created: str = "", **spec: Any,
) -> Obj:
    """A Service over the pods labelled with its name; ``ip`` "None" makes it headless, an empty one gives it an address."""
    number = next(_ADDRESSES)
    body: Obj = {"clusterIP": ip or f"10.96.{number // 250}.{number % 250 + 1}", "ports": list(ports) or [port()], **spec}
    chosen = {"app": name} if selector is None else selector
    if chosen:
        body["selector"] = chosen
    return obj("v1", "Service", where, name, annotations=annotations, created=created, spec=body)


def external_name(name: str, target: str, where: str = APPS) -> Obj:
    return obj("v1", "Service", where, name, spec={"type": "ExternalName", "externalName": target, "ports": [port()]})


def backend(name: str, reference: int | str = 80) -> Obj:
    return {"service": {"name": name, "port": {"number" if isinstance(reference, int) else "name": reference}}}


def path(target: Obj, text: str = "/", kind: str = "Prefix") -> Obj:
    return {"path": text, "pathType": kind, "backend": target}


def ingress(
    name: str, *paths: Obj, host: str = PUBLIC, where: str = APPS, class_name: str | None = "nginx", created: str = "",
    default: Obj | None = None, **annotations: str,
) -> Obj:
    """An Ingress of one host; keywords are the controller's annotations (``service_upstream="true"``)."""
    spec: Obj = {}
    if class_name is not None:
        spec["ingressClassName"] = class_name
    if default:
        spec["defaultBackend"] = default
    if paths:
        spec["rules"] = [{**({"host": host} if host else {}), "http": {"paths": list(paths)}}]
    noted = {f"{NGINX}/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return obj("networking.k8s.io/v1", "Ingress", where, name, annotations=noted, created=created, spec=spec)


def annotated(item: Obj, **annotations: str) -> Obj:
    """A copy with the collection's own annotations (``strategy="host_entry"``)."""
    noted = {f"meshlb.istio/{key}": value for key, value in annotations.items()}
    metadata = item["metadata"]
    return {**item, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **noted}}}


def ingress_class(name: str = "nginx", controller: str = "k8s.io/ingress-nginx") -> Obj:
    return obj("networking.k8s.io/v1", "IngressClass", "", name, spec={"controller": controller})


def peer_authentication(
    mode: str = "STRICT", *, where: str = ROOT, name: str = "default", selector: Obj | None = None, ports: Obj | None = None,
    created: str = "2024-01-01T00:00:00Z",
) -> Obj:
    spec: Obj = {"mtls": {"mode": mode}} if mode else {}
    if selector:
        spec["selector"] = {"matchLabels": selector}
    if ports:
        spec["portLevelMtls"] = {number: {"mode": value} for number, value in ports.items()}
    return obj(SECURITY, "PeerAuthentication", where, name, created=created, spec=spec)


def authorization_policy(
    name: str = "policy", *rules: Obj, action: str = "", where: str = APPS, selector: Obj | None = None, annotations: Obj | None = None,
    **spec: Any,
) -> Obj:
    """A policy of these rules, for all pods of a namespace unless ``selector`` says for which."""
    body: Obj = {**({"action": action} if action else {}), **({"rules": list(rules)} if rules else {}), **spec}
    if selector:
        body["selector"] = {"matchLabels": selector}
    return obj(SECURITY, "AuthorizationPolicy", where, name, annotations=annotations, spec=body)


def request_authentication(
    *issuers: str, name: str = "tokens", where: str = APPS, selector: Obj | None = None, **spec: Any
) -> Obj:
    """Tokens of these issuers."""
    body: Obj = {"jwtRules": [{"issuer": item, "jwks": '{"keys":[]}'} for item in issuers], **spec}
    if selector:
        body["selector"] = {"matchLabels": selector}
    return obj(SECURITY, "RequestAuthentication", where, name, spec=body)


def from_source(**source: list[str]) -> Obj:
    """A rule about who asks."""
    return {"from": [{"source": source}]}


def to_operation(**operation: list[str]) -> Obj:
    """A rule about what is asked for."""
    return {"to": [{"operation": operation}]}


def destination_rule(host: str, mode: str = "", *, where: str = APPS, name: str = "rule", created: str = "", **spec: Any) -> Obj:
    policy = {"trafficPolicy": {"tls": {"mode": mode}}} if mode else {}
    return obj(NETWORKING, "DestinationRule", where, name, created=created, spec={"host": host, **policy, **spec})


def virtual_service(*hosts: str, http: list[Obj], where: str = EDGE, name: str = "alias", **spec: Any) -> Obj:
    return obj(NETWORKING, "VirtualService", where, name, spec={"hosts": list(hosts), "gateways": ["mesh"], "http": http, **spec})


def to(host: str, number: int = 0, **more: Any) -> Obj:
    """A rule of a VirtualService that sends to one destination."""
    return {"route": [{"destination": {"host": host, **({"port": {"number": number}} if number else {})}}], **more}


def service_entry(host: str, *numbers: int, where: str = EDGE, name: str = "entry", **spec: Any) -> Obj:
    ports = [{"name": f"http-{number}", "number": number, "protocol": "HTTP"} for number in numbers]
    body = {"hosts": [host], "location": "MESH_INTERNAL", "resolution": "NONE", "ports": ports, **spec}
    return obj(NETWORKING, "ServiceEntry", where, name, spec=body)


def sidecar(*egress: str, where: str = EDGE, name: str = "default", selector: Obj | None = None, **spec: Any) -> Obj:
    """A Sidecar resource (not a container) that lets these egress hosts in."""
    body: Obj = {"egress": [{"hosts": list(egress)}]} if egress else {}
    if selector:
        body["workloadSelector"] = {"labels": selector}
    return obj(NETWORKING, "Sidecar", where, name, spec={**body, **spec})


def config_map(name: str, where: str = EDGE, **data: str) -> Obj:
    return obj("v1", "ConfigMap", where, name, data={key.replace("_", "-"): value for key, value in data.items()})


def mesh_config(text: str) -> Obj:
    return obj("v1", "ConfigMap", ROOT, "istio", data={"mesh": text})


NGINX_ARGS = ("/nginx-ingress-controller", "--election-id=leader", "--controller-class=k8s.io/ingress-nginx", "--configmap=edge/lb")
NGINX_IMAGE = "registry.k8s.io/ingress-nginx/controller:v1.11.0"


def nginx(
    name: str = "lb", *extra: str, args: Iterable[str] = NGINX_ARGS, image: str = NGINX_IMAGE, where: str = EDGE, **more: Any
) -> Obj:
    """The controller's Deployment; ``extra`` are further arguments."""
    made = container("controller", image=image, args=[*args, *extra])
    return workload(name, where=where, containers=[made], **more)


def istiod(*args: str, version: str = "1.31.1", **env: str) -> Obj:
    """Istio's control plane; ``args`` are further arguments."""
    made = container("discovery", image=f"docker.io/istio/pilot:{version}", args=["discovery", *args])
    told = {"env": [{"name": key, "value": value} for key, value in env.items()]} if env else {}
    return workload("istiod", where=ROOT, containers=[{**made, **told}])


LIVE = Source(live=True, server="https://cluster.example.com", version="v1.35.4", available=frozenset({*kinds.BASE, kinds.CONFIG_MAP}))
INJECTOR = obj(
    "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", "istio-sidecar-injector",
    webhooks=[{"clientConfig": {"service": {"name": "istiod", "namespace": ROOT, "path": "/inject"}}}],
)


def live(*objects: Obj) -> Snapshot:
    """A cluster with Istio."""
    return Snapshot([INJECTOR, *objects], LIVE)


def edge(*, injected: bool = True, args: Iterable[str] = ()) -> list[Obj]:
    """A namespace with an injected ingress-nginx, and its class."""
    labels = {"istio_injection": "enabled"} if injected else {}
    return [namespace(EDGE, **labels), namespace(APPS), nginx("lb", *args), ingress_class()]


def cluster(*objects: Obj, injected: bool = True, args: Iterable[str] = ()) -> Snapshot:
    return live(*edge(injected=injected, args=args), *objects)


def load_balancer(snapshot: Snapshot) -> LoadBalancer:
    """The one load balancer that carries traffic."""
    found, dummy = detect(snapshot)
    return next(item for item in found if item.workload)


def routes(snapshot: Snapshot) -> list[Route]:
    return read_routes(snapshot, [load_balancer(snapshot)])[0]


def outcome(snapshot: Snapshot, *, host: str | None = None, path: str | None = None, name: str | None = None) -> Outcome:
    """The prediction for the one route that fits (by host, path and name of its object)."""
    fits = [
        item for item in routes(snapshot)
        if host in (None, item.host) and path in (None, item.path) and name in (None, item.object.name)
    ]
    (route,) = fits
    return predict(snapshot, load_balancer(snapshot), route)
