# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik: recognising it, what it was started with, and which classes it serves."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.settings import settings_of
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.traefik.rules import Matched, RuleError, matched
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.traefik.settings import Settings
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.traefik.cluster import ALL, NGINX_TOO, balancer, cluster, traefik
from tests.unit.plugins.module_utils.support.cluster import (
    EDGE,
    Obj,
    config_map,
    container,
    ingress_class,
    live,
    namespace,
    nginx,
    obj,
    workload,
)
from tests.unit.plugins.module_utils.support.known import config_map_namespaces, detect


def vendors(*objects: Obj) -> dict[str, str]:
    return {item.name: item.vendor for item in detect(live(namespace(EDGE), *objects))[0] if item.workload}


def bare(image: str = "", **more: Any) -> Obj:
    return workload("lb", where=EDGE, containers=[container("c", image=image, **more)])


RECOGNISED: dict[str, tuple[Obj, str]] = {
    "the official image": (bare("docker.io/traefik:v3.6.12"), "3.6.12"),
    "without a registry": (bare("traefik:v2.11"), "2.11"),
    "library": (bare("docker.io/library/traefik:v3.1"), "3.1"),
    "mirrored": (bare("registry.example.com:5000/mirror/docker/traefik:v3.2.0@sha256:0123"), "3.2.0"),
    "k3s": (bare("rancher/mirrored-library-traefik:3.6.7"), "3.6.7"),
    "k3s from a private registry": (bare("registry.example.com/rancher/mirrored-library-traefik:2.11.24"), "2.11.24"),
    "its program": (bare("registry.example.com/edge:1", command=["/usr/local/bin/traefik"]), ""),
    "its options": (bare("registry.example.com/edge:1", args=["--providers.kubernetescrd"]), ""),
    "its options in other letters": (bare("edge:1", args=["--providers.kubernetesIngress.ingressClass=x"]), ""),
    "an option of a provider": (bare("edge:1", args=["--providers.kubernetesgateway.namespaces=x"]), ""),
    "its environment": (
        workload("lb", where=EDGE, containers=[{**container("c", image="edge:1"), "env": [
            {"name": "TRAEFIK_PROVIDERS_KUBERNETESINGRESS", "value": "true"}]}]), ""),
    "its labels": (workload("lb", where=EDGE, pod_labels={"app.kubernetes.io/name": "traefik"}), ""),
    "a DaemonSet": (workload("lb", where=EDGE, kind="DaemonSet", containers=[container("c", image="traefik:v3.6.12")]), "3.6.12"),
}  # fmt: skip


@pytest.mark.parametrize(("item", "version"), RECOGNISED.values(), ids=RECOGNISED)
def test_recognised(item: Obj, version: str) -> None:
    assert vendors(item) == {"lb": "traefik"}
    assert balancer(live(namespace(EDGE), item)).version == version


OTHERS: dict[str, Obj] = {
    "its demo": bare("docker.io/traefik/whoami:v1.10"),
    "its mesh": bare("docker.io/traefik/mesh:v1.4"),
    "an auth helper": bare("docker.io/thomseddon/traefik-forward-auth:2"),
    "another program's option": bare("prometheus:1", args=["--providers.file.directory=/x"]),
    "an argument of that name": bare("kubectl:1", command=["kubectl", "--container", "traefik"]),
}


@pytest.mark.parametrize("item", OTHERS.values(), ids=OTHERS)
def test_not_recognised(item: Obj) -> None:
    assert vendors(item) == {}


def test_in_ingress_nginx_place_it_is_not_taken_for_it() -> None:
    snapshot = cluster(ingress_class("nginx"), args=NGINX_TOO)
    (found,) = detect(snapshot)[0]
    assert (found.vendor, found.classes) == ("traefik", ("nginx", "traefik"))
    both = cluster(ingress_class("nginx"), nginx("other"), args=NGINX_TOO)
    found_both, findings = detect(both)
    assert {item.name: (item.vendor, item.classes) for item in found_both} == {
        "lb": ("traefik", ("nginx", "traefik")), "other": ("ingress_nginx", ("nginx",)),
    }  # fmt: skip
    assert "MLB104" in {item.code for item in findings}


