# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small Envoy configurations for tests, in the shape of Envoy's configuration dump."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.prove.proxy import Proxy, parse_config_dump
from ansible_collections.meshlb.istio.plugins.module_utils.prove.servers import ServerLookup, ServerSide

Obj = dict[str, Any]
TYPES = "type.googleapis.com/envoy.extensions"
TLS = f"{TYPES}.transport_sockets.tls.v3"
INSPECTORS = [{"name": "envoy.filters.listener.tls_inspector"}, {"name": "envoy.filters.listener.http_inspector"}]
STRICT = ServerSide("apps/echo-1:8080", False, True, "spiffe://cluster.local/ns/apps/sa/echo", "sidecar of apps/echo-1", "x")
PERMISSIVE = ServerSide("apps/echo-1:8080", True, True, STRICT.identity, "sidecar of apps/echo-1", "x")
NO_SIDECAR = ServerSide("apps/bare-1:8080", True, False, "", "pod apps/bare-1", "the pod has no sidecar")


def servers(side: ServerSide | None) -> ServerLookup:
    return lambda _ip, _port: (side,) if side else ()


def tcp_chain(cluster: str, match: Obj | None = None, name: str = "") -> Obj:
    proxy = {"@type": f"{TYPES}.filters.network.tcp_proxy.v3.TcpProxy", "cluster": cluster}
    return {"name": name, "filter_chain_match": match or {}, "filters": [{"name": "tcp", "typed_config": proxy}]}


def http_chain(match: Obj | None = None, *, rds: str = "", inline: Obj | None = None) -> Obj:
    manager: Obj = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
    }
    manager.update({"rds": {"route_config_name": rds}} if rds else {"route_config": inline})
    return {"filter_chain_match": match or {}, "filters": [{"name": "http", "typed_config": manager}]}


DETECTED = {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"]}


def listener(name: str, ip: str, port: int, chains: list[Obj], **more: Any) -> Obj:
    return {
        "name": name,
        "address": {"socket_address": {"address": ip, "port_value": port}},
        "filter_chains": chains,
        "listener_filters": INSPECTORS,
        **more,
    }


def outbound(cluster: str = "PassthroughCluster") -> Obj:
    chains = [
        tcp_chain("BlackHoleCluster", {"destination_port": 15001}, "virtualOutbound-blackhole"),
        tcp_chain(cluster, None, "virtualOutbound-catchall-tcp"),
    ]
    return listener("virtualOutbound", "0.0.0.0", 15001, chains, use_original_dst=True)


def http_listener(port: int) -> Obj:
    default = tcp_chain("PassthroughCluster", None, "PassthroughFilterChain")
    return listener(f"0.0.0.0_{port}", "0.0.0.0", port, [http_chain(DETECTED, rds=str(port))], default_filter_chain=default)


def mesh_tls(*identities: str) -> Obj:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{TLS}.UpstreamTlsContext",
            "common_tls_context": {
                "tls_certificate_sds_secret_configs": [{"name": "default"}],
                "combined_validation_context": {
                    "default_validation_context": {
                        "match_subject_alt_names": [{"exact": item} for item in identities],
                    },
                    "validation_context_sds_secret_config": {"name": "ROOTCA"},
                },
            },
        },
    }


RAW_SOCKET = {
    "name": "envoy.transport_sockets.raw_buffer",
    "typed_config": {"@type": f"{TYPES}.transport_sockets.raw_buffer.v3.RawBuffer"},
}


def automatic(*identities: str) -> list[Obj]:
    return [
        {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": mesh_tls(*identities)},
        {"name": "tlsMode-disabled", "match": {}, "transport_socket": RAW_SOCKET},
    ]


def cluster(name: str, kind: str = "EDS", **more: Any) -> Obj:
    return {"name": name, "type": kind, **more}


def endpoint(ip: str, port: int, *, meshed: bool = True, **more: Any) -> Obj:
    mode = {"metadata": {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}}} if meshed else {}
    address = {"address": {"socket_address": {"address": ip, "port_value": port}}}
    return {"endpoint": address, "health_status": "HEALTHY", **mode, **more}


def assignment(name: str, *endpoints: Obj) -> Obj:
    return {"endpoint_config": {"cluster_name": name, "endpoints": [{"lb_endpoints": list(endpoints)}]}}


def route(match: Obj, action: Obj | str, name: str = "default") -> Obj:
    return {"name": name, "match": match, **({"route": {"cluster": action}} if isinstance(action, str) else action)}


def virtual_host(name: str, domains: list[str], *routes: Obj) -> Obj:
    return {"name": name, "domains": domains, "routes": list(routes)}


ALLOW_ANY = virtual_host("allow_any", ["*"], route({"prefix": "/"}, "PassthroughCluster", "allow_any"))
BLOCK_ALL = virtual_host("block_all", ["*"], route({"prefix": "/"}, {"direct_response": {"status": 502}}, "block_all"))


def routes(name: str, *virtual_hosts: Obj) -> Obj:
    return {"name": name, "virtual_hosts": list(virtual_hosts), "ignore_port_in_host_matching": True}


BASE_CLUSTERS = [cluster("PassthroughCluster", "ORIGINAL_DST"), cluster("BlackHoleCluster", "STATIC")]


def dump(
    listeners: list[Obj], clusters: list[Obj] | None = None, routes: list[Obj] | None = None, eds: list[Obj] | None = None
) -> Obj:
    return {
        "configs": [
            {"dynamic_active_clusters": [{"cluster": item} for item in BASE_CLUSTERS + (clusters or [])]},
            {"dynamic_listeners": [{"name": item["name"], "active_state": {"listener": item}} for item in listeners]},
            {"dynamic_route_configs": [{"route_config": item} for item in routes or []]},
            {"dynamic_endpoint_configs": eds or []},
        ]
    }


def proxy(
    listeners: list[Obj], clusters: list[Obj] | None = None, routes: list[Obj] | None = None, eds: list[Obj] | None = None
) -> Proxy:
    return parse_config_dump(dump(listeners, clusters, routes, eds))
