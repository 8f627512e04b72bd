# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bookkeeping and marks that somebody else wrote: nothing is restored or deleted for their word, and a finding names the object."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply import book, ledger, ownership
from ansible_collections.meshlb.istio.plugins.module_utils.core import marks
from ansible_collections.meshlb.istio.plugins.module_utils.core.writes import Part
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import ledger_of, without

from tests.unit.plugins.module_utils.support.parts import CHAINED, ROUTING, SIDECAR

Obj = dict[str, Any]
LB = "edge/proxy"
UPSTREAM = "/metadata/annotations/nginx.ingress.kubernetes.io~1service-upstream"
BACKEND = "/spec/rules/0/http/paths/0/backend/service"


def obj(api_version: str, kind: str, name: str, annotations: Obj | None = None, namespace: str = "tenant", **more: Any) -> Obj:
    metadata = {"name": name, "namespace": namespace, "annotations": annotations or {}, "resourceVersion": "7"}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def ingress(entries: Any, **annotations: str) -> Obj:
    text = entries if isinstance(entries, str) else json.dumps(entries)
    rules = [{"http": {"paths": [{"backend": {"service": {"name": "gateway", "port": {"number": 80}}}}]}}]
    return obj("networking.k8s.io/v1", "Ingress", "zz", {marks.REPLACED: text, **annotations}, spec={"rules": rules})


def entry(part: str = "service_routing", **values: Any) -> Obj:
    return {"part": part, **values}


def marked(item: Obj, part: str = "service_routing") -> Obj:
    metadata = {**item["metadata"], "labels": dict([marks.MANAGED_BY])}
    metadata["annotations"] = {**metadata["annotations"], marks.PART: part, marks.LOAD_BALANCERS: LB}
    return {**item, "metadata": metadata}


def told(items: list[Obj], part: Part = ROUTING) -> list[str]:
    return [item.code for item in ledger_of(Snapshot(items), part).findings]


FORGED = {
    "the whole object": {"": entry(set={}, was={"kind": "Secret"})},
    "its kind": {"/kind": entry(set="Ingress", was="Secret")},
    "its name": {"/metadata/name": entry(set="zz", was="shop")},
    "its namespace": {"/metadata/namespace": entry(set="tenant", was="victim")},
    "all of its metadata": {"/metadata": entry(was={"name": "shop"})},
    "finalizers": {"/metadata/finalizers": entry(was=["a/b"])},
    "owners": {"/metadata/ownerReferences": entry(was=[{"kind": "X"}])},
    "a snippet": {"/metadata/annotations/nginx.ingress.kubernetes.io~1configuration-snippet": entry(was="x")},
    "our own mark": {"/metadata/annotations/meshlb.istio~1ignore": entry(was="true")},
    "its class": {"/spec/ingressClassName": entry(was="internal")},
    "a value where none was": {UPSTREAM: entry(set="true", was="evil")},
    "a path through a text": {"/metadata/name/x": entry(was=1)},
    "a pointer that is none": {"spec": entry(was=1)},
    "an unknown part": {UPSTREAM: entry("somebody", set="true")},
}


@pytest.mark.parametrize("entries", FORGED.values(), ids=FORGED)
def test_a_forged_entry_changes_nothing_and_is_told(entries: Obj) -> None:
    snapshot = Snapshot([ingress(entries, **{"nginx.ingress.kubernetes.io/service-upstream": "true"})])
    found = ledger_of(snapshot, ROUTING)
    assert found.written == ()
    (remark,) = found.findings
    assert remark.code == "MLB405" and remark.object is not None and remark.object.name == "zz"
    assert json.dumps(next(iter(entries))) in remark.message
    assert ownership.take_back(found) == ([], [])
    assert without(snapshot, ROUTING).get("Ingress.networking.k8s.io", "tenant", "zz") == snapshot.all("Ingress.networking.k8s.io")[0]


@pytest.mark.parametrize("kind", ["Pod", "Service", "Namespace", "ConfigMap"])
def test_bookkeeping_on_kinds_that_are_never_patched_is_ignored(kind: str) -> None:
    item = obj("v1", kind, "zz", {marks.REPLACED: json.dumps({"/metadata/annotations/x": entry(set="1")}), "x": "1"})
    assert ledger_of(Snapshot([item]), ROUTING).written == ()
    assert told([item]) == ["MLB405"]


