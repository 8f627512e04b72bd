# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of platforms: what holds for a load balancer without a gateway and with one, and how that was proven."""

from __future__ import annotations

import importlib
import re
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.integration.clouds.scenarios import KINDS, shown, validated

from .frame import imported
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
  left; those under way on it end well where the objects ask for draining. What the cloud does beyond its documentation is not seen.

A check of port 15021 learns in time that a gateway pod ends: its proxy takes requests for 5 s more (`terminationDrainDuration`). A check
that only opens a connection does not: where nothing else took the pod out, 26 of 1254 requests were answered with 503 between the proxy's
end and the second check that failed (checks every 0.5 s). What helps there is that the controller takes the pod
out once it is no longer ready; one that needs longer than 5 s for that is to be given longer, and the module says so (MLB613).
"""
VALIDATED, READ = "validated against the vendor's schema", "read in the vendor's source"
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
MODULES = ("kinds", "ingress-gce")
"""Folders below lab/go whose go.mod says which modules the definitions are from."""
FROM = {
    "gke-gateway": "github.com/GoogleCloudPlatform/gke-gateway-api", "gke-ingress": "k8s.io/ingress-gce",
    "gke-managed-certs": "github.com/GoogleCloudPlatform/gke-managed-certs", "f5-cis": "github.com/F5Networks/k8s-bigip-ctlr/v2",
    "aws-load-balancer-controller": "sigs.k8s.io/aws-load-balancer-controller", "openshift": "github.com/openshift/api",
}
NOT_FROM = {
    "agic": "no version of its Go module (github.com/Azure/application-gateway-kubernetes-ingress) that has the file could be had: it is "
            "validated where `MESHLB_CRDS` names a folder with the file in `agic`, and was with the one of f42103d",
    "agc": "the definitions are part of a chart in Microsoft's registry, and no Go module has them; the fields were compared with "
           "Microsoft's Go types (Azure/Application-Gateway-for-Containers-Migration-Utility, crds/v1), whose module could not be had",
}  # fmt: skip
MORE = [
    ("Gateway, HTTPRoute and the other kinds of the Gateway API; Istio's kinds", "their own Go modules"),
    ("VirtualServer, VirtualServerRoute (`k8s.nginx.org`)",
     "nginx/kubernetes-ingress 0eb3072, where `MESHLB_CRDS` names a folder with the files in `f5-nginx` (`bash tests/scenarios.sh "
     "schemas`, which also leads Ingresses of Kong and of HAProxy Technologies' controller to a gateway and back)"),
]  # fmt: skip
NOT_WRITTEN = [("AlbConfig (`alibabacloud.com`)", "not written by the collection, only looked for")]
SCHEMAS = """Objects are checked strictly (no field that the schema does not know) where the vendor's CustomResourceDefinitions can be had:
with `make clouds` on the lab's API server, and most of them by unit tests too.
They are no part of this project: `lab/lab kinds` gets them from the vendors' own Go modules, and tests install them while they run. The
folder that `MESHLB_CRDS` names goes before those.
Annotations of Services and Ingresses have no schema: they are compared with what the controller's source reads, key by key. That is all
that can be said of the platforms whose only objects are the gateway's own Service or an Ingress.
"""


def page(
    profiles: Iterable[Any], shows: dict[str, list[str]], valid: Container[str] = (), versions: Mapping[str, str] | None = None
) -> str:
    """Load balancers whose facts in chained mode are known, platforms and those in the cluster alike."""
    known = sorted((item for item in profiles if item.chain), key=lambda item: str(item.about.title).lower())
    parts = [
        f"# Platforms\n\n{GENERATED}\n{INTRODUCTION}\n", table(HEADINGS, [_row(item, shows, valid) for item in known]),
        section("Chained", table(CHAIN_HEADINGS, [_chain_row(item) for item in known])),
        section("Settings and limits of each", "".join(_about(item) for item in known).lstrip()),
        section("Which kinds are validated", _kinds(versions or {})),
    ]
    return "".join(parts)


def _row(profile: Any, shows: dict[str, list[str]], valid: Container[str]) -> list[str]:
    facts, about = profile.chain.facts, profile.about
    names = (about.id, *about.also_called)
    tried = next((shows[name] for name in names if name in shows), [])
    # Of those outside of the cluster the tests' own lists say what was shown.
    proof = facts.proof.value if not about.outside else VALIDATED if any(name in valid for name in names) else READ
    proof += "; stand-in: " + "; ".join(tried) if tried else ""
    inside = "yes, with a sidecar beside it or its own certificate" if not about.outside else ""
    mtls = inside if inside and facts.standalone_mtls.text == "no" else facts.standalone_mtls.text
    return [cell(text) for text in (
        about.title, f"`{about.id}`", facts.standalone.text, mtls, "yes" + (f" ({facts.minimum})" if facts.minimum else ""), proof,
    )]  # fmt: skip


def _chain_row(profile: Any) -> list[str]:
    facts = profile.chain.facts
    said = "" if "server name" in facts.tls_to_gateway else f"; {SERVER_NAME[facts.server_name]}"
    tls = f"{facts.tls_to_gateway}{said}" if facts.tls_to_gateway else "none"
    return [cell(text) for text in (profile.about.title, ", ".join(facts.objects), facts.service_type, facts.health, _client(facts), tls)]


def _client(facts: Any) -> str:
    hops = "1 entry" if facts.hops == 1 else f"{facts.hops} entries"
    ways = [CLIENT[facts.forwarded_for].format(hops=hops), "PROXY protocol" if facts.proxy_protocol else ""]
    # What passes TLS through passes connections through.
    own = ["the connection's own address where it is kept"] if facts.server_name == "client" else []
    return "; ".join(way for way in (*ways, *own) if way)


def _about(profile: Any) -> str:
    names = ", ".join(f"`{item}`" for item in (profile.about.id, *profile.about.also_called))
    lines = [f"Named in `platform`: {names}.\n"]
    if profile.chain.facts.options:
        lines.append("\nKeys of `platform_options`:\n\n" + bullets(_option(item) for item in profile.chain.facts.options))
    if profile.chain.facts.cannot:
        lines.append("\nIt cannot:\n\n" + bullets(profile.chain.facts.cannot))
    return section(profile.about.title, "".join([*lines, *_read_in(profile)]), level=3)


def documentation(vendor: str) -> str:
    """What the file of a profile says of itself."""
    return importlib.import_module(f"{UTILS}.balancers.{vendor}.profile").__doc__ or ""


def _read_in(profile: Any) -> list[str]:
    """What the profile's file says of its sources, and what was not confirmed."""
    text = " ".join(documentation(profile.about.id).split())
    source = text.partition("Source: ")[2]
    read, mark, open_points = source.partition("UNCONFIRMED: ")
    lines = [f"\nSource: {read.strip()}\n"] if read else []
    return [*lines, f"\nNot confirmed: {open_points}\n"] if mark else lines


