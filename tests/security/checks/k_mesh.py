# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C1, C2: objects of the mesh's own kinds, and of Kubernetes', that a tenant makes change nothing for others."""

from tests.security.kit import clusters as c
from tests.security.kit import tenant as tz
from tests.security.kit.core import check

NETWORK = "networking.istio.io/v1"
OF_VICTIM = "web.victim.svc.cluster.local"
EVIL = {"host": "evil.tenant-z.svc.cluster.local", "port": {"number": 80}}
PORTS = [{"number": 80, "name": "http", "protocol": "HTTP"}]


def control_plane():
    """What looks like the mesh's control plane, with settings of its own."""
    pods = {"metadata": {"labels": {"app": "istiod"}}, "spec": {"containers": [{"name": "discovery", "image": "istio/pilot:1.29.0"}]}}
    spec = {"selector": {"matchLabels": {"app": "istiod"}}, "template": pods}
    mesh = "rootNamespace: tenant-z\noutboundTrafficPolicy:\n  mode: REGISTRY_ONLY\ntrustDomain: evil\n"
    return [
        c.obj("apps/v1", "Deployment", "istiod", "tenant-z", spec, labels={"app": "istiod", "istio.io/rev": "default"}),
        c.obj("v1", "ConfigMap", "istio", "tenant-z", data={"mesh": mesh}),
        c.obj("security.istio.io/v1", "PeerAuthentication", "default", "tenant-z", {"mtls": {"mode": "DISABLE"}}),
    ]


def stolen_address(base):
    """A headless Service that claims the address of the victim's pod."""
    address = next(item for item in base if item["kind"] == "Pod" and item["metadata"]["name"] == "web-0")["status"]["podIP"]
    service = c.obj("v1", "Service", "steal", "tenant-z", {"clusterIP": "None", "ports": [{"name": "http", "port": 8080}]})
    ready = [{"addresses": [address], "conditions": {"ready": True}}]
    slices = c.obj(
        "discovery.k8s.io/v1", "EndpointSlice", "steal-1", "tenant-z", labels={"kubernetes.io/service-name": "steal"}, addressType="IPv4",
        endpoints=ready, ports=[{"name": "http", "port": 8080}],
    )  # fmt: skip
    return [service, slices]


@check("C2-objects-of-the-mesh", "A tenant's mesh objects for a victim's Service, and its look-alike of istiod, change nothing for others.")
def c2_objects_of_the_mesh(t):
    base = c.plain()
    named = {"hosts": [OF_VICTIM], "exportTo": ["*"]}
    static = {"ports": PORTS, "resolution": "STATIC", "endpoints": [{"address": "10.9.9.9"}]}
    off = {"tls": {"mode": "DISABLE"}}
    for hostile in (
        [c.obj(NETWORK, "ServiceEntry", "a", "tenant-z", {**named, **static})],
        [c.obj(NETWORK, "VirtualService", "a", "tenant-z", {**named, "gateways": ["mesh"], "http": [{"route": [{"destination": EVIL}]}]})],
        [c.obj(NETWORK, "DestinationRule", "a", "tenant-z", {"host": OF_VICTIM, "exportTo": ["*"], "trafficPolicy": off})],
        [c.obj(NETWORK, "Sidecar", "default", "tenant-z", {"egress": [{"hosts": ["./*"]}]})],
        control_plane(), stolen_address(base),
    ):  # fmt: skip
        tz.unharmed(t, base, [], hostile)