def test_an_honest_entry_is_honoured_beside_a_forged_one_which_stays() -> None:
    forged = {"/metadata/finalizers": entry(was=["a/b"])}
    item = ingress({UPSTREAM: entry(set="true"), **forged}, **{"nginx.ingress.kubernetes.io/service-upstream": "true"})
    change, findings = ownership.release(item, ROUTING)
    assert change is not None and findings == []
    (after,) = Snapshot([item]).after([change]).all("Ingress.networking.k8s.io")
    assert after["metadata"]["annotations"] == {marks.REPLACED: json.dumps(forged, separators=(",", ":"))}
    assert told([item]) == ["MLB405"]


@pytest.mark.parametrize(("was", "honoured"), [
    ({"name": "web", "port": {"number": 80}}, True), ({"name": "web", "port": {"name": "http"}}, True), ({"name": "web"}, True),
    ({"name": "web", "namespace": "victim"}, False), ("web", False), ({"name": {"a": 1}}, False), ({"name": "web", "port": []}, False),
    ({"name": "web", "port": {"x": 1}}, False),
])  # fmt: skip
def test_a_backend_is_given_back_only_as_a_backend(was: Any, honoured: bool) -> None:
    item = ingress({BACKEND: entry("chained_gateway", set={"name": "gateway", "port": {"number": 80}}, was=was)})
    assert bool(ledger_of(Snapshot([item]), CHAINED).written) is honoured


def test_a_part_is_silent_about_entries_of_another_part() -> None:
    item = ingress({BACKEND: entry("chained_gateway", set={"name": "gateway", "port": {"number": 80}}, was={"name": "web"})})
    assert told([item], ROUTING) == [] == told([item], SIDECAR)


