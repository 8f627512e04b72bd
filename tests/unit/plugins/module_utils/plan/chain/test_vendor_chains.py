# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of the other load balancers in the cluster: how each is led to a gateway, with and without TLS, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.contour import test_profile as test_contour
from tests.unit.plugins.module_utils.balancers.emissary import support as emissaries
from tests.unit.plugins.module_utils.balancers.f5_nginx import test_profile as test_f5_nginx
from tests.unit.plugins.module_utils.balancers.haproxy_ingress import support as haproxy_ingress_kit
from tests.unit.plugins.module_utils.balancers.haproxytech import test_profile as test_haproxytech
from tests.unit.plugins.module_utils.balancers.kong import test_profile as kong
from tests.unit.plugins.module_utils.balancers.traefik import cluster as traefik_cluster
from tests.unit.plugins.module_utils.plan.chain.kit import (
    GATEWAY_KINDS,
    GATEWAYS,
    ISTIO_KINDS,
    Chain,
    backends,
    gateway_service,
    gateway_workload,
    refusal,
    round_trip,
)
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    INJECTOR,
    LIVE,
    PUBLIC,
    Obj,
    backend,
    ingress,
    ingress_class,
    namespace,
    path,
)
from tests.unit.plugins.module_utils.support.planning import run

ALIAS = f"meshlb-{GATEWAYS}-gateway"
NAME = f"gw.{GATEWAYS}.svc.cluster.local"
OWN_KINDS = ("Mapping.getambassador.io", "HTTPProxy.projectcontour.io")


def cluster(*objects: Obj) -> Snapshot:
    own = [namespace(EDGE), namespace(APPS), namespace(GATEWAYS), gateway_service(), gateway_workload(), *backends()]
    source = replace(LIVE, available=frozenset({*LIVE.available, *ISTIO_KINDS, *GATEWAY_KINDS, *OWN_KINDS}))
    return Snapshot([INJECTOR, *own, *objects], source)


def plain(class_name: str) -> Obj:
    return ingress("a", path(backend("shop")), path(backend("cart"), "/cart"), class_name=class_name)


HAPROXY = [haproxy_ingress_kit.haproxy(), ingress_class("haproxy", haproxy_ingress_kit.CONTROLLER)]
TRAEFIK = [traefik_cluster.traefik(*traefik_cluster.ALL), ingress_class("traefik", "traefik.io/ingress-controller")]
EMISSARY = [*emissaries.edge()[:1], emissaries.emissary(), emissaries.CLASS]
CONTOUR = [test_contour.controller(), test_contour.envoy()]
KONG = [kong.proxy(), kong.controller(), kong.CLASS]
HAPROXYTECH = [test_haproxytech.controller(), ingress_class("haproxy", test_haproxytech.CONTROLLER)]
F5 = [test_f5_nginx.controller(), test_f5_nginx.CONTROLLER]
INGRESSES: dict[str, tuple[str, list[Obj], str, dict[str, str]]] = {
    "HAProxy Ingress": ("haproxy_ingress", HAPROXY, "haproxy", {"ingress": "haproxy-ingress.github.io/secure-backends=true"}),
    "HAProxy Technologies": ("haproxytech", HAPROXYTECH, "haproxy", {"alias": "haproxy.org/server-ssl=true"}),
    "Traefik": ("traefik", TRAEFIK, "traefik", {"alias": "traefik.ingress.kubernetes.io/service.serversscheme=https"}),
    "Contour": ("contour", CONTOUR, "contour", {"alias": "projectcontour.io/upstream-protocol.tls=443"}),
    "Kong": ("kong", KONG, "kong", {"alias": "konghq.com/protocol=https"}),
    "F5 NGINX": ("f5_nginx", F5, "nginx", {"ingress": f"nginx.org/ssl-services={ALIAS}"}),
}  # fmt: skip


def led(snapshot: Snapshot, vendor: str, **more: Any) -> Chain:
    return round_trip(snapshot, platform=vendor, **more)


@pytest.mark.parametrize(("vendor", "own", "class_name", "tls"), INGRESSES.values(), ids=INGRESSES)
def test_an_ingress_is_led_path_by_path(vendor: str, own: list[Obj], class_name: str, tls: dict[str, str]) -> None:
    done = led(cluster(*own, plain(class_name)), vendor)
    assert {item.after.verdict for item in done.plan.routes} == {"mutual_tls"}
    paths = done.after.get("Ingress.networking.k8s.io", APPS, "a")["spec"]["rules"][0]["http"]["paths"]  # type: ignore[index]
    assert [item["backend"]["service"] for item in paths] == [{"name": ALIAS, "port": {"number": 80}}] * 2
    by_name = vendor == "haproxy_ingress"
    assert done.body("Service")["spec"].get("externalName", "") == (NAME if by_name else "")
    assert any(item.object.kind == "EndpointSlice" for item in done.changes) is not by_name


@pytest.mark.parametrize(("vendor", "own", "class_name", "tls"), INGRESSES.values(), ids=INGRESSES)
def test_tls_to_the_gateway(vendor: str, own: list[Obj], class_name: str, tls: dict[str, str]) -> None:
    wanted = {"name": "meshlb", "namespace": GATEWAYS, "tls": {"mode": "simple", "credential_name": "cert"}}
    done = led(cluster(*own, plain(class_name)), vendor, gateway=wanted)
    (server,) = done.body("Gateway")["spec"]["servers"]
    assert server["hosts"] == ["*"]
    where = {
        "alias": done.body("Service")["metadata"]["annotations"],
        "ingress": done.after.get("Ingress.networking.k8s.io", APPS, "a")["metadata"].get("annotations", {}),  # type: ignore[index]
    }
    for place, text in tls.items():
        key, dummy, value = text.partition("=")
        assert where[place][key] == value