CLASSES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "all of its own": (ALL, ("second", "traefik")),
    "one of its own": ((*ALL, "--providers.kubernetesingress.ingressclass=second"), ("second",)),
    "no look-up": ((*ALL, "--providers.kubernetesingress.disableingressclasslookup=true"), ()),
    "no cluster scope": ((*ALL, "--providers.kubernetesingress.disableclusterscoperesources"), ()),
    "no Ingresses": (("--providers.kubernetescrd",), ()),
    "switched off": (("--providers.kubernetesingress=false", "--providers.kubernetescrd"), ()),
    "nothing is known of providers": ((), ("second", "traefik")),
    "in ingress-nginx's place alone": (("--providers.kubernetesingressnginx=true",), ("nginx",)),
    "another controller name": (("--providers.kubernetesingressnginx.controllerclass=x.example.com/y",), ("alien",)),
    "by name": (
        ("--providers.kubernetesingressnginx.ingressclassbyname", "--providers.kubernetesingressnginx.ingressclass=alien"),
        ("alien", "nginx")),
}  # fmt: skip


@pytest.mark.parametrize(("args", "expected"), CLASSES.values(), ids=CLASSES)
def test_classes(args: tuple[str, ...], expected: tuple[str, ...]) -> None:
    others = [ingress_class("second", "traefik.io/ingress-controller"), ingress_class("nginx"), ingress_class("alien", "x.example.com/y")]
    assert balancer(cluster(*others, args=args)).classes == expected


YAML = "providers:\n  kubernetesIngress:\n    nativeLBByDefault: true\n    namespaces: [a, b]\n  kubernetesCRD: {}\n"
TOML = "[providers.kubernetesIngress]\nnativeLBByDefault = true\nnamespaces = ['a', 'b']\n[providers.kubernetesCRD]\n"
FROM_FILE = {"ingress": (True, {"a", "b"}), "crd": (False, set())}


def providers(snapshot: Snapshot) -> dict[str, tuple[bool, set[str]]]:
    """The providers that are on: whether they use Services' addresses, and the namespaces that they are limited to."""
    settings = settings_of(balancer(snapshot), Settings)
    listed = {name: getattr(settings, name) for name in ("ingress", "crd", "gateway", "nginx")}
    return {name: (item.native, {one for scope in item.scopes for one in scope.names}) for name, item in listed.items() if item.on}


def mounted(path: str = "/etc/traefik", *, sub: str = "", volume: Obj | None = None, args: tuple[str, ...] = ()) -> dict[str, Any]:
    mount = {"name": "config", "mountPath": path, **({"subPath": sub} if sub else {})}
    made = [{"name": "config", **(volume or {"configMap": {"name": "static"}})}]
    return {"args": args, "container": {"volumeMounts": [mount]}, "volumes": made}


def static(key: str = "traefik.yaml", text: str = YAML) -> Obj:
    return {**config_map("static"), "data": {key: text}}


needs_toml = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python reads TOML since 3.11")
FILES: dict[str, tuple[Obj, dict[str, Any], dict[str, tuple[bool, set[str]]]]] = {
    "the default place": (static(), mounted(), FROM_FILE),
    "another ending": (static("traefik.yml"), mounted(), FROM_FILE),
    "before arguments": (static(), mounted(args=("--providers.kubernetesgateway",)), FROM_FILE),
    "one file": (static("any"), mounted("/etc/traefik/traefik.yml", sub="any"), FROM_FILE),
    "a key under another name": (
        static("any"), mounted(volume={"configMap": {"name": "static", "items": [{"key": "any", "path": "traefik.yaml"}]}}), FROM_FILE),
    "projected": (static(), mounted(volume={"projected": {"sources": [{"configMap": {"name": "static"}}]}}), FROM_FILE),
    "a file that is named": (static("x.yaml"), mounted("/conf", args=("--configfile=/conf/x.yaml",)), FROM_FILE),
    "named in other letters": (static("x.yaml"), mounted("/conf", args=("--configFile=/conf/x.yaml",)), FROM_FILE),
    "another file, so the arguments hold": (static("dynamic.yaml"), mounted(args=("--providers.kubernetescrd=true",)), {
        "crd": (False, set())}),
    "another provider alone": (static("x"), mounted(args=("--providers.file=true",)), {}),
    "nothing of providers": (static("x"), mounted(args=("--ping",)), {"ingress": (False, set()), "crd": (False, set())}),
}  # fmt: skip


@pytest.mark.parametrize(("item", "more", "expected"), FILES.values(), ids=FILES)
def test_configuration_files(item: Obj, more: dict[str, Any], expected: dict[str, tuple[bool, set[str]]]) -> None:
    assert providers(cluster(item, **more)) == expected


@needs_toml
def test_configuration_files_in_toml() -> None:
    assert providers(cluster(static("traefik.toml", TOML), **mounted())) == FROM_FILE


