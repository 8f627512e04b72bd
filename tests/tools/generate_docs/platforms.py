# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of platforms: what holds for a load balancer without a gateway and with one, and how that was proven."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.integration.clouds.scenarios import shown
from tests.tools.stage_collection import stage

from .markdown import GENERATED, bullets, cell, section, table

UTILS = "ansible_collections.meshlb.istio.plugins.module_utils"
INTRODUCTION = """What holds for each load balancer **standalone** (it sends to the application itself) and **chained** (it sends to an
Istio gateway, which speaks mutual TLS with the application). Mutual TLS here is the mesh's: a certificate that says which workload is
calling. A load balancer outside of the cluster has none, so without a gateway it only reaches what accepts plain text.

How it was proven:

- **measured in the lab**: the real load balancer before a real Istio gateway, with real requests;
- **validated against the vendor's schema**: what is written is checked strictly against the vendor's CustomResourceDefinitions;
- **read in the vendor's source**: nothing of the vendor's was run;
- **stand-in**: HAProxy, or a forwarder of packets, in a network namespace outside of the lab's cluster, set from the objects that the
  module wrote to do what the platform is documented to do, before a real Istio gateway under STRICT (`make clouds`).
  Requests arrive with the client's address, a forged X-Forwarded-For does not win, and no request fails once a gateway pod that ends has
  left. What the cloud does beyond its documentation is not seen that way.
"""
HEADINGS = ["Load balancer", "`platform`", "Standalone, plain text", "Standalone, mutual TLS", "Chained", "Proof"]
CHAIN_HEADINGS = ["Load balancer", "Objects", "The gateway's Service", "Health check", "Client's address", "TLS to the gateway"]
CLIENT = {
    "appended": "it appends {hops} to X-Forwarded-For", "replaced": "it writes X-Forwarded-For anew ({hops})",
    "with_ports": "X-Forwarded-For with ports, {hops}, which Envoy cannot read until it is rewritten", "absent": "",
}
SERVER_NAME = {
    "never": "no server name is sent", "client": "the client's own server name", "host": "the host as server name",
    "settable": "a server name can be set",
}
HAD = [
    ("HealthCheckPolicy, GCPBackendPolicy, GCPGatewayPolicy (`networking.gke.io`)", "GoogleCloudPlatform/gke-gateway-api fc40d60"),
    ("LoadBalancerConfiguration, TargetGroupConfiguration (`gateway.k8s.aws`)", "kubernetes-sigs/aws-load-balancer-controller 225f445"),
    ("AzureApplicationGatewayRewrite (`appgw.ingress.azure.io`)", "Azure/application-gateway-kubernetes-ingress f42103d"),
    ("Route (`route.openshift.io`)", "openshift/router 4b401a8"),
    ("VirtualServer, TLSProfile, Policy (`cis.f5.com`)", "F5Networks/k8s-bigip-ctlr 68c2c90"),
    ("Gateway, HTTPRoute and the other kinds of the Gateway API; Istio's kinds", "their own Go modules, on the lab's API server"),
]
NOT_HAD = [
    ("BackendConfig (`cloud.google.com`), FrontendConfig, ManagedCertificate (`networking.gke.io`)", "GKE installs them itself"),
    ("HealthCheckPolicy, BackendTLSPolicy (`alb.networking.azure.io`)", "part of a chart in Microsoft's registry"),
    ("AlbConfig (`alibabacloud.com`)", "not written by the collection, only looked for"),
]
SCHEMAS = """Objects are checked strictly (no field that the schema does not know) where the vendor publishes its
CustomResourceDefinitions: by unit tests, and with `make clouds` on the lab's API server.
They are no part of this project: tests look for them in the folder that `MESHLB_CRDS` names, else in `shared/crds` beside the checkout.
Annotations of Services and Ingresses have no schema: they are compared with what the controller's source reads, key by key. That is all
that can be said of the platforms whose only objects are the gateway's own Service or an Ingress.
"""


