// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	upstreams "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
	socketKeys  = "envoy.transport_socket_match"
	// meshSecret is the name under which a proxy has its workload's certificate.
	meshSecret = "default"
)

func weighted(name string, weight uint32) *route.WeightedCluster_ClusterWeight {
	return &route.WeightedCluster_ClusterWeight{Name: name, Weight: wrapperspb.UInt32(weight)}
}

// destination is a cluster with its endpoints.
func (p *proxy) destination(name string, weight uint32) destination {
	said := destination{Name: name, Weight: weight}
	for _, one := range p.simulated.Clusters {
		if one.Name != name {
			continue
		}
		said.Found, said.Type, said.HTTP, said.Socket = true, one.GetType().String(), httpOf(one), socketOf(one.TransportSocket)
		for _, match := range one.TransportSocketMatches {
			keys := map[string]string{}
			for key, value := range match.Match.GetFields() {
				keys[key] = value.GetStringValue()
			}
			said.Matches = append(said.Matches, socketMatch{keys, socketOf(match.TransportSocket)})
		}
		said.Endpoints = members(one.LoadAssignment)
	}
	if found := p.endpoints[name]; found != nil {
		said.Endpoints = members(found)
	}
	return said
}

// httpOf is the version of HTTP that a cluster speaks to its endpoints.
func httpOf(one *cluster.Cluster) string {
	options := &upstreams.HttpProtocolOptions{}
	given := one.TypedExtensionProtocolOptions[httpOptions]
	switch {
	case given == nil || given.UnmarshalTo(options) != nil:
		return "http1"
	case options.GetUseDownstreamProtocolConfig() != nil:
		return "downstream"
	case options.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil:
		return "http2"
	}
	return "http1"
}

func socketOf(given *core.TransportSocket) socket {
	context := &tls.UpstreamTlsContext{}
	if given == nil || given.GetTypedConfig() == nil || given.GetTypedConfig().UnmarshalTo(context) != nil {
		return socket{}
	}
	common := context.GetCommonTlsContext()
	said := socket{TLS: true, SNI: context.GetSni(), ALPN: common.GetAlpnProtocols()}
	for _, secret := range common.GetTlsCertificateSdsSecretConfigs() {
		said.Mesh = said.Mesh || secret.GetName() == meshSecret
	}
	for _, name := range common.GetCombinedValidationContext().GetDefaultValidationContext().GetMatchSubjectAltNames() {
		said.SANs = append(said.SANs, name.GetExact())
	}
	return said
}

func members(given *endpoint.ClusterLoadAssignment) []member {
	said := []member{}
	for _, locality := range given.GetEndpoints() {
		for _, one := range locality.LbEndpoints {
			address := one.GetEndpoint().GetAddress()
			found := member{
				Address: address.GetSocketAddress().GetAddress(), Port: address.GetSocketAddress().GetPortValue(),
				Tunnel: address.GetEnvoyInternalAddress().GetServerListenerName(),
				Health: one.HealthStatus.String(), Weight: one.GetLoadBalancingWeight().GetValue(),
			}
			if pipe := address.GetEnvoyInternalAddress().GetEndpointId(); pipe != "" {
				found.Address = pipe
			}
			for name, value := range one.GetMetadata().GetFilterMetadata()[socketKeys].GetFields() {
				if found.Labels == nil {
					found.Labels = map[string]string{}
				}
				found.Labels[name] = value.GetStringValue()
			}
			said = append(said, found)
		}
	}
	return said
}
