# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only where MESHLB_SCHEMAS is set, because they need the Gateway API's kinds on the lab, and bring many more."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.integration.support import rights
from tests.integration.support.cluster import Cluster, wait_for
from tests.integration.support.definitions import install_definitions
from tests.integration.support.modules import module
from tests.integration.support.objects import key_of
from tests.integration.support.scenes import APPS, NAMESPACE, Scene
from tests.integration.support.unrunnable import SCENES
from tests.tools.vendor_kinds import definitions, folder_of

from .stage import Stage

collect_ignore_glob = [] if os.environ.get("MESHLB_SCHEMAS") else ["test_*.py"]
EVERYWHERE = ("meshlb-assess", "meshlb-vendors-read", "meshlb-chained-read")
WITHIN = {
    "meshlb-settings": ("istio-system",), "meshlb-chained-gateway": (NAMESPACE,), "meshlb-chained-routes": (APPS,),
    "meshlb-load-balancer": (NAMESPACE,), "meshlb-routes": (APPS, NAMESPACE),
}  # fmt: skip
OF_LOAD_BALANCERS = ("-standalone", "-exemption", "-chained")


@pytest.fixture(scope="module")
def kinds(cluster: Cluster) -> Iterator[None]:
    """The vendors' CustomResourceDefinitions."""
    folders = {scene.folder: folder_of(scene.folder, get=True) for scene in SCENES.values() if scene.folder}
    lacking = sorted(name for name, folder in folders.items() if folder is None)
    if lacking:
        pytest.skip(f"SKIPPED, not validated: CustomResourceDefinitions of {', '.join(lacking)} are not here (MESHLB_CRDS names a folder)")
    made = [item for folder in folders.values() if folder for item in definitions(folder)]
    names = install_definitions(cluster, made)
    yield
    cluster.delete(*names)


@pytest.fixture(scope="module")
def account(cluster: Cluster, kinds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The kubeconfig of a service account with the documented roles, each bound where the page says."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    cluster.apply(*(rights.marked(role) for role in rights.documented_roles().values()))
    own = {name: (APPS, NAMESPACE) for name in rights.documented_roles() if name.endswith(OF_LOAD_BALANCERS)}
    bound = [item for role, places in {**WITHIN, **own}.items() for item in rights.within("vendors", role, places)]
    # Of load balancers that the lab runs besides, too: whoever asks what there is reads their settings.
    others = {item["namespace"] for item in module(cluster, "lb_info")["load_balancers"] if item["namespace"]}
    bound += rights.within("vendors", "meshlb-settings", {NAMESPACE, *others})
    cluster.apply(rights.account("vendors"), *(rights.everywhere("vendors", role) for role in EVERYWHERE), *bound)
    yield str(rights.kubeconfig(cluster, "vendors", tmp_path_factory.mktemp("rights")))
    rights.remove(cluster)
    cluster.delete("namespace", NAMESPACE)


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, cluster: Cluster, account: str) -> Iterator[Stage]:
    """The objects of one load balancer, named or as they are given, which its schema takes as they are."""
    scene = request.param if isinstance(request.param, Scene) else SCENES[request.param]
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(scene.objects)})
    cluster.run("apply", "--validate=strict", "--filename=-", stdin=content)
    made = Stage(cluster, account, scene)
    yield made
    made.route(state="absent")
    if scene.sidecar:
        made.sidecar("absent")
    cluster.run("delete", "--filename=-", stdin=content)
    wait_for(lambda: not made.record().keys() & {key_of(item) for item in scene.objects}, "objects to go")