def page(profiles: Iterable[Any], shows: dict[str, list[str]]) -> str:
    """Load balancers whose facts in chained mode are known, platforms and those in the cluster alike."""
    known = sorted((item for item in profiles if item.chain.proof), key=lambda item: str(item.title).lower())
    parts = [
        f"# Platforms\n\n{GENERATED}\n{INTRODUCTION}\n", table(HEADINGS, [_row(item, shows) for item in known]),
        section("Chained", table(CHAIN_HEADINGS, [_chain_row(item) for item in known])),
        section("Settings and limits of each", "".join(_about(item) for item in known).lstrip()),
        section("Which kinds are validated", _kinds()),
    ]
    return "".join(parts)


def _row(profile: Any, shows: dict[str, list[str]]) -> list[str]:
    facts = profile.chain
    tried = next((shows[name] for name in (profile.id, *profile.also_called) if name in shows), [])
    proof = facts.proof + ("; stand-in: " + "; ".join(tried) if tried else "")
    inside = "yes, with a sidecar beside it or its own certificate" if not profile.outside else ""
    mtls = inside if inside and facts.standalone_mtls == "no" else facts.standalone_mtls
    return [cell(text) for text in (
        profile.title, f"`{profile.id}`", facts.standalone, mtls, "yes" + (f" ({facts.minimum})" if facts.minimum else ""), proof,
    )]  # fmt: skip


def _chain_row(profile: Any) -> list[str]:
    facts = profile.chain
    said = "" if "server name" in facts.tls_to_gateway else f"; {SERVER_NAME[facts.server_name]}"
    tls = f"{facts.tls_to_gateway}{said}" if facts.tls_to_gateway else "none"
    return [cell(text) for text in (profile.title, ", ".join(facts.objects), facts.service_type, facts.health, _client(facts), tls)]


def _client(facts: Any) -> str:
    hops = "1 entry" if facts.hops == 1 else f"{facts.hops} entries"
    ways = [CLIENT[facts.forwarded_for].format(hops=hops), "PROXY protocol" if facts.proxy_protocol else ""]
    # What passes TLS through passes connections through.
    own = ["the connection's own address where it is kept"] if facts.server_name == "client" else []
    return "; ".join(way for way in (*ways, *own) if way)


def _about(profile: Any) -> str:
    names = ", ".join(f"`{item}`" for item in (profile.id, *profile.also_called))
    lines = [f"Named in `platform`: {names}.\n"]
    if profile.chain_options:
        lines.append("\nKeys of `platform_options`:\n\n" + bullets(_option(item) for item in profile.chain_options))
    if profile.chain.cannot:
        lines.append("\nIt cannot:\n\n" + bullets(profile.chain.cannot))
    return section(profile.title, "".join([*lines, *_read_in(profile)]), level=3)


def _read_in(profile: Any) -> list[str]:
    """What the profile's file says of its sources, and what was not confirmed."""
    text = " ".join((sys.modules[type(profile).__module__].__doc__ or "").split())
    source = text.partition("Source: ")[2]
    read, mark, open_points = source.partition("UNCONFIRMED: ")
    lines = [f"\nSource: {read.strip()}\n"] if read else []
    return [*lines, f"\nNot confirmed: {open_points}\n"] if mark else lines


def _option(option: Any) -> str:
    choices = f" One of {', '.join(f'`{item}`' for item in option.choices)}." if option.choices else ""
    return f"`{option.name}`: {option.description}{choices}"


def _kinds() -> str:
    had = table(["Validated", "From"], [[cell(text) for text in item] for item in HAD])
    lacking = table(["Not validated", "Why"], [[cell(text) for text in item] for item in NOT_HAD])
    return f"{SCHEMAS}\n{had}\n{lacking}"


def pages(root: Path) -> dict[str, str]:
    """The page, and nothing where the registry is not there yet."""
    if not (root / "plugins" / "module_utils" / "clouds" / "registry.py").is_file():
        return {}
    tree = str(stage("link", root))
    if tree not in sys.path:
        sys.path.insert(0, tree)
    profiles = importlib.import_module(f"{UTILS}.vendors.registry").PROFILES
    platforms = importlib.import_module(f"{UTILS}.clouds.registry").PLATFORMS
    return {"docs/platforms.md": page([*profiles, *platforms], shown())}