@pytest.mark.parametrize(
    ("item", "args", "said"),
    [
        (static(text="a: [b"), (), "cannot be read"),
        (static(), ("--configfile=/elsewhere/x.yaml",), "is in no ConfigMap"),
    ],
)
def test_files_that_cannot_be_read_are_said(item: Obj, args: tuple[str, ...], said: str) -> None:
    snapshot = cluster(item, **mounted(args=args))
    found, findings = detect(snapshot)
    assert found[0].classes == ("traefik",)
    assert [said in item.message for item in findings if item.code == "MLB105"] == [True]


def test_config_maps_are_read_only_where_one_is_mounted() -> None:
    assert EDGE in config_map_namespaces(cluster(**mounted()))
    assert EDGE not in config_map_namespaces(cluster())


def test_the_environment_counts_only_without_arguments() -> None:
    env = {"env": [{"name": "TRAEFIK_PROVIDERS_KUBERNETESINGRESS_NATIVELBBYDEFAULT", "value": "true"}]}
    made = workload("lb", where=EDGE, containers=[{**container("c", image="traefik:v3.6.12"), **env}])
    assert providers(live(namespace(EDGE), made)) == {"ingress": (True, set())}
    other = workload("lb", where=EDGE, containers=[{**container("c", image="traefik:v3.6.12", args=["--providers.kubernetescrd"]), **env}])
    assert providers(live(namespace(EDGE), other)) == {"crd": (False, set())}


def test_k3s_is_said_to_own_it() -> None:
    chart = obj("helm.cattle.io/v1", "HelmChart", EDGE, "lb", spec={"chart": "x"})
    assert [item.code for item in detect(cluster(chart))[1]] == ["MLB216"]
    bundled = live(namespace(EDGE), traefik(image="rancher/mirrored-library-traefik:3.6.7"))
    assert "HelmChartConfig" in next(item.message for item in detect(bundled)[1] if item.code == "MLB216")
    home = live(namespace("kube-system"), {**traefik(image="rancher/mirrored-library-traefik:3.6.7"), "metadata": {
        "name": "traefik", "namespace": "kube-system"}})  # fmt: skip
    assert "kube-system" in balancer(home).mode("standalone_mtls").why


RULES: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "a host": ("Host(`a.example.com`)", [("a.example.com", "", "")]),
    "a host in capitals": ("HOST(`A.example.com`)", [("a.example.com", "", "")]),
    "quoted": ('Host("a.example.com")', [("a.example.com", "", "")]),
    "host and prefix": ("Host(`a`) && PathPrefix(`/x`)", [("a", "/x", "ImplementationSpecific")]),
    "prefix and host": ("PathPrefix(`/x`) && Host(`a`)", [("a", "/x", "ImplementationSpecific")]),
    "a path": ("Path(`/x`)", [("", "/x", "Exact")]),
    "an expression": ("PathRegexp(`^/x.*`)", [("", "^/x.*", "Regexp")]),
    "two hosts": ("Host(`a`) || Host(`b`)", [("a", "", ""), ("b", "", "")]),
    "two hosts of version 2": ("Host(`a`, `b`) && PathPrefix(`/x`)", [
        ("a", "/x", "ImplementationSpecific"), ("b", "/x", "ImplementationSpecific")]),
    "a pattern of version 2": ("Path(`/x/{id:[0-9]+}`)", [("", "/x/{id:[0-9]+}", "Regexp")]),
    "grouped": ("Host(`a`) && (Path(`/x`) || Path(`/y`))", [("a", "/x", "Exact"), ("a", "/y", "Exact")]),
    "and before or": ("Host(`a`) && Path(`/x`) || Host(`b`)", [("a", "/x", "Exact"), ("b", "", "")]),
    "other matchers": ("Host(`a`) && Method(`GET`) && Header(`x`, `y`)", [("a", "", "")]),
    "not": ("Host(`a`) && !Path(`/x`)", [("a", "", "")]),
    "a pattern of hosts": ("HostRegexp(`^.+\\.example\\.com$`)", [("", "", "")]),
    "any name": ("HostSNI(`*`)", [("", "", "")]),
    "a name": ("HostSNI(`db.example.com`)", [("db.example.com", "", "")]),
    "no spaces": ("Host(`a`)&&PathPrefix(`/`)", [("a", "/", "ImplementationSpecific")]),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "expected"), RULES.values(), ids=RULES)
def test_rules(rule: str, expected: list[tuple[str, str, str]]) -> None:
    assert list(matched(rule)) == [Matched(*item) for item in expected]


@pytest.mark.parametrize("rule", ["", "Host(", "Host(`a`", "Host(`a`) Path(`b`)", "&&", "(Host(`a`)", "Host(`a`) ^ x"])
def test_rules_that_cannot_be_read(rule: str) -> None:
    with pytest.raises(RuleError):
        matched(rule)