def test_a_mapping_names_the_gateway_itself() -> None:
    shop = emissaries.mapping("a", "shop", hostname=PUBLIC, prefix="/", rewrite="")
    done = led(cluster(*EMISSARY, shop), "emissary")
    assert done.after.get("Mapping.getambassador.io", APPS, "a")["spec"]["service"] == f"http://{NAME}:80"  # type: ignore[index]
    assert not any(item.object.kind in ("Service", "EndpointSlice") for item in done.changes)
    kept = [done.body("Mapping", f"a-keeps-{word}")["spec"] for word in ("before", "after")]
    assert [item["service"] for item in kept] == ["shop", f"http://{NAME}:80"] and all("invalid" in item["hostname"] for item in kept)
    wanted = {"name": "meshlb", "namespace": GATEWAYS, "tls": {"mode": "simple", "credential_name": "cert", "host": "gw.example.com"}}
    context = emissaries.tls_context("gw", sni="gw.example.com", secret="own")
    safe = led(cluster(*EMISSARY, shop, context), "emissary", gateway=wanted, platform_options={"tls_context": "gw"})
    spec = safe.after.get("Mapping.getambassador.io", APPS, "a")["spec"]  # type: ignore[index]
    assert (spec["service"], spec["tls"]) == (f"https://{NAME}:443", "gw")
    assert safe.body("Gateway")["spec"]["servers"][0]["hosts"] == [PUBLIC, "gw.example.com"]


@pytest.mark.parametrize(
    ("spec", "code"), [(None, "MLB617"), ({"sni": "gw"}, "MLB617"), ({"secret": "own"}, "MLB602")], ids=["missing", "ignored", "no name"]
)
def test_a_tls_context_that_would_send_no_name_is_refused(spec: Obj | None, code: str) -> None:
    """Emissary takes no notice of one without a certificate, which the lab showed."""
    contexts = [] if spec is None else [emissaries.tls_context("gw", **spec)]
    snapshot = cluster(*EMISSARY, emissaries.mapping("a", "shop", rewrite=""), *contexts)
    wanted = {"name": "meshlb", "namespace": GATEWAYS, "tls": {"mode": "simple", "credential_name": "cert", "host": "gw.example.com"}}
    assert refusal(snapshot, platform="emissary", gateway=wanted, platform_options={"tls_context": "gw"}) == code


def test_emissary_leads_an_ingress_without_tls_alone() -> None:
    """It cuts off the path of an Ingress, so a second backend of one host stays; and TLS only a Mapping can say."""
    done = led(cluster(*EMISSARY, plain("ambassador")), "emissary")
    assert {item.path: item.chained for item in done.plan.routes} == {"/": True, "/cart": False} and "MLB610" in done.codes
    root, cart = done.after.get("Ingress.networking.k8s.io", APPS, "a")["spec"]["rules"][0]["http"]["paths"]  # type: ignore[index]
    assert (root["backend"]["service"], cart["backend"]["service"]["name"]) == ({"name": ALIAS, "port": {"number": 80}}, "cart")
    wanted = {"name": "meshlb", "namespace": GATEWAYS, "tls": {"mode": "simple", "credential_name": "cert"}}
    stays = led(cluster(*EMISSARY, plain("ambassador")), "emissary", gateway=wanted)
    assert not any(item.chained for item in stays.plan.routes) and not any(item.object.kind == "Ingress" for item in stays.changes)


@pytest.mark.parametrize("encrypted", [False, True])
def test_upstreams_of_a_virtual_server_say_themselves_that_they_speak_tls(encrypted: bool) -> None:
    wanted = {"name": "meshlb", "namespace": GATEWAYS, **({"tls": {"mode": "simple", "credential_name": "cert"}} if encrypted else {})}
    done = led(cluster(*F5, test_f5_nginx.server(host=PUBLIC)), "f5_nginx", gateway=wanted)
    (upstream,) = done.after.get("VirtualServer.k8s.nginx.org", APPS, "cafe")["spec"]["upstreams"]  # type: ignore[index]
    assert (upstream["service"], upstream["port"], upstream.get("tls")) == (ALIAS, *((443, {"enable": True}) if encrypted else (80, None)))


def test_new_mappings_for_new_hosts() -> None:
    paths = [{"path": "/", "backend": {"namespace": APPS, "service": "shop", "port": 80}}]
    done = led(cluster(*EMISSARY), "emissary", hosts=[{"host": PUBLIC, "paths": paths}])
    assert done.body("Mapping")["spec"] == {"hostname": PUBLIC, "prefix": "/", "rewrite": "", "service": f"http://{NAME}:80"}


def test_what_is_chained_is_no_case_for_standalone_mode() -> None:
    done = led(cluster(*HAPROXYTECH, plain("haproxy")), "haproxytech")
    standalone = run(done.after)
    assert {item.before.verdict for item in standalone.plan.routes} == {"unknown"}
    assert standalone.written == [] and "chained" in standalone.plan.routes[0].before.why
    assert not {"MLB201", "MLB207", "MLB211"} & {*standalone.codes}
