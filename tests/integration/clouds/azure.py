# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Azure's load balancers, from the objects that their controllers read."""

from __future__ import annotations

from tests.integration.clouds.scenarios import CERTIFICATE
from tests.integration.clouds.seen import Seen, backend_of, checked, notes
from tests.integration.clouds.standin import Setting
from tests.integration.support.cluster import Obj


def azure_agic(seen: Seen) -> Setting:
    """Ingress annotations of AGIC. It writes ports into X-Forwarded-For, unless a rule set puts its variable without them there."""
    ingress = seen.one("ingress")
    said = notes(ingress, "appgw.ingress.kubernetes.io/")
    name, number = backend_of(ingress)
    service = seen.service(name)
    rewritten = False
    if "rewrite-rule-set-custom-resource" in said:
        rewrite = seen.one("azureapplicationgatewayrewrites.appgw.ingress.azure.io")
        assert rewrite["metadata"]["name"] == said["rewrite-rule-set-custom-resource"]
        (header,) = (one for rule in rewrite["spec"]["rewriteRules"] for one in rule["actions"]["requestHeaderConfigurations"])
        wanted = ("set", "X-Forwarded-For", "{var_add_x_forwarded_for_proxy}")
        rewritten = (header["actionType"], header["headerName"], header["headerValue"]) == wanted
    tls, port = said["backend-protocol"] == "https", int(said.get("health-probe-port", 0))
    host = said.get("backend-hostname", "") if tls else ""
    return Setting(
        seen.to_pods(service, number, port), ports=not rewritten, ends_tls="tls" in ingress["spec"], tls=tls, host=host,
        server_name=host or "never", authority=seen.certificate(CERTIFICATE) if tls else "", redirects=said.get("ssl-redirect") == "true",
        # A probe speaks what the backend speaks.
        check="https" if tls else "http", check_path=said["health-probe-path"], check_status=said["health-probe-status-codes"],
        drains=said["connection-draining"] == "true",
    )


def azure_agc(seen: Seen) -> Setting:
    """Application Gateway for Containers: HTTPRoute, HealthCheckPolicy, BackendTLSPolicy."""
    backend = seen.route()["spec"]["rules"][0]["backendRefs"][0]
    service = seen.service(backend["name"])
    protocols = {item["protocol"] for item in seen.one("gateways.gateway.networking.k8s.io")["spec"]["listeners"]}
    health = seen.one("healthcheckpolicy.alb.networking.azure.io")["spec"]
    assert health["targetRef"]["name"] == backend["name"] and not health["default"]["useTLS"]
    (codes,) = health["default"]["http"]["match"]["statusCodes"]
    status = f"{codes['start']}-{codes['end']}"
    policies = seen.all("backendtlspolicies.alb.networking.azure.io")
    tls: Obj = policies[0]["spec"]["default"] if policies else {}
    assert not policies or (policies[0]["spec"]["targetRef"]["name"], tls["ports"]) == (backend["name"], [{"port": backend["port"]}])
    verify = tls.get("verify", {})
    assert verify.get("subjectAltName") in (None, tls.get("sni"))
    return Setting(
        seen.to_pods(service, backend["port"], health["default"]["port"]), ends_tls="HTTPS" in protocols, redirects=seen.redirects(),
        tls=bool(policies), server_name=tls.get("sni", "never"), check_path=health["default"]["http"]["path"], check_status=status,
        authority=seen.certificate(verify["caCertificateRef"]["name"]) if verify else "",
    )


def azure_lb(seen: Seen, service: Obj, number: int) -> Setting:
    """Service annotations of Azure's cloud controller."""
    said = notes(service, f"service.beta.kubernetes.io/port_{number}_health-probe_")
    assert said["protocol"] == "http" and service["spec"]["externalTrafficPolicy"] == "Local"
    targets = seen.to_nodes(service, number, checked(service, said["port"], by_pods=False))
    return Setting(targets, "tcp", check_path=said["request-path"], keeps_source=True)