BROKEN = {
    "brackets": "[" * 100_000, "maps": '{"a":' * 50_000, "quotes": '"' * 200_000, "escapes": '"\\' * 100_000, "too long": " " * 300_000,
    "no map": "[]", "null": "null", "a word": "x", "an entry that is none": '{"/spec/x": 1}', "no part": '{"/spec/x": {"set": 1}}',
    "a part that is none": '{"/spec/x": {"part": ["a"]}}', "digits": '{"/spec/x": {"part": "p", "was": ' + "9" * 5_000 + "}}",
    "infinite": '{"/spec/x": {"part": "p", "was": 1e999}}', "no number": '{"/spec/x": {"part": "p", "was": NaN}}',
    "half a letter": '{"/spec/x": {"part": "p", "was": "\\ud800"}}',
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("part", [ROUTING, SIDECAR, CHAINED], ids=lambda part: part.name)
def test_a_book_that_cannot_be_read_is_told_and_costs_nothing(text: str, part: Part) -> None:
    item = ingress(text)
    start = time.process_time()
    found = ledger_of(Snapshot([item]), part)
    assert time.process_time() - start < 1
    assert found.written == ()
    (remark,) = found.findings
    assert remark.code == "MLB401" and "Ingress tenant/zz" in remark.message and len(remark.message) < 600
    assert ledger.locked(item, part) and not ledger.is_of(item, part)
    change, findings = ownership.release(item, part)
    assert change is None and len(findings) == 1


def test_a_book_of_thousands_of_entries_is_told_in_a_few_words() -> None:
    item = ingress({f"/spec/{number}{'x' * 50}": entry(set=1) for number in range(2_000)})
    (remark,) = ledger_of(Snapshot([item]), ROUTING).findings
    assert len(remark.message) < 1_000 and "1995 more" in remark.message


STRANGE = [
    obj("v1", "Namespace", "tenant-y", namespace=""), obj("v1", "Node", "node7", namespace=""), obj("v1", "Pod", "p"),
    obj("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "policy", namespace=""), obj("apps/v1", "Deployment", "d"),
    obj("v1", "Service", "web"), obj("v1", "ConfigMap", "settings"), obj("networking.k8s.io/v1", "Ingress", "shop"),
    obj("networking.istio.io/v1", "DestinationRule", "made-by-hand", spec={"host": "web-meshlb.tenant.svc.cluster.local"}),
    obj("networking.istio.io/v1", "DestinationRule", "copy-meshlb", spec={"host": "web-meshlb.tenant.svc.cluster.local"}),
    obj("networking.istio.io/v1", "ServiceEntry", "meshlb-entry-b.example", spec={"hosts": ["a.example"]}),
    obj("networking.istio.io/v1", "VirtualService", "mine", spec={"hosts": ["a.example"]}),
    obj("security.istio.io/v1", "PeerAuthentication", "strict"), obj("getambassador.io/v3alpha1", "TLSContext", "mine"),
    obj("networking.istio.io/v1", "Gateway", "meshlb"),
]  # fmt: skip


@pytest.mark.parametrize("item", STRANGE, ids=lambda item: f"{item['kind']} {item['metadata']['name']}")
def test_marks_alone_never_suffice_for_a_deletion(item: Obj) -> None:
    found = ledger_of(Snapshot([marked(item)]), ROUTING)
    assert found.written == () and [remark.code for remark in found.findings] == ["MLB404"]
    assert ownership.take_back(found) == ([], [])


CHAIN_NAMED = [
    ("v1", "Service", "edge-istio-ingress-gateway", True), ("v1", "Service", "web", False), ("v1", "Namespace", "edge", False),
    ("networking.istio.io/v1", "Gateway", "edge", True), ("networking.istio.io/v1", "Gateway", "edgeful", False),
    ("networking.istio.io/v1", "VirtualService", "edge-shop.example.com", True), ("networking.k8s.io/v1", "Ingress", "shop", False),
    ("v1", "ConfigMap", "edge-parameters", True), ("apps/v1", "Deployment", "edge-istio", False),
]  # fmt: skip


@pytest.mark.parametrize(("version", "kind", "name", "ours"), CHAIN_NAMED)
def test_what_a_chain_made_has_its_gateways_name(version: str, kind: str, name: str, ours: bool) -> None:
    item = marked(obj(version, kind, name), "chained_gateway")
    item["metadata"]["annotations"][marks.LOAD_BALANCERS] = "edge/proxy>istio-ingress/edge"
    assert bool(ledger_of(Snapshot([item]), CHAINED).written) is ours


def twin() -> Obj:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web-meshlb", "namespace": "tenant"}, "spec": {}}
    change, dummy = ownership.create(None, body, ROUTING, [LB], "why")
    assert change is not None and change.body is not None
    return change.body


def test_a_copy_is_told_from_what_was_created_even_under_a_name_of_our_kind() -> None:
    copied = {**twin(), "metadata": {**twin()["metadata"], "name": "other-meshlb"}}
    assert book.is_own(twin(), ROUTING) and not book.is_own(copied, ROUTING)
    assert told([twin(), copied]) == ["MLB404"]
    wanted = {**twin(), "metadata": {"name": "other-meshlb", "namespace": "tenant"}}
    change, findings = ownership.create(copied, wanted, ROUTING, [LB], "why")
    assert change is None and [item.code for item in findings] == ["MLB402"]


def test_what_the_first_release_created_is_still_taken_back() -> None:
    old = twin()
    del old["metadata"]["annotations"][marks.CREATED_AS]
    changes, dummy = ownership.take_back(ledger_of(Snapshot([old]), ROUTING))
    assert [item.action for item in changes] == ["delete"]


def test_copies_that_a_controller_makes_of_a_gateway_are_no_news() -> None:
    """Istio hands a Gateway's labels and annotations on to the Deployment and the Service that it makes of it."""
    text = json.dumps({"/metadata/annotations/proxy.istio.io~1config": entry("chained_gateway", set="{}")})
    gateway = obj("gateway.networking.k8s.io/v1", "Gateway", "edge", {marks.REPLACED: text, "proxy.istio.io/config": "{}"})
    made = obj("v1", "Service", "edge-istio", {marks.REPLACED: text})
    owner = {"apiVersion": gateway["apiVersion"], "kind": "Gateway", "name": "edge", "controller": True}
    made["metadata"]["ownerReferences"] = [owner]
    assert told([gateway, made], CHAINED) == []
    assert [item["kind"] for item in ledger_of(Snapshot([gateway, made]), CHAINED).written] == ["Gateway"]
    owner["name"] = "another"
    assert told([gateway, made], CHAINED) == ["MLB405"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"metadata": {"uid": 1, "ownerReferences": []}, "spec": 1}', "[]", "x"])
def test_what_somebody_wrote_as_last_applied_takes_nothing_out_of_the_metadata(text: str) -> None:
    live = twin()
    live["metadata"] |= {"uid": "u", "ownerReferences": [{"name": "x"}]}
    live["metadata"]["annotations"][marks.APPLIED] = text
    wanted = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web-meshlb", "namespace": "tenant"}, "spec": {"a": 1}}
    change, findings = ownership.create(live, wanted, ROUTING, [LB], "why")
    assert change is not None and findings == []
    assert all(item.path[:2] not in (("metadata", "uid"), ("metadata", "ownerReferences")) for item in change.fields)
