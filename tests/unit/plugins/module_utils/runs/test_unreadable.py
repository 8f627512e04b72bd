# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An object that cannot be read: a second run deletes nothing, writes nothing on it, and no verdict that needed it is confident."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.tables import TABLES
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.detect.description import about_reading
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import Identity, identity, identity_of
from ansible_collections.meshlb.istio.plugins.module_utils.kube.reading import readable_objects
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source
from ansible_collections.meshlb.istio.plugins.module_utils.runs import routing as routing_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs.chained_plan import planned_chain
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.chained import chained_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import RoutingOptions

from tests.fuzz.clusters import Base, bases
from tests.security.kit import clusters as c
from tests.unit.plugins.module_utils.support.known import detect

Obj = dict[str, Any]
BASES = list(bases())
CHAIN = {"Gateway.networking.istio.io", "CustomResourceDefinition.apiextensions.k8s.io"}
SERVED = frozenset({*kinds.BASE, *REGISTRY.route_kinds(), *REGISTRY.chain_kinds(), *CHAIN, kinds.CONFIG_MAP})
WRONG = (("spec", "x"), ("metadata", {"labels": "x"}))
ASKED = {
    "state": "present", "hosts": "from_load_balancer", "gateway": {"namespace": "istio-ingress"}, "wait": False, "wait_timeout": 1,
    "drain": 0,
}


def read(objects: list[Obj]) -> Snapshot:
    source = Source(available=SERVED)
    return Snapshot(readable_objects(objects, source, TABLES), source)


def decided(snapshot: Snapshot, **options: Any) -> routing_run.RoutingDecision:
    found, dummy = detect(snapshot)
    return routing_run.planned(routing_run.RoutingScene(snapshot, REGISTRY, found, found, RoutingOptions(**options)))


def done(objects: list[Obj], **options: Any) -> list[Obj]:
    """All objects after an honest run."""
    first = read(deepcopy(objects))
    return list(first.after(decided(first, **options).changes).everything())


def malformed(objects: list[Obj]) -> Iterator[tuple[Identity, Snapshot]]:
    """The same objects with one of them malformed, for each of them."""
    for obj in objects:
        for field, value in WRONG:
            wrong = {**obj, field: {**obj["metadata"], **value} if isinstance(value, dict) else value}
            snapshot = read([wrong if item is obj else item for item in objects])
            if identity(obj) in snapshot.source.unreadable:
                yield identity(obj), snapshot


@pytest.mark.parametrize(("base", "strategy"), [
    *((item, "auto") for item in BASES), *((item, "host_entry") for item in BASES[:3]),
], ids=lambda item: getattr(item, "name", item))  # fmt: skip
def test_a_second_run_with_any_object_malformed(base: Base, strategy: str) -> None:
    objects = done(list(base.objects), strategy=strategy)
    assert not decided(read(objects), strategy=strategy).changes
    tried = set()
    for key, snapshot in malformed(objects):
        tried.add(key[0])
        decision = decided(snapshot, strategy=strategy)
        assert [str(item.object) for item in decision.changes] == [], key
        own = [item for item in decision.routes if identity_of(item.route.object) == key]
        assert {verdict for item in own for verdict in (item.before.verdict, item.after.verdict)} <= {"unknown"}, key
    assert {kinds.SERVICE, kinds.POD, kinds.NAMESPACE} <= tried


@pytest.mark.parametrize("base", BASES[:3], ids=lambda item: item.name)
def test_a_second_chain_with_any_object_malformed(base: Base) -> None:
    namespace, name = base.load_balancer
    asked = chained_options({**ASKED, "load_balancer": {"namespace": namespace, "name": name}})
    first = read(deepcopy(list(base.objects)))
    objects = list(first.after(planned_chain(first, REGISTRY, asked).changes).everything())
    for key, snapshot in malformed(objects):
        try:
            decision = planned_chain(snapshot, REGISTRY, asked)
        except MeshlbError:
            continue
        assert [str(item.object) for item in decision.changes] == [], key


@pytest.mark.parametrize("wrong", [
    c.service("zz", "tenant-z", app="evil") | {"spec": {"ports": ["80/tcp"]}},
    c.ingress("zz", "tenant-z", "z.example.com", "evil") | {"spec": 5},
    c.obj("security.istio.io/v1", "PeerAuthentication", "zz", "tenant-z") | {"spec": {"mtls": "STRICT"}},
    c.obj("networking.istio.io/v1", "VirtualService", "zz", "tenant-z") | {"spec": {"hosts": 5}},
    c.obj("v1", "Pod", "zz", "tenant-z") | {"spec": {"containers": "x"}},
], ids=lambda item: item["kind"])  # fmt: skip
def test_a_tenants_object_makes_only_that_tenants_routes_unknown(wrong: Obj) -> None:
    own = c.ingress("own", "tenant-z", "own.example.com", "evil")
    honest, hostile = (decided(read([*c.plain(), *c.gateway(), own, *more])) for more in ([], [wrong]))
    told = {item.route.object.name: (item.before.verdict, item.after.verdict) for item in hostile.routes}
    assert told["shop"] == ("refused", "mutual_tls")
    before = {item.object for item in honest.changes if item.object.namespace == "victim"}
    assert before <= {item.object for item in hostile.changes}
    # An Ingress decides about itself alone; all others about the backends beside them.
    spared = wrong["kind"] in ("Ingress", "Service")
    assert (told["own"] == ("unknown", "unknown")) is not spared


def test_the_finding_names_object_and_field() -> None:
    service = c.service("zz", "tenant-z", app="evil")
    service["spec"]["ports"] = ["80/tcp", {"port": 80, "targetPort": -1}, {"port": "80"}, {"port": True}, {"port": 80.0, "name": None}]
    (said,) = about_reading(read([*c.mesh(), service]))
    assert (said.code, str(said.object)) == ("MLB114", "Service tenant-z/zz")
    for text in ("spec.ports[0] is the text '80/tcp'", "spec.ports[1].targetPort is the number -1", "spec.ports[2].port is the text '80'"):
        assert text in said.message
    assert "spec.ports[3].port is true" in said.message and "ports[4]" not in said.message


@pytest.mark.parametrize("value", ["True", "yes", "on", "1", "perhaps", ""])
def test_what_was_written_for_an_object_that_opted_out_stays(value: str) -> None:
    for strategy in ("auto", "host_entry", "headless_twin"):
        objects = done(list(BASES[0].objects), strategy=strategy)
        for item in objects:
            if identity(item)[1:] == ("victim", "shop"):
                item["metadata"].setdefault("annotations", {})["meshlb.istio/ignore"] = value
        decision = decided(read(objects), strategy=strategy)
        assert not decision.changes
        assert [item.after.verdict for item in decision.routes] == ["mutual_tls"]
        assert ("MLB120" in {item.code for item in decision.findings}) is (value in ("perhaps", ""))
