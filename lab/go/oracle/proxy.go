// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pilot/test/xdstest"
	"istio.io/istio/pkg/spiffe"
)

// proxyVersion is what proxies say of themselves.
const proxyVersion = "1.31.0"

// ways are the kinds of connections that a backend's sidecar is asked about.
//
// A proxy that passes bytes on offers the ALPN "istio", whatever the bytes are: mesh_tcp carries requests in that way, which a sidecar that
// reads HTTP understands, and mesh_bytes carries something else.
var ways = map[string]simulation.Call{
	"plain_http": {Protocol: simulation.HTTP, TLS: simulation.Plaintext},
	"plain_tcp":  {Protocol: simulation.TCP, TLS: simulation.Plaintext},
	"tls":        {Protocol: simulation.HTTP, TLS: simulation.TLS},
	"mesh_http":  {Protocol: simulation.HTTP, TLS: simulation.MTLS, Alpn: "istio-http/1.1"},
	"mesh_h2":    {Protocol: simulation.HTTP2, TLS: simulation.MTLS, Alpn: "istio-h2"},
	"mesh_tcp":   {Protocol: simulation.HTTP, TLS: simulation.MTLS, Alpn: "istio"},
	"mesh_bytes": {Protocol: simulation.TCP, TLS: simulation.MTLS, Alpn: "istio"},
}

// proxy is a workload's proxy with all that the control plane sends it.
type proxy struct {
	kind      string
	simulated *simulation.Simulation
	endpoints map[string]*endpoint.ClusterLoadAssignment
}

func newProxy(t *failer, control *xds.FakeDiscoveryServer, of workload) *proxy {
	kind := model.SidecarProxy
	if of.Kind == "gateway" {
		kind = model.Router
	}
	domain := control.Env().Mesh().GetTrustDomain()
	node := control.SetupProxy(&model.Proxy{
		Type: kind, ID: of.id(), ConfigNamespace: of.Namespace, IPAddresses: []string{of.IP}, Labels: of.Labels,
		VerifiedIdentity: &spiffe.Identity{TrustDomain: domain, Namespace: of.Namespace, ServiceAccount: of.ServiceAccount},
		Metadata: &model.NodeMetadata{
			Namespace: of.Namespace, Labels: of.Labels, ServiceAccount: of.ServiceAccount, IstioVersion: proxyVersion, ClusterID: "Kubernetes",
		},
	})
	made := &proxy{kind: of.Kind, simulated: simulation.NewSimulation(new(testing.T), control, node)}
	made.simulated.Routes = unique(made.simulated.Routes)
	made.endpoints = map[string]*endpoint.ClusterLoadAssignment{}
	for _, one := range control.Endpoints(node) {
		if one != nil {
			made.endpoints[one.ClusterName] = one
		}
	}
	return made
}

// unique has each set of routes once, as a proxy would ask for it: the simulation stumbles over two of one name.
func unique(given []*route.RouteConfiguration) []*route.RouteConfiguration {
	seen, once := map[string]bool{}, []*route.RouteConfiguration{}
	for _, routes := range given {
		if !seen[routes.Name] {
			once = append(once, routes)
		}
		seen[routes.Name] = true
	}
	return once
}

// follow sends a call through the proxy.
func (p *proxy) follow(t *failer, one call) outcome {
	said := outcome{Name: one.Name, Clusters: []destination{}}
	chosen := []*route.WeightedCluster_ClusterWeight{}
	look := func(met *listener.FilterChain) error {
		said.Chain = describeChain(t, met)
		if tcp := xdstest.ExtractTCPProxy(t, met); tcp != nil {
			for _, part := range tcp.GetWeightedClusters().GetClusters() {
				chosen = append(chosen, weighted(part.GetName(), part.GetWeight()))
			}
		}
		return nil
	}
	mode := simulation.CallModeOutbound
	if p.kind == "gateway" {
		mode = simulation.CallModeGateway
	}
	path, _, _ := strings.Cut(either(one.Path, "/"), "?")
	simulated, rules := p.narrowed(one)
	result := simulated.Run(simulation.Call{
		Address: one.Address, Port: one.Port, Path: path, HostHeader: one.Host, Alpn: one.ALPN, Sni: one.SNI, CallMode: mode,
		Protocol:                  simulation.Protocol(either(one.Protocol, string(simulation.HTTP))),
		TLS:                       simulation.TLSMode(either(one.TLS, string(simulation.Plaintext))),
		CustomListenerValidations: []simulation.CustomFilterChainValidation{look},
	})
	said.Listener = result.ListenerMatched
	if result.Error != nil {
		said.Error = result.Error.Error()
		return said
	}
	if met, ok := rules[result.RouteMatched]; ok {
		said.Route = met.hop
		for _, part := range met.rule.GetRoute().GetWeightedClusters().GetClusters() {
			chosen = append(chosen, weighted(part.GetName(), part.GetWeight().GetValue()))
		}
		if name := met.rule.GetRoute().GetClusterHeader(); name != "" {
			said.Error = "the header " + name + " chooses the cluster"
		}
	}
	if result.ClusterMatched != "" {
		chosen = append(chosen, weighted(result.ClusterMatched, 1))
	}
	for _, part := range chosen {
		said.Clusters = append(said.Clusters, p.destination(part.GetName(), part.GetWeight().GetValue()))
	}
	return said
}

