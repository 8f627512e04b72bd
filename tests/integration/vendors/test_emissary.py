# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Emissary has to itself: an annotation that forbids injection, and ``certs_only``, its own way to mutual TLS.

``certs_only`` needs a release that takes up certificates that were renewed. The lab's is older, and is refused. How the way works is
measured with the same program under a newer image's name.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import set_mode
from tests.integration.support import apps
from tests.integration.support.cluster import ROOT, Obj, wait_for
from tests.integration.support.modules import module
from tests.integration.support.objects import differences, record
from tests.integration.support.traffic import Target, ask
from tests.integration.support.ways import NAMESPACE
from tests.integration.support.world import SERVERS_OWN, World
from tests.integration.vendors.emissary import V3

HOME, NAME = "emissary", "emissary-ingress"
ROTATES = "4.1.0"
CONTEXT = "meshlb-istio-upstream"  # the TLSContext that the collection makes
VALUES = ROOT / "roles" / "lb_vendor_emissary" / "vars" / "main.yml"

pytestmark = pytest.mark.parametrize("world", ["emissary"], indirect=True, scope="module")


def deployment(world: World) -> Any:
    """Emissary's own Deployment."""
    return world.cluster.get("deployment", NAME, "--namespace", HOME)


def newer_name(world: World) -> str:
    """The lab's image once more, under the name of a release that takes up renewed certificates."""
    image = str(deployment(world)["spec"]["template"]["spec"]["containers"][0]["image"])
    newer = f"{image.rpartition(':')[0]}:{ROTATES}"
    socket = Path(world.cluster.kubeconfig).with_name("containerd.sock")
    command = ["ctr", "-a", str(socket), "-n", "k8s.io", "images", "tag", "--force", image, newer]
    subprocess.run(command, check=True, capture_output=True)
    return newer


@pytest.fixture
def own_certificates(world: World) -> Iterator[None]:
    """Emissary as the role lb_vendor_emissary installs it with certificates of its own: the role's values, put into the Deployment."""
    before = deployment(world)
    values = yaml.safe_load(VALUES.read_text(encoding="utf-8"))["__lb_vendor_emissary_certificate_values"]
    (first, *_rest) = before["spec"]["template"]["spec"]["containers"]
    container = {
        "name": first["name"], "image": newer_name(world), "volumeMounts": values["volumeMounts"],
        "env": [{"name": key, "value": value} for key, value in values["env"].items()],
    }  # fmt: skip
    template = {
        "metadata": {"annotations": values["podAnnotations"], "labels": {"sidecar.istio.io/inject": "true"}},
        "spec": {"containers": [container], "volumes": values["volumes"]},
    }
    patch = json.dumps({"spec": {"template": template}})
    world.cluster.run("patch", "deployment", NAME, "--namespace", HOME, "--type=strategic", f"--patch={patch}")
    world.sidecar("present")
    world.cluster.rolled_out(HOME, f"deployment/{NAME}")
    yield
    before["metadata"] = {key: value for key, value in before["metadata"].items() if key not in SERVERS_OWN}
    world.cluster.run("replace", "--filename=-", stdin=json.dumps(before))
    world.cluster.rolled_out(HOME, f"deployment/{NAME}")


def test_a_sidecar_in_spite_of_the_stock_annotation(world: World) -> None:
    assert deployment(world)["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
    assert world.sidecar("present")["changed"]
    (found,) = [item for item in module(world.cluster, "lb_info")["load_balancers"] if item["vendor"] == "emissary"]
    assert found["sidecar"] == {"injected": True, "inbound_capture": "none"}
    world.sidecar("absent")


def test_certs_only_is_refused_where_renewed_certificates_are_not_taken_up(world: World) -> None:
    result = world.route(check=True, strategy="certs_only")
    assert not result["changes"]
    assert {route["after"]["strategy"] for route in result["routes"]} == {"none"}
    refusals = [
        route["after"]["why"] for route in result["routes"]
        if route["object"]["kind"] == "Mapping" and route["after"]["verdict"] != "mutual_tls" and "no-sidecar" not in route["host"]
    ]
    assert refusals
    assert all("before 4.1" in why for why in refusals), refusals


def foreign(world: World) -> list[Obj]:
    """A backend that speaks TLS with a certificate of its own, and Mappings that verify it and do not."""
    image, labels, port = world.cluster.image_of("apps", "client"), {"app": "foreign"}, 8443
    make = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=foreign -keyout /tmp/key -out /tmp/crt"
    serve = f"exec openssl s_server -www -accept {port} -key /tmp/key -cert /tmp/crt"
    container = {
        "name": "tls", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", f"{make} && {serve}"],
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 2},
    }  # fmt: skip
    template = {"metadata": {"labels": {**labels, "sidecar.istio.io/inject": "false"}}, "spec": {"containers": [container]}}
    made = [
        {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "foreign", "namespace": NAMESPACE},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        apps.service(NAMESPACE, "foreign", labels, [apps.port(443, port, "https")]),
    ]  # fmt: skip
    for name, fields in (("verified", {"service": "foreign:443", "tls": CONTEXT}), ("trusted", {"service": "https://foreign:443"})):
        spec = {"hostname": f"{name}.vendors.example.test", "prefix": "/", **fields}
        made.append({"apiVersion": V3, "kind": "Mapping", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
    return made


def test_certs_only(world: World, own_certificates: None) -> None:
    """Host and resolver stay as they are; a backend whose certificate is not the mesh's is refused."""
    before = record(world.cluster)
    for mode in ("PERMISSIVE", "STRICT"):
        set_mode(world.cluster, mode)
        result = world.route(strategy="certs_only")
        served = [route for route in result["routes"] if route["after"]["strategy"] == "certs_only"]
        assert {route["after"]["verdict"] for route in served} == {"mutual_tls"}
        wrong = world.compare(("certs_only", mode), world.verdicts(result, "after"))
        assert not wrong, wrong
        again = world.route(strategy="certs_only")
        assert not again["changed"]
    seen = world.answers()
    hosts = {case.name: {answer.host for answer in seen[case.name]} for case in world.cases if case.way.name in ("mapping", "endpoint")}
    served_names = {route["host"].partition(".")[0] for route in served}
    assert all(hosts[name] == {f"{name}.vendors.example.test"} for name in hosts if name in served_names)
    objects = foreign(world)
    world.cluster.apply(*objects)
    world.cluster.rolled_out(NAMESPACE, "deployment/foreign")
    asked = {name: Target(f"{name}.vendors.example.test") for name in ("verified", "trusted")}
    wait_for(lambda: ask(world.entry, asked["trusted"]).status == 200, "a backend whose certificate nobody verifies")
    assert ask(world.entry, asked["verified"]).status == 503
    world.cluster.run("delete", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    world.route(state="absent")
    world.cluster.delete("peerauthentication", "default", "--namespace", "istio-system")
    assert not differences(before, record(world.cluster))
