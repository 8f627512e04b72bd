# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod template needs to get a sidecar, told by the injectors' own selectors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.instances import SidecarTarget
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ABSENT, LoadBalancer, Mode, ObjectRef, replace
from ansible_collections.meshlb.istio.plugins.module_utils.istio.proxy_config import extends
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.sidecar import against_outliving, desired_fields, workload_for
from ansible_collections.meshlb.istio.plugins.module_utils.runs.sidecar import injection_of

Obj = dict[str, Any]
LABELS = ("spec", "template", "metadata", "labels")
ANNOTATIONS = ("spec", "template", "metadata", "annotations")
CAPTURE = (*ANNOTATIONS, "traffic.sidecar.istio.io/includeInboundPorts")
PROXY = (*ANNOTATIONS, "proxy.istio.io/config")
TLS_MODE = (*LABELS, "security.istio.io/tlsMode")
BOMB = "\n".join(["a0: &x0 [y]", *(f"a{place}: &x{place} [{', '.join([f'*x{place - 1}'] * 9)}]" for place in range(1, 10))])
EXIT = "EXIT_ON_ZERO_ACTIVE_CONNECTIONS"
INJECT = (*LABELS, "sidecar.istio.io/inject")
REVISION = (*LABELS, "istio.io/rev")
BALANCER = LoadBalancer(
    "lb", "edge", "unknown", "A proxy", workload=ObjectRef("apps/v1", "Deployment", "edge", "lb"),
    modes=(("standalone_mtls", Mode(True, "it can")),),
)


def deployment(labels: Obj | None = None, annotations: Obj | None = None) -> Obj:
    metadata = {"labels": {"app": "lb", **(labels or {})}, "annotations": annotations or {}}
    template = {"metadata": metadata, "spec": {"containers": [{"name": "c"}]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "lb", "namespace": "edge"}, "spec": {"template": template}}


def expression(key: str, operator: str, *values: str) -> Obj:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def hook(namespace: list[Obj], pod: list[Obj], path: str = "/inject") -> Obj:
    service = {"clientConfig": {"service": {"path": path}}}
    return {**service, "namespaceSelector": {"matchExpressions": namespace}, "objectSelector": {"matchExpressions": pod}}


NO_LABEL = expression("istio-injection", "DoesNotExist")
NO_REVISION = expression("istio.io/rev", "DoesNotExist")
NOT_FALSE = expression("sidecar.istio.io/inject", "NotIn", "false")


def revisioned(revision: str) -> list[Obj]:
    """The two webhooks of the chart for a revision."""
    rev = expression("istio.io/rev", "In", revision)
    return [hook([rev, NO_LABEL], [NOT_FALSE]), hook([NO_LABEL, NO_REVISION], [NOT_FALSE, rev])]


def default() -> list[Obj]:
    """Those that a default injector has besides."""
    enabled = expression("istio-injection", "In", "enabled")
    asked = expression("sidecar.istio.io/inject", "In", "true")
    return [*revisioned("default"), hook([enabled], [NOT_FALSE]), hook([NO_LABEL, NO_REVISION], [asked, NO_REVISION])]


def world(hooks: list[Obj], workload: Obj | None = None, **labels: str) -> Snapshot:
    named = {key.replace("__", ".").replace("_", "-").replace("-rev", "/rev"): value for key, value in labels.items()}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "edge", "labels": named}}
    webhook = {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istio"}, "webhooks": hooks,
    }
    return Snapshot([namespace, webhook, workload or deployment()])


def fields(snapshot: Snapshot, inbound_capture: str = "none") -> Obj:
    workload = workload_for(BALANCER, snapshot.at(BALANCER.workload))
    return dict(desired_fields(injection_of(snapshot, workload), BALANCER, workload, inbound_capture))


METADATA = '{"EXIT_ON_ZERO_ACTIVE_CONNECTIONS":"true","MINIMUM_DRAIN_DURATION":"15s"}'
OUTLIVES = f'{{"holdApplicationUntilProxyStarts":true,"proxyMetadata":{METADATA}}}'
NONE = {INJECT: "true", CAPTURE: "", TLS_MODE: "disabled", PROXY: OUTLIVES}


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        (world(default()), NONE),
        (world([]), NONE),
        (world([hook([], [], "/validate")]), NONE),
        (world(default(), istio_injection="enabled"), NONE),
        (world(default(), istio__io_rev="default"), NONE),
        (world(revisioned("canary")), {**NONE, REVISION: "canary"}),
        (world(revisioned("canary"), istio__io_rev="canary"), NONE),
        (world([*revisioned("canary"), *revisioned("stable")], istio__io_rev="stable"), NONE),
        (world([*revisioned("canary"), *revisioned("default")]), {**NONE, REVISION: "default"}),
        (world(default(), deployment({"sidecar.istio.io/inject": "false"})), NONE),
        (world(default(), deployment({"istio.io/rev": "default"})), NONE),
    ],
)
def test_the_labels_are_those_that_an_injector_selects(snapshot: Snapshot, expected: Obj) -> None:
    assert fields(snapshot) == expected


def test_capturing_everything_removes_what_limits_it() -> None:
    excluded = (*ANNOTATIONS, "traffic.sidecar.istio.io/excludeInboundPorts")
    expected = {INJECT: "true", CAPTURE: ABSENT, excluded: ABSENT, PROXY: OUTLIVES}
    assert fields(world(default()), "all") == expected
    assert fields(world(default(), deployment({"security.istio.io/tlsMode": "disabled"})), "all") == {**expected, TLS_MODE: ABSENT}


