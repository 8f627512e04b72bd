# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is admitted: what AuthorizationPolicies and RequestAuthentications do to requests is what was predicted, and what the proof reads.

The load balancer is the lab's ingress-nginx with a sidecar. Each set of policies is met twice: in plaintext, where the backend sees no
identity, and by mutual TLS under STRICT, where it sees the load balancer's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import LOAD_BALANCER, set_mode
from tests.integration.support import apps
from tests.integration.support.cluster import Cluster, Obj, wait_for
from tests.integration.support.modules import Result, module
from tests.integration.support.traffic import Entry, Target, ask

HOME, APP, HOST = "access", "guarded", "access.example.test"
SCOPE: dict[str, Any] = {"namespaces": [HOME]}
OWN = f"cluster.local/ns/{LOAD_BALANCER[0]}/sa/ingress-nginx"
ISSUER = "https://issuer.example.test"
MODULUS = (
    "szBHpmP-X7OW9CKIys_THHwvKciV0S3UgEoDpC6KJXhgUO-D1qT4YJzALXLNnaXKrRLFApSq53FoGYx-Tui-gDNbImsmSIgwoBPW"
    "CGW8kaub-676j0rTEoEC-b27kIabw5l8jdTMqE5qn1ZzDrYI7Xg7paoGPgeseg6TCLp2OgMrYrDwnM4pQw_Dwj7cBufWQ4YO6jVF"
    "LcAFFrL8z6-n3J6MCZJMTbj4pc7bCKU4H4sktaCILa4ivyyzuW0wgoae5oZr-NkYg9Ey47MmDaKnBZj9GCVbeg_4Ht5PI_cewtXy"
    "XlSCvWfxTLLbjwSw4SXiPIAp35DQwmsWZVYHPCdvSQ"
)
"""Of a key that was made for this test and then thrown away; the token below is the only one that it ever signed."""
TOKEN = (
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImxhYiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlLnRlc3Q"
    "iLCJzdWIiOiJ0ZXN0ZXIiLCJleHAiOjQxMDI0NDQ4MDB9.W9pvhJ_sR8fZ2hgSfp2zwECRS-wCPHNb1zM0hD4MyuQEMw7n9qTryp"
    "1nbzDujvMQHnMMkpKqfUZiLGn3ulI5zRLYvguCrtdfGA_BZJ2eY6eJtr4b_Jqd3fPPdMO45BaAVmMMtounUSTErpcJ2sCOl4Hl5n"
    "Z1_uI6ef6qdS2BKIGIWbh18TAyx1XWiBkesIDBNEq_ZFN5XPPKcPWVzcDayIkElbQdeyd1lqNYQT7tyn2CsF57G0YGYEVfyEcmk0"
    "CKpC61BEyh-86qEwt4P_lvlQGIGQmoXSnEMk7zuZsIkO-Z4ONMfGE3EdgtLacIivY5Bw_cVL_wPFa5FNFtMGrj9g"
)
JWKS = {"keys": [{"kty": "RSA", "kid": "lab", "alg": "RS256", "e": "AQAB", "n": MODULUS}]}
PROBES: tuple[tuple[str, dict[str, str]], ...] = (
    ("/", {}), ("/admin", {}), ("/api/items", {}), ("/", {"Authorization": "Bearer nonsense"}), ("/", {"Authorization": f"Bearer {TOKEN}"}),
)
DENIED = (401, 403)


def policy(name: str, *rules: Obj, action: str = "ALLOW") -> Obj:
    spec: Obj = {"selector": {"matchLabels": {"app": APP}}, "action": action, **({"rules": list(rules)} if rules else {})}
    return {
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": name, "namespace": HOME}, "spec": spec,
    }  # fmt: skip


def source(**fields: list[str]) -> Obj:
    return {"from": [{"source": fields}]}


def operation(**fields: list[str]) -> Obj:
    return {"to": [{"operation": fields}]}


TOKENS: Obj = {
    "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication", "metadata": {"name": "tokens", "namespace": HOME},
    "spec": {
        "selector": {"matchLabels": {"app": APP}},
        "jwtRules": [{"issuer": ISSUER, "jwks": json.dumps(JWKS), "forwardOriginalToken": True}],
    },
}  # fmt: skip
# Policies, and who is admitted: in plaintext, and with the load balancer's identity.
CASES: dict[str, tuple[list[Obj], tuple[str, str]]] = {
    "nothing": ([], ("allowed", "allowed")),
    "allow nothing": ([policy("allow-nothing")], ("denied", "denied")),
    "allow by principal": ([policy("edge", source(principals=[OWN]))], ("denied", "allowed")),
    "allow another": ([policy("another", source(principals=["cluster.local/ns/access/sa/another"]))], ("denied", "denied")),
    "allow by service account": ([policy("account", source(serviceAccounts=[f"{LOAD_BALANCER[0]}/ingress-nginx"]))], ("denied", "allowed")),
    "deny by namespace": ([policy("no-edge", source(namespaces=[LOAD_BALANCER[0]]), action="DENY")], ("allowed", "denied")),
    "deny without identity": ([policy("no-strangers", source(notPrincipals=["*"]), action="DENY")], ("denied", "allowed")),
    "deny a path": ([policy("no-admin", operation(paths=["/admin*"]), action="DENY")], ("conditional", "conditional")),
    "allow a path to the load balancer": (
        [policy("api", {**source(principals=[OWN]), **operation(paths=["/api/*"])})], ("denied", "conditional")),
    "tokens are checked": ([TOKENS], ("conditional", "conditional")),
    "tokens are asked for": ([TOKENS, policy("with-token", source(requestPrincipals=[f"{ISSUER}/*"]))], ("conditional", "conditional")),
    "whoever has none is denied": (
        [TOKENS, policy("no-token", source(notRequestPrincipals=["*"]), action="DENY")], ("conditional", "conditional")),
    "audit": ([policy("watch", {}, action="AUDIT")], ("allowed", "allowed")),
}


