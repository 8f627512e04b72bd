# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A webhook that lets every rehearsal pass and then refuses one object halfway through."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.support import apps, certificates
from tests.integration.support.cluster import Cluster, wait_for
from tests.integration.support.modules import failure, module
from tests.integration.support.objects import differences, record

NAME = "halfway.meshlb.example.test"
BACKENDS = {"halfway-a": ("echo-http", 80), "halfway-b": ("echo-8000", 8000), "halfway-c": ("echo-b", 80), "halfway-d": ("echo-same", 8088)}
REFUSED = "halfway-c"
SCOPE: dict[str, Any] = {"namespaces": ["apps"], "label_selector": "test=halfway"}


class Refuses(BaseHTTPRequestHandler):
    """An admission webhook that refuses real updates of one Ingress, and nothing in a dry run."""

    def log_message(self, *words: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        allowed = bool(request.get("dryRun")) or request["name"] != REFUSED
        status = {} if allowed else {"status": {"message": "not during office hours"}}
        answer = {"uid": request["uid"], "allowed": allowed, **status}
        text = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def own_address(cluster: Cluster) -> str:
    """This machine's address, as the API server sees it."""
    config = json.loads(cluster.run("config", "view", "--minify", "--output=json").stdout)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((urlsplit(config["clusters"][0]["cluster"]["server"]).hostname, 9))
        return str(probe.getsockname()[0])


@contextmanager
def webhook(cluster: Cluster, folder: Path) -> Iterator[None]:
    """The webhook, while it is wanted."""
    address = own_address(cluster)
    certificate, key = certificates.self_signed(address, folder)
    server = ThreadingHTTPServer((address, 0), Refuses)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        cluster.apply(configuration(f"https://{address}:{server.server_address[1]}/", certificate.read_bytes()))
        wait_for(lambda: refuses(cluster), "the webhook to be asked")
        yield
    finally:
        cluster.delete("validatingwebhookconfiguration", NAME)
        wait_for(lambda: not refuses(cluster), "the webhook to be gone")
        server.shutdown()
        server.server_close()
        thread.join()


def configuration(url: str, authority: bytes) -> dict[str, Any]:
    """Asked for updates of the test's own Ingresses alone."""
    rule = {"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["ingresses"]}
    hook = {
        "name": NAME, "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail", "timeoutSeconds": 5,
        "clientConfig": {"url": url, "caBundle": b64encode(authority).decode()}, "rules": [rule],
        "objectSelector": {"matchLabels": {"test": "halfway"}},
    }  # fmt: skip
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    return {**kind, "metadata": {"name": NAME}, "webhooks": [hook]}


def refuses(cluster: Cluster) -> bool:
    """Whether the webhook is in force: another annotation is refused (and where not, taken back)."""
    words = ("--namespace", "apps", "--overwrite", "ingress", REFUSED)
    if cluster.run("annotate", *words, "test/probe=yes", check=False).returncode:
        return True
    cluster.run("annotate", *words, "test/probe-", check=False)
    return False


@pytest.fixture(scope="module", autouse=True)
def routes(cluster: Cluster, clean: None) -> Iterator[None]:
    """Several Ingresses that a run changes."""
    for name, backend in BACKENDS.items():
        made = apps.ingress("apps", name, f"{name}.example.test", backend)
        made["metadata"]["labels"] = {"test": "halfway"}
        cluster.apply(made)
    yield
    cluster.delete("ingress", *BACKENDS, "--namespace", "apps")


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("way_out", ["finish", "take back"])
def test_refused_halfway(cluster: Cluster, tmp_path: Path, workers: int, way_out: str) -> None:
    before = record(cluster)
    options: dict[str, Any] = {**SCOPE, "strategy": "host_rewrite", "workers": workers}
    predicted = module(cluster, "service_routing", check=True, **options)
    with webhook(cluster, tmp_path):
        result = failure("service_routing", kubeconfig=cluster.kubeconfig, **options)
    details = result["details"]
    assert NAME in result["msg"] and REFUSED in result["msg"] and "not during office hours" in result["msg"]
    assert result["object"]["name"] == REFUSED
    assert "state: absent" in result["hint"]
    # Every change is accounted for, and what is said to be written is written.
    assert len(details["failed"]) == 1
    assert len(details["done"]) + len(details["not_tried"]) == len(predicted["changes"]) - 1
    after = record(cluster)
    written = {line.split(" ")[0] for line in differences(before, after)}
    assert {key.rsplit("/", 1)[-1] for key in written} == {line.rsplit("/", 1)[-1] for line in details["done"]}
    if way_out == "finish":
        finished = module(cluster, "service_routing", **options)
        assert finished["changed"] and len(finished["changes"]) == len(predicted["changes"]) - len(details["done"])
        assert {route["after"]["verdict"] for route in finished["routes"]} == {"mutual_tls"}
        assert not module(cluster, "service_routing", **options)["changed"]
    module(cluster, "service_routing", **SCOPE, state="absent")
    assert differences(before, record(cluster)) == []
    assert not module(cluster, "service_routing", **SCOPE, state="absent")["changed"]


def test_refused_while_taking_back(cluster: Cluster, tmp_path: Path) -> None:
    """The way back is met by the same webhook: it says so, and a second run finishes it."""
    before = record(cluster)
    module(cluster, "service_routing", **SCOPE, strategy="host_rewrite")
    with webhook(cluster, tmp_path):
        result = failure("service_routing", kubeconfig=cluster.kubeconfig, **SCOPE, state="absent")
    assert NAME in result["msg"] and REFUSED in result["msg"]
    module(cluster, "service_routing", **SCOPE, state="absent")
    assert differences(before, record(cluster)) == []
