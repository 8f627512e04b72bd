# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Input that cannot work is met with a sentence that names object, field, what was found and what would be right; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import LOAD_BALANCER
from tests.integration.support import apps, certificates, rights
from tests.integration.support.cluster import Cluster
from tests.integration.support.mirror import Mirror, mirrored
from tests.integration.support.modules import failure, module, run_module
from tests.integration.support.objects import Record, differences, record

SIDECAR = {"load_balancer": dict(zip(("namespace", "name"), LOAD_BALANCER, strict=True))}
MODULES: list[tuple[str, dict[str, Any]]] = [
    ("lb_info", {}), ("service_routing", {}), ("lb_sidecar", SIDECAR), ("mtls_proof", {"methods": ["configuration"]}),
]  # fmt: skip
EVERY = pytest.mark.parametrize(("name", "options"), MODULES, ids=[name for name, _options in MODULES])
HOST = "rough.example.test"


@pytest.fixture(scope="module")
def before(cluster: Cluster, clean: None) -> Iterator[Record]:
    """The cluster with one route that a run would change something for."""
    cluster.apply(apps.ingress("apps", "rough", HOST, ("echo-http", 80)))
    yield record(cluster)
    cluster.delete("ingress", "rough", "--namespace", "apps")


@pytest.fixture(autouse=True)
def nothing_is_written(cluster: Cluster, before: Record) -> Iterator[None]:
    """Whatever the input, the cluster is as before."""
    yield
    assert differences(before, record(cluster)) == []


@EVERY
def test_unreachable_api_server(name: str, options: dict[str, Any]) -> None:
    result = failure(name, host="https://127.0.0.1:9", api_key="none", **options)
    assert "Cannot reach the API server https://127.0.0.1:9" in result["msg"] and "refused" in result["msg"]
    assert "kubeconfig" in result["hint"]


def test_name_that_cannot_be_resolved() -> None:
    result = failure("lb_info", host="https://nowhere.invalid:6443", api_key="none")
    assert "nowhere.invalid" in result["msg"] and "resolved" in result["msg"]


def test_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    result = failure("lb_info", kubeconfig=str(tmp_path / "absent"))
    # The value itself is hidden: kubernetes.core marks this option as a secret, as it may hold a whole configuration.
    assert "kubeconfig" in result["msg"] and "that exists" in result["hint"]


