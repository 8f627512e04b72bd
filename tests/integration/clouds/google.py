# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Google's load balancers, from the objects that GKE's controllers read."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.clouds.seen import Seen, backend_of, notes, port_of
from tests.integration.clouds.standin import Setting, Target
from tests.integration.support.cluster import Obj

GOOGLES = "192.0.2.80"
"""The forwarding rule's address, which Google adds after the client's."""
CERTIFICATES = {"ingress.gcp.kubernetes.io/pre-shared-cert", "networking.gke.io/managed-certificates"}


def gke_gateway(seen: Seen) -> Setting:
    """Google's Gateway: HTTPRoute, the Service's appProtocol, HealthCheckPolicy; two entries in X-Forwarded-For, no server name."""
    backend = seen.route()["spec"]["rules"][0]["backendRefs"][0]
    service = seen.service(backend["name"])
    config = seen.one("healthcheckpolicies.networking.gke.io")["spec"]["default"]["config"]
    check = config["httpHealthCheck"]
    assert config["type"] == "HTTP" and check["portSpecification"] == "USE_FIXED_PORT"
    protocol = port_of(service, backend["port"]).get("appProtocol", "HTTP")
    drains = seen.one("gcpbackendpolicies.networking.gke.io")["spec"]["default"]["connectionDraining"]["drainingTimeoutSec"]
    return google(seen.to_pods(service, backend["port"], check["port"]), protocol, check["requestPath"], drains)


def google(targets: tuple[Target, ...], protocol: str, check_path: str, drains: int, **more: Any) -> Setting:
    """What Google's load balancers do alike, whatever they are made from."""
    return Setting(
        targets, second=GOOGLES, tls=protocol in ("HTTPS", "HTTP2"), http2=protocol == "HTTP2", check_path=check_path, drains=drains > 0,
        **more,
    )


def gke_ingress(seen: Seen) -> Setting:
    """Google's Ingress: BackendConfig and app-protocols of the Service, FrontendConfig; certificates of the Ingress."""
    ingress = seen.one("ingress")
    said = ingress["metadata"]["annotations"]
    assert said["kubernetes.io/ingress.class"] == "gce" and "ingressClassName" not in ingress["spec"]
    name, number = backend_of(ingress)
    service = seen.service(name)
    own = notes(service, "cloud.google.com/")
    assert json.loads(own["neg"]) == {"ingress": True}
    config = seen.one("backendconfigs.cloud.google.com")
    assert json.loads(own["backend-config"]) == {"default": config["metadata"]["name"]}
    check, drains = config["spec"]["healthCheck"], config["spec"].get("connectionDraining", {}).get("drainingTimeoutSec", 0)
    assert check["type"] == "HTTP"
    protocol = json.loads(own.get("app-protocols", "{}")).get(port_of(service, number)["name"], "HTTP")
    front = seen.one("frontendconfigs.networking.gke.io") if "networking.gke.io/v1beta1.FrontendConfig" in said else {"spec": {}}
    return google(
        seen.to_pods(service, number, check["port"]), protocol, check["requestPath"], drains,
        ends_tls="tls" in ingress["spec"] or bool(CERTIFICATES & set(said)),
        redirects=front["spec"].get("redirectToHttps", {}).get("enabled", False),
    )


def gke_neg(seen: Seen, service: Obj, number: int) -> Setting:
    """The annotation that makes the group; all else as the module says that it is to be made with gcloud."""
    assert str(number) in json.loads(notes(service, "cloud.google.com/")["neg"])["exposed_ports"]
    check = seen.done_by_hand("gcloud", "compute", "health-checks", "create", "http")
    backend = seen.done_by_hand("gcloud", "compute", "backend-services", "create")
    targets = seen.to_pods(service, number, int(check["port"]))
    return google(targets, backend["protocol"], check["request-path"], int(backend["connection-draining-timeout"]), ends_tls=True)
