# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emissary's objects for tests. It runs in ``edge``, backends live in ``apps``."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    PUBLIC,
    Obj,
    container,
    ingress_class,
    live,
    namespace,
    obj,
    peer_authentication,
    pod,
    port,
    service,
    workload,
)

V3 = "getambassador.io/v3alpha1"
IMAGE = "ghcr.io/emissary-ingress/emissary:4.1.0"
CLASS = ingress_class("ambassador", "getambassador.io/ingress-controller")
OUTBOUND = "traffic.sidecar.istio.io/includeOutboundIPRanges"
CERTIFICATES = {"AMBASSADOR_ISTIO_SECRET_DIR": "/etc/istio-certs/"}


def mapping(name: str, service: str = "shop", *, where: str = APPS, kind: str = "Mapping", labels: Obj | None = None, **spec: Any) -> Obj:
    body: Obj = {"hostname": PUBLIC, "prefix": "/", "service": service, **spec}
    return obj(V3, kind, where, name, labels=labels, spec={key: value for key, value in body.items() if value is not None})


def tcp_mapping(name: str, service: str = "shop:81", number: int = 9000, *, where: str = APPS, **spec: Any) -> Obj:
    return obj(V3, "TCPMapping", where, name, spec={"port": number, "service": service, **spec})


def module(where: str = EDGE, name: str = "ambassador", **config: Any) -> Obj:
    return obj(V3, "Module", where, name, spec={"config": config})


def resolver(name: str, kind: str = "KubernetesEndpointResolver", where: str = EDGE, **spec: Any) -> Obj:
    return obj(V3, kind, where, name, spec=spec)


def host(name: str, hostname: str, **spec: Any) -> Obj:
    return obj(V3, "Host", EDGE, name, spec={"hostname": hostname, **spec})


def tls_context(name: str, where: str = EDGE, **spec: Any) -> Obj:
    return obj(V3, "TLSContext", where, name, spec=spec)


def emissary(
    name: str = "lb", *, image: str = IMAGE, where: str = EDGE, env: Obj | None = None, command: tuple[str, ...] = (), **more: Any
) -> Obj:
    """Its Deployment as the chart makes it: the namespace is taken from the pod itself."""
    made = container("emissary-ingress", image=image, command=command, http=8080)
    own = {"name": "AMBASSADOR_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    made["env"] = [own, *({"name": key, "value": value} for key, value in (env or {}).items())]
    return workload(name, where=where, containers=[made], **more)


def edge(*, env: Obj | None = None, image: str = IMAGE, annotations: Obj | None = None) -> list[Obj]:
    spaces = [namespace(EDGE, istio_injection="enabled"), namespace(APPS)]
    return [*spaces, emissary(env=env, image=image, annotations=annotations), CLASS]


def cluster(*objects: Obj, env: Obj | None = None, image: str = IMAGE, annotations: Obj | None = None, strict: bool = True) -> Snapshot:
    """A cluster with an injected Emissary and Services of each sort over the same pods."""
    policy = [peer_authentication("STRICT")] if strict else []
    return live(*edge(env=env, image=image, annotations=annotations), *policy, *BACKENDS, *objects)


BACKENDS = [
    service("shop", port("http", 80), port("tcp-raw", 81, 8081)), pod("shop", http=8080),
    service("auto", port("", 80)), pod("auto", http=8080),
    service("other", port("http", 80)), pod("other", http=8080),
]