@pytest.mark.parametrize(
    ("own", "grace", "expected"),
    [
        (None, 300, {"holdApplicationUntilProxyStarts": True, "proxyMetadata": {EXIT: "true", "MINIMUM_DRAIN_DURATION": "15s"}}),
        ("", 10, {"holdApplicationUntilProxyStarts": True, "proxyMetadata": {EXIT: "true", "MINIMUM_DRAIN_DURATION": "5s"}}),
        ("concurrency: 2\n", 0, {"concurrency": 2, "holdApplicationUntilProxyStarts": True,
                                 "proxyMetadata": {EXIT: "true", "MINIMUM_DRAIN_DURATION": "1s"}}),
        ("terminationDrainDuration: 60s", 30, {"terminationDrainDuration": "60s", "holdApplicationUntilProxyStarts": True}),
        ("{proxyMetadata: {A: b}}", "x", {"holdApplicationUntilProxyStarts": True,
                                          "proxyMetadata": {"A": "b", EXIT: "true", "MINIMUM_DRAIN_DURATION": "15s"}}),
        ('{"proxyMetadata": {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "false"}}', 30,
         {"proxyMetadata": {EXIT: "false"}, "holdApplicationUntilProxyStarts": True}),
    ],
)  # fmt: skip
def test_the_proxy_starts_first_and_goes_last_with_all_that_its_owner_set(own: Any, grace: Any, expected: Obj) -> None:
    workload = deployment(annotations={"proxy.istio.io/config": own} if own is not None else {})
    workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = grace
    text = fields(world(default(), workload))[PROXY]
    assert json.loads(text) == expected
    assert extends(text, own) and extends(text, None)
    again = deployment(annotations={"proxy.istio.io/config": text})
    assert fields(world(default(), again))[PROXY] == text


@pytest.mark.parametrize(
    "own", ["- a", "5", "{", "a: 1\n---\nb: 2", "a: &x [*x]", "proxyMetadata: 5", "a: " + "b" * 30_000, "[" * 5000, "a: 1\na: 2", BOMB]
)
def test_settings_that_are_none_are_left_as_they_are_and_told(own: str) -> None:
    workload = deployment(annotations={"proxy.istio.io/config": own})
    assert PROXY not in fields(world(default(), workload))
    assert against_outliving(workload, SidecarTarget(workload))
    assert not extends('{"a":1}', own)


def test_what_its_owner_set_against_it_stays_and_is_told() -> None:
    workload = deployment(annotations={"proxy.istio.io/config": "holdApplicationUntilProxyStarts: false"})
    assert json.loads(fields(world(default(), workload))[PROXY])["holdApplicationUntilProxyStarts"] is False
    assert against_outliving(workload, SidecarTarget(workload)) == "sets holdApplicationUntilProxyStarts to false"


@pytest.mark.parametrize(
    ("value", "was", "expected"),
    [
        ('{"a":1,"proxyMetadata":{"b":"c","d":"e"}}', "{a: 1, proxyMetadata: {b: c}}", True), ('{"a":1}', '{"a":2}', False),
        ('{"a":1}', '{"a":1,"image":"evil"}', False), ('{"a":1}', "", True), ('{"a":1}', ["x"], False),
        ('{"a":{}}', '{"a":{"b":1}}', False),
        (None, "a: 1", False),
    ],
)
def test_only_settings_of_which_all_were_kept_can_have_been_there(value: Any, was: Any, expected: bool) -> None:
    assert extends(value, was) is expected


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (world(default(), istio_injection="disabled"), "namespace edge is labelled istio-injection=disabled"),
        (world(default(), istio__io_rev="gone"), "namespace edge is labelled istio.io/rev=gone"),
        (world([*revisioned("canary"), *revisioned("stable")]), r"several revisions to choose from \(canary, stable\)"),
        (world([hook([expression("team", "In", "x")], [])]), "no registered injector selects pods of namespace edge"),
    ],
)
def test_where_no_injector_would_take_the_pods_it_is_said_why(snapshot: Snapshot, reason: str) -> None:
    with pytest.raises(MeshlbError, match=f"A proxy edge/lb cannot get a sidecar: .*{reason}") as caught:
        fields(snapshot)
    assert caught.value.details["code"] == "MLB301"


@pytest.mark.parametrize(
    ("balancer", "reason"),
    [
        (replace(BALANCER, workload=None), "no workload of it is in the cluster"),
        (replace(BALANCER, workload=ObjectRef("apps/v1", "Deployment", "edge", "gone")), "no workload of it is in the cluster"),
        (
            replace(BALANCER, modes=(("standalone_mtls", Mode(False, "no", ("it runs on the host's network", "and another"))),)),
            "it runs on the host's network; and another",
        ),
        (replace(BALANCER, modes=(("standalone_mtls", Mode(False, "no idea")),)), "no idea"),
    ],
)
def test_a_load_balancer_that_cannot_have_one_is_refused_with_every_reason(balancer: LoadBalancer, reason: str) -> None:
    with pytest.raises(MeshlbError, match=reason) as caught:
        workload_for(balancer, world(default()).at(balancer.workload))
    assert "Chained mode" in caught.value.hint


def test_other_kinds_of_workload_are_refused() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "lb", "namespace": "edge"}, "spec": {}}
    balancer = replace(BALANCER, workload=ObjectRef("batch/v1", "Job", "edge", "lb"))
    with pytest.raises(MeshlbError, match="a Job is not started anew when it changes"):
        workload_for(balancer, job)