@pytest.fixture(scope="module", autouse=True)
def scene(cluster: Cluster, clean: None, short_connections: None, echo_image: str, entry: Entry) -> Iterator[None]:
    """An application behind a load balancer with a sidecar."""
    cluster.apply(
        apps.namespace(HOME), *apps.echo(HOME, APP, echo_image, [8080]),
        apps.service(HOME, APP, {"app": APP}, [apps.port(80, 8080, "http")]), apps.ingress(HOME, APP, HOST, (APP, 80)),
    )  # fmt: skip
    set_mode(cluster, "PERMISSIVE")
    cluster.rolled_out(HOME, f"deployment/{APP}")
    module(cluster, "lb_sidecar", load_balancer={"namespace": LOAD_BALANCER[0], "name": LOAD_BALANCER[1]})
    wait_for(lambda: answers(entry) == "allowed", "the route to answer")
    yield
    module(cluster, "service_routing", state="absent", **SCOPE)
    cluster.delete("namespace", HOME)


@pytest.fixture
def policies(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The policies of one case, for as long as it is looked at; what is expected of them."""
    objects, expected = CASES[request.param]
    if objects:
        cluster.apply(*objects)
    yield expected
    cluster.delete("authorizationpolicy,requestauthentication", "--all", "--namespace", HOME)


def answers(entry: Entry) -> str:
    """Who is admitted, by the answers to all kinds of requests; what is neither an answer nor a denial is named."""
    seen = {ask(entry, Target(HOST, path), headers=headers).status for path, headers in PROBES}
    odd = seen - {200, *DENIED}
    if odd:
        return f"odd: {sorted(odd)}"
    return "allowed" if seen == {200} else "conditional" if 200 in seen else "denied"


def access(result: Result, side: str) -> str:
    (route,) = result["routes"]
    return str(route[side]["access"]["decision"])


def codes(result: Result) -> set[str]:
    return {item["code"] for item in result["findings"]}


@pytest.mark.parametrize("policies", CASES, indirect=True)
def test_in_plaintext_nobody_has_an_identity(cluster: Cluster, entry: Entry, policies: tuple[str, str]) -> None:
    predicted = module(cluster, "service_routing", check=True, **SCOPE)
    assert (predicted["routes"][0]["before"]["verdict"], access(predicted, "before")) == ("plaintext", policies[0])
    wait_for(lambda: answers(entry) == policies[0], f"requests to be {policies[0]} ({answers(entry)})")


def test_what_would_be_denied_is_not_made(cluster: Cluster, entry: Entry) -> None:
    """The route works without an identity, and would not with one: it stays as it is, and the policy is named."""
    cluster.apply(*CASES["deny by namespace"][0])
    try:
        result = module(cluster, "service_routing", **SCOPE)
        assert not result["changed"] and access(result, "after") == "allowed"
        (said,) = [item for item in result["findings"] if item["code"] == "MLB241"]
        assert "no-edge" in said["message"] and OWN in said["message"]
        assert answers(entry) == "allowed"
    finally:
        cluster.delete("authorizationpolicy", "--all", "--namespace", HOME)


@pytest.mark.parametrize("policies", CASES, indirect=True)
def test_with_mutual_tls_the_load_balancer_has_one(cluster: Cluster, entry: Entry, policies: tuple[str, str]) -> None:
    """Predicted, measured by requests, and read from the backend's own filters: the same."""
    objects = cluster.items("authorizationpolicy,requestauthentication", "--namespace", HOME)
    if not cluster.items("destinationrules", "--all-namespaces", "--selector=app.kubernetes.io/managed-by=meshlb.istio"):
        # Policies would keep it from being made.
        cluster.delete("authorizationpolicy,requestauthentication", "--all", "--namespace", HOME)
        module(cluster, "service_routing", **SCOPE)
        set_mode(cluster, "STRICT")
        wait_for(lambda: answers(entry) == "allowed", "mutual TLS to work without policies")
        if objects:
            cluster.apply(*({**item, "metadata": {"name": item["metadata"]["name"], "namespace": HOME}} for item in objects))
    predicted = module(cluster, "service_routing", check=True, **SCOPE)
    assert (predicted["routes"][0]["before"]["verdict"], access(predicted, "before")) == ("mutual_tls", policies[1])
    assert ("MLB240" in codes(predicted) or "MLB245" in codes(predicted)) is (policies[1] == "denied")
    wait_for(lambda: answers(entry) == policies[1], f"requests to be {policies[1]} ({answers(entry)})")
    proof = module(cluster, "mtls_proof", methods=["configuration"], **SCOPE)
    (route,) = proof["routes"]
    assert (route["verdict"], route["access"]["decision"]) == ("mutual_tls", policies[1]), route["access"]["why"]
    assert "MLB506" not in codes(proof)


def test_requests_that_are_denied_are_no_success(cluster: Cluster, entry: Entry) -> None:
    cluster.apply(*CASES["allow nothing"][0])
    try:
        wait_for(lambda: answers(entry) == "denied", "requests to be denied")
        proof = module(cluster, "mtls_proof", entrypoint=f"http://{entry.address}:{entry.port}", **SCOPE)
        (route,) = proof["routes"]
        assert route["access"]["decision"] == "denied"
        assert codes(proof) & {"MLB505", "MLB507"}
    finally:
        cluster.delete("authorizationpolicy", "--all", "--namespace", HOME)