func either(given, otherwise string) string {
	if given == "" {
		return otherwise
	}
	return given
}

// receive shows how the proxy takes each kind of connection to a port of its pod.
func (p *proxy) receive(t *failer, pod string, at target) inbound {
	said := inbound{Pod: pod, Ways: map[string]arrival{}, Chains: []chain{}}
	for name, way := range ways {
		taken := arrival{}
		way.Address, way.Port, way.CallMode, way.HostHeader = at.IP, at.Port, simulation.CallModeInbound, "host.example"
		way.CustomListenerValidations = []simulation.CustomFilterChainValidation{func(met *listener.FilterChain) error {
			taken.Chain = describeChain(t, met)
			return nil
		}}
		if result := p.simulated.Run(way); result.Error != nil {
			taken.Error = result.Error.Error()
		}
		said.Ways[name] = taken
	}
	for _, one := range p.simulated.Listeners {
		if one.Name != model.VirtualInboundListenerName {
			continue
		}
		for _, met := range one.FilterChains {
			if int(met.GetFilterChainMatch().GetDestinationPort().GetValue()) == at.Port {
				said.Chains = append(said.Chains, *describeChain(t, met))
			}
		}
	}
	return said
}

func describeChain(t *failer, met *listener.FilterChain) *chain {
	said := &chain{
		Name: met.Name, Transport: met.GetFilterChainMatch().GetTransportProtocol(), ALPN: met.GetFilterChainMatch().GetApplicationProtocols(),
		TLS: met.TransportSocket != nil, Filters: []string{},
	}
	for _, filter := range met.Filters {
		said.Filters = append(said.Filters, filter.Name)
		said.guard(t, filter.Name, filter.GetTypedConfig())
	}
	if manager := xdstest.ExtractHTTPConnectionManager(t, met); manager != nil {
		said.HTTP = true
		for _, filter := range manager.HttpFilters {
			said.HTTPFilters = append(said.HTTPFilters, filter.Name)
			said.guard(t, filter.Name, filter.GetTypedConfig())
		}
	}
	return said
}

// guard notes a filter that may turn requests away, with its settings.
func (c *chain) guard(t *failer, name string, settings *anypb.Any) {
	switch name[strings.LastIndex(name, ".")+1:] {
	case "rbac", "jwt_authn", "ext_authz":
	default:
		return
	}
	message, err := settings.UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	c.Guards = append(c.Guards, guard{name, text})
}

// dump is the proxy's configuration in the form that a proxy's own dump has.
func (p *proxy) dump(t *failer) json.RawMessage {
	options := protojson.MarshalOptions{UseProtoNames: true}
	section := func(outer, inner string, messages []proto.Message) string {
		items := []string{}
		for _, message := range messages {
			text, err := options.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, fmt.Sprintf("{%q: %s}", inner, text))
		}
		return fmt.Sprintf("{%q: [%s]}", outer, strings.Join(items, ","))
	}
	var listeners, clusters, routes, endpoints []proto.Message
	for _, one := range p.simulated.Listeners {
		listeners = append(listeners, one)
	}
	for _, one := range p.simulated.Clusters {
		clusters = append(clusters, one)
	}
	for _, one := range p.simulated.Routes {
		routes = append(routes, one)
	}
	for _, one := range p.endpoints {
		endpoints = append(endpoints, one)
	}
	return json.RawMessage(fmt.Sprintf(`{"configs": [%s,%s,%s,%s]}`,
		section("static_listeners", "listener", listeners), section("static_clusters", "cluster", clusters),
		section("static_route_configs", "route_config", routes), section("static_endpoint_configs", "endpoint_config", endpoints)))
}
