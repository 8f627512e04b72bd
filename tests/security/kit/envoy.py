# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sidecars answer when they are asked for their configuration and counters: enough of Envoy's words for a proof."""

from __future__ import annotations

import json

from . import clusters as c

T = "type.googleapis.com/envoy."
FILTER = T + "extensions.filters.network."
WORKLOAD = {
    "tls_certificate_sds_secret_configs": [{"name": "default"}],
    "combined_validation_context": {"default_validation_context": {}, "validation_context_sds_secret_config": {"name": "ROOTCA"}},
}


def cluster(name, mutual=True):
    found = {"name": name, "type": "EDS"}
    if mutual:
        config = {"@type": T + "extensions.transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": WORKLOAD}
        found["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": config}
    return found


def endpoints(name, *addresses):
    hosts = [
        {"endpoint": {"address": {"socket_address": {"address": ip, "port_value": port}}}, "health_status": "HEALTHY"}
        for ip, port in addresses
    ]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]}


def tcp_listener(ip, port, target):
    config = {"@type": FILTER + "tcp_proxy.v3.TcpProxy", "stat_prefix": target, "cluster": target}
    chain = {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": config}]}
    return {"name": f"{ip}_{port}", "address": {"socket_address": {"address": ip, "port_value": port}}, "filter_chains": [chain]}


def http_listener(port):
    config = {"@type": FILTER + "http_connection_manager.v3.HttpConnectionManager", "rds": {"route_config_name": str(port)}}
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": config}]}
    return {"name": f"0.0.0.0_{port}", "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}}, "filter_chains": [chain]}


def catch_all():
    """virtualOutbound, which sends what nothing else takes through PassthroughCluster."""
    found = tcp_listener("0.0.0.0", 15001, "PassthroughCluster")
    return {**found, "name": "virtualOutbound", "use_original_dst": True}


def virtual_host(domain, *routes):
    return {"name": f"{domain}:80", "domains": [domain], "routes": list(routes)}


def route(match, target):
    return {"match": match, "route": {"cluster": target}}


def dump(listeners=(), clusters=(), eds=(), routes=()):
    head = T + "admin.v3."
    return json.dumps(
        {
            "configs": [
                {"@type": head + "ClustersConfigDump", "dynamic_active_clusters": [{"cluster": item} for item in clusters]},
                {"@type": head + "EndpointsConfigDump", "dynamic_endpoint_configs": [{"endpoint_config": item} for item in eds]},
                {
                    "@type": head + "ListenersConfigDump",
                    "dynamic_listeners": [{"name": item["name"], "active_state": {"listener": item}} for item in listeners],
                },
                {"@type": head + "RoutesConfigDump", "dynamic_route_configs": [{"route_config": item} for item in routes]},
            ]
        }
    )


def strict_inbound():
    """virtualInbound of a sidecar that takes mutual TLS and nothing else."""
    config = {"@type": FILTER + "tcp_proxy.v3.TcpProxy", "stat_prefix": "x", "cluster": "InboundPassthroughCluster"}
    tls = {"@type": T + "extensions.transport_sockets.tls.v3.DownstreamTlsContext", "require_client_certificate": True}
    chain = {
        "name": "virtualInbound",
        "filter_chain_match": {"transport_protocol": "tls"},
        "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": config}],
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
    }
    listener = {
        "name": "virtualInbound",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15006}},
        "filter_chains": [chain],
        "listener_filters": [{"name": "envoy.filters.listener.tls_inspector"}],
    }
    head = T + "admin.v3.DynamicListener"
    return json.dumps({"configs": [{"@type": head, "name": "virtualInbound", "active_state": {"listener": listener}}]})


def certs(namespace, account):
    uri = f"spiffe://cluster.local/ns/{namespace}/sa/{account}"
    chain = [{"subject_alt_names": [{"uri": uri}], "expiration_time": "2030-01-01T00:00:00Z"}]
    return json.dumps({"certificates": [{"cert_chain": chain}]})


def counters(*names):
    def one(name):
        stats = [
            {"name": item, "value": "0"} for item in ("cx_active", "cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_total")
        ]
        return {"name": name, "host_statuses": [{"address": {"socket_address": {"address": "10.9.9.9", "port_value": 80}}, "stats": stats}]}

    return json.dumps({"cluster_statuses": [one(name) for name in names]})


def pod_ip(namespace, app):
    return c.address("10.244", f"{namespace}/{app}-0")


class Sidecars:
    """Answers for every sidecar of a cluster. ``load_balancer`` is its configuration dump; others take mutual TLS alone.

    ``odd``: {(namespace, pod): what that one answers to everything, as ``webs`` takes it}.
    """

    def __init__(self, load_balancer, front=("ingress-nginx", "ingress-nginx-controller-0"), odd=None, counted=()):
        self.dump, self.front, self.odd, self.counted = load_balancer, front, odd or {}, counted
        self.asked = []

    def __call__(self, namespace, pod, _container, command):
        self.asked.append((namespace, pod, command))
        if (namespace, pod) in self.odd:
            return self.odd[(namespace, pod)]
        question = command[-1] if command else ""
        if question.startswith("certs"):
            return certs(namespace, "default" if (namespace, pod) == self.front else pod.rsplit("-", 1)[0])
        if question.startswith("clusters"):
            return counters(*self.counted)
        if (namespace, pod) == self.front:
            return self.dump
        return strict_inbound()


def two_tenants(regex=""):
    """The load balancer's sidecar for a victim that follows Istio's page, and for a tenant's host with a rule by ``regex``."""
    web, evil = "outbound|80||web.victim.svc.cluster.local", "outbound|80||evil.tenant-z.svc.cluster.local"
    rules = [route({"safe_regex": {"regex": regex}}, evil)] if regex else []
    table = {
        "name": "80",
        "virtual_hosts": [
            virtual_host("web.victim.svc.cluster.local", route({"prefix": "/"}, web)),
            virtual_host("z.example.com", *rules, route({"prefix": "/"}, evil)),
        ],
    }
    return dump(
        [catch_all(), http_listener(80)],
        [cluster(web), cluster(evil), {"name": "PassthroughCluster", "type": "ORIGINAL_DST"}],
        [endpoints(web, (pod_ip("victim", "web"), 8080)), endpoints(evil, (pod_ip("tenant-z", "evil"), 8080))],
        [table],
    )