def _option(option: Any) -> str:
    choices = f" One of {', '.join(f'`{item}`' for item in option.choices)}." if option.choices else ""
    return f"`{option.name}`: {option.description}{choices}"


def _kinds(versions: Mapping[str, str]) -> str:
    had, lacking = dict[str, str](), dict[str, str]()
    for way in KINDS.values():
        for folder in way.folders:
            names = _by_group(way.writes)
            if folder in FROM:
                place = f"{FROM[folder]} {versions.get(FROM[folder], '')}".rstrip()
                had[names] = f"{had[names]}, {place}" if place not in had.get(names, place) else place
            else:
                lacking[names] = NOT_FROM[folder]
    # A way that writes some of the kinds that another one writes has nothing to add.
    rows = [item for item in had.items() if not any(item[0] != other and set(_words(item[0])) <= set(_words(other)) for other in had)]
    first = table(["Validated", "From"], [[cell(text) for text in item] for item in [*rows, *MORE]])
    left_out = [*lacking.items(), *NOT_WRITTEN]
    second = table(["Not validated by `make clouds` alone", "Why"], [[cell(text) for text in item] for item in left_out])
    return f"{SCHEMAS}\n{first}\n{second}"


def _words(text: str) -> list[str]:
    return text.replace(",", "").split()


def _by_group(names: Iterable[str]) -> str:
    """Kinds (Kind.group), each group said once after its own."""
    groups: dict[str, list[str]] = {}
    for name in names:
        kind, dummy, group = name.partition(".")
        groups.setdefault(group, []).append(kind)
    return ", ".join(f"{', '.join(found)} (`{group}`)" for group, found in groups.items())


def module_versions(root: Path) -> dict[str, str]:
    """Versions of the modules that the lab takes definitions from."""
    texts = [(root / "lab" / "go" / name / "go.mod").read_text() for name in MODULES]
    return {found[1]: found[2] for text in texts for found in re.finditer(r"(?m)^(?:require|\t)\s*(\S+) (v\S+)$", text)}


def pages(root: Path) -> dict[str, str]:
    """The page, and nothing where the registry is not there yet."""
    found = imported(root, "balancers.registry")
    if found is None:
        return {}
    profiles = found.PROFILES
    return {"docs/platforms.md": page(profiles, shown(), validated(), module_versions(root))}