@EVERY
def test_expired_client_certificate(cluster: Cluster, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    authority = Path(cluster.kubeconfig).parent / "pki"
    assert (authority / "ca.key").is_file(), "only the lab's authority can sign what has expired"
    certificate, key = certificates.expired_client(authority / "ca.crt", authority / "ca.key", tmp_path)
    server = json.loads(cluster.run("config", "view", "--minify", "--output=json").stdout)["clusters"][0]["cluster"]["server"]
    connection = {"host": server, "ca_cert": str(authority / "ca.crt"), "client_cert": str(certificate), "client_key": str(key)}
    result = failure(name, **connection, **options)
    assert server in result["msg"] and "expired" in result["msg"]
    assert "renew" in result["hint"]


def test_token_of_an_account_that_is_gone(cluster: Cluster, tmp_path: Path) -> None:
    cluster.apply(rights.account("gone"))
    config = rights.kubeconfig(cluster, "gone", tmp_path)
    cluster.delete("serviceaccount", "gone", "--namespace", rights.NAMESPACE)
    result = failure("service_routing", kubeconfig=str(config))
    assert "expired" in result["msg"] and json.loads(config.read_text())["users"][0]["user"]["token"] not in json.dumps(result)


@pytest.mark.parametrize(("name", "options"), [item for item in MODULES if item[0] in ("service_routing", "mtls_proof")])
def test_no_permission_to_list_ingresses(cluster: Cluster, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    roles = rights.documented_roles()
    less = rights.marked(rights.without(roles["meshlb-assess"], "ingresses", "rough-without-ingresses"))
    settings = rights.marked({**roles["meshlb-settings"], "metadata": {"name": "rough-settings"}})
    places = [LOAD_BALANCER[0], "istio-system"]
    cluster.apply(
        rights.account("rough"), less, settings, rights.everywhere("rough", "rough-without-ingresses"),
        *rights.within("rough", "rough-settings", places),
    )  # fmt: skip
    try:
        config = rights.kubeconfig(cluster, "rough", tmp_path)
        result = failure(name, kubeconfig=str(config), **options)
        info = run_module("lb_info", kubeconfig=str(config))
    finally:
        rights.remove(cluster)
    assert "Ingress" in result["msg"] and f"system:serviceaccount:{rights.NAMESPACE}:rough" in result["msg"]
    assert "get and list" in result["hint"] or "docs/rbac" in result["hint"]
    # Looking is still possible, and says what could not be seen.
    assert not info.get("failed")
    assert any(item["code"] == "MLB105" and "Ingress" in item["message"] for item in info["findings"])


@pytest.mark.parametrize(("name", "options"), [item for item in MODULES if item[0] != "lb_info"])
def test_istio_is_not_installed(cluster: Cluster, name: str, options: dict[str, Any]) -> None:
    """The cluster as it is, without Istio's kinds, istiod and its webhooks."""
    with mirrored(cluster, Mirror(lambda group: group.endswith("istio.io"), _of_istio)) as mirror:
        result = failure(name, host=mirror.address, api_key="none", **options)
    assert "Istio" in result["msg"] or "injector" in result["msg"]
    assert not [path for _verb, path in mirror.asked if "istio.io" in path], "a kind that is not there was asked for"


def test_lb_info_without_istio(cluster: Cluster) -> None:
    with mirrored(cluster, Mirror(lambda group: group.endswith("istio.io"), _of_istio)) as mirror:
        result = run_module("lb_info", host=mirror.address, api_key="none")
    assert not result.get("failed"), result["msg"]
    assert result["mesh"]["installed"] is False
    assert "MLB101" in {item["code"] for item in result["findings"]}


def _of_istio(item: dict[str, Any]) -> bool:
    return "istio-system" in (item["metadata"].get("namespace"), item["metadata"]["name"]) or "istio" in item["metadata"]["name"]


def test_absent_kinds_are_not_asked_for(cluster: Cluster) -> None:
    """A cluster without the Gateway API: its kinds are read as having no objects, and never probed."""
    with mirrored(cluster, Mirror(lambda group: group == "gateway.networking.k8s.io")) as mirror:
        result = run_module("service_routing", check=True, host=mirror.address, api_key="none", namespaces=["apps"])
    assert not result.get("failed"), result["msg"]
    assert _after(result)["verdict"] == "mutual_tls"
    assert not [path for _verb, path in mirror.asked if "gateway.networking.k8s.io" in path]
    assert len([path for _verb, path in mirror.asked if path.rstrip("/") in ("/api", "/apis")]) <= 2, "discovery is asked for once"


def test_a_kind_of_the_mesh_that_is_not_served_is_not_asked_for(cluster: Cluster) -> None:
    """Istio without its security CRDs: whether a policy was there is not known, so no verdict is; and a finding says so."""
    with mirrored(cluster, Mirror(lambda group: group == "security.istio.io")) as mirror:
        result = run_module("service_routing", check=True, host=mirror.address, api_key="none", namespaces=["apps"])
    assert not result.get("failed"), result["msg"]
    assert _after(result)["verdict"] == "unknown" and "PeerAuthentication" in _after(result)["why"]
    assert not result["changes"]
    assert any("PeerAuthentication" in item["message"] for item in result["findings"])
    assert not [path for _verb, path in mirror.asked if "security.istio.io" in path]


def _after(result: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in result["routes"] if item["host"] == HOST)["after"]
    return found


@pytest.mark.parametrize("name", ["service_routing", "mtls_proof"])
def test_unknown_load_balancer(cluster: Cluster, name: str) -> None:
    result = failure(name, kubeconfig=cluster.kubeconfig, load_balancers=["ingress-nginx/controler"])
    assert "load_balancers" in result["msg"] and "'ingress-nginx/controler'" in result["msg"]
    assert "/".join(LOAD_BALANCER) in result["hint"]


def test_unknown_load_balancer_for_a_sidecar(cluster: Cluster) -> None:
    result = failure("lb_sidecar", kubeconfig=cluster.kubeconfig, load_balancer={"namespace": "ingress-nginx", "name": "controler"})
    assert "load_balancer" in result["msg"] and "ingress-nginx/controler" in result["msg"]
    assert "/".join(LOAD_BALANCER) in result["hint"]


def test_pinned_strategy_that_cannot_serve(cluster: Cluster) -> None:
    """By the run's option: the route stays as it is, and the finding names it and says why."""
    result = module(cluster, "service_routing", namespaces=["apps"], label_selector="", strategy="service_vip")
    found = [item for item in result["findings"] if item["code"] == "MLB202" and item["object"]["name"] == "rough"]
    assert found and found[0]["severity"] == "error" and "service_vip" in found[0]["message"] and HOST in found[0]["message"]
    route = next(item for item in result["routes"] if item["host"] == HOST)
    assert route["after"]["strategy"] == "none" and not result["changed"]


def test_strategy_that_does_not_exist(cluster: Cluster) -> None:
    cluster.run("annotate", "ingress", "rough", "--namespace", "apps", "meshlb.istio/strategy=headles_twin")
    try:
        result = module(cluster, "service_routing", namespaces=["apps"])
    finally:
        cluster.run("annotate", "ingress", "rough", "--namespace", "apps", "meshlb.istio/strategy-")
    found = [item for item in result["findings"] if item["object"].get("name") == "rough" and "'headles_twin'" in item["message"]]
    assert found and "headless_twin" in found[0]["message"] and not result["changed"]


MALFORMED = [
    ("a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\nkind: [\n", 2, 6, "YAML"),
    ("b.yaml", "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n- 1\n", 2, 6, "list"),
    ("c.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\n\nkind: Service\nmetadata: {name: a}\n", 2, 6, "apiVersion"),
    ("d.yaml", "apiVersion: v1\nkind: Service\nmetadata: {nam: a}\n", 1, 1, "metadata.name"),
    ("e.json", '{"apiVersion": "v1",\n "kind": }\n', 1, 2, "JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "text", "document", "line", "word"), MALFORMED, ids=[item[0] for item in MALFORMED])
@pytest.mark.parametrize("name", ["lb_info", "service_routing"])
def test_malformed_manifest(tmp_path: Path, name: str, file: str, text: str, document: int, line: int, word: str) -> None:
    (tmp_path / file).write_text(text)
    result = failure(name, manifests=[str(tmp_path)])
    assert f"{tmp_path / file}:{line}" in result["msg"] and f"document {document} " in result["msg"] and word in result["msg"]
    assert result["details"] == {"file": str(tmp_path / file), "document": document, "line": line}


def test_manifests_that_are_not_there(tmp_path: Path) -> None:
    result = failure("service_routing", manifests=[str(tmp_path / "none")], output_dir=str(tmp_path / "out"))
    assert str(tmp_path / "none") in result["msg"] and "manifests" in result["hint"]
    assert not (tmp_path / "out").exists()
