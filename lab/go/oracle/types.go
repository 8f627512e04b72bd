// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import "encoding/json"

// question is a case: a cluster as objects, and calls in it.
type question struct {
	ID      string            `json:"id"`
	Objects []json.RawMessage `json:"objects"`
	Mesh    json.RawMessage   `json:"mesh"`    // mesh settings, as an object or as YAML in a string
	Ambient bool              `json:"ambient"` // whether the control plane knows ambient mode
	Client  workload          `json:"client"`
	Calls   []call            `json:"calls"`
	Inbound []target          `json:"inbound"` // pods to look at besides the endpoints that the calls reach
	Dump    bool              `json:"dump"`    // whether to answer with the proxies' whole configuration, too
}

// workload is a proxy to ask about.
type workload struct {
	Namespace      string            `json:"namespace"`
	Name           string            `json:"name"`
	IP             string            `json:"ip"`
	Labels         map[string]string `json:"labels"`
	ServiceAccount string            `json:"service_account"`
	Kind           string            `json:"kind"` // sidecar (default) or gateway
}

func (w workload) id() string { return w.Name + "." + w.Namespace }

// call is a request that a client sends.
type call struct {
	Name     string            `json:"name"`
	From     *workload         `json:"from"` // who sends it; the case's client by default
	Address  string            `json:"address"`
	Port     int               `json:"port"`
	Host     string            `json:"host"`
	Method   string            `json:"method"`   // GET by default
	Path     string            `json:"path"`     // with its query; / by default
	Headers  map[string]string `json:"headers"`  // names in lower case
	Protocol string            `json:"protocol"` // http (default), http2, tcp
	TLS      string            `json:"tls"`      // plaintext (default), tls, mtls
	ALPN     string            `json:"alpn"`
	SNI      string            `json:"sni"`
}

// target is a port of a pod.
type target struct {
	IP   string `json:"ip"`
	Port int    `json:"port"`
}

type answer struct {
	ID      string                     `json:"id"`
	Istio   string                     `json:"istio"`
	Error   string                     `json:"error,omitempty"`
	Ignored []string                   `json:"ignored,omitempty"` // objects of kinds that the control plane does not read
	Calls   []outcome                  `json:"calls,omitempty"`
	Inbound map[string]inbound         `json:"inbound,omitempty"` // by IP:PORT
	Dumps   map[string]json.RawMessage `json:"dumps,omitempty"`   // by NAME.NAMESPACE
}

// outcome is what the client's proxy does with a call.
type outcome struct {
	Name     string        `json:"name"`
	Error    string        `json:"error,omitempty"` // why the proxy ends it
	Listener string        `json:"listener"`
	Chain    *chain        `json:"chain,omitempty"`
	Route    *hop          `json:"route,omitempty"`
	Clusters []destination `json:"clusters"`
}

// chain is a filter chain.
type chain struct {
	Name        string   `json:"name"`
	Transport   string   `json:"transport,omitempty"` // tls or raw_buffer, where it matches on that
	ALPN        []string `json:"alpn,omitempty"`      // where it matches on that
	TLS         bool     `json:"tls"`                 // whether it ends TLS
	HTTP        bool     `json:"http"`                // whether it reads requests
	Filters     []string `json:"filters"`
	HTTPFilters []string `json:"http_filters,omitempty"`
	Guards      []guard  `json:"guards,omitempty"` // of these, what may turn requests away, in order
}

// guard is a filter with its settings.
type guard struct {
	Name     string          `json:"name"`
	Settings json.RawMessage `json:"settings"`
}

// hop is the route that a request met.
type hop struct {
	Config string `json:"config"`
	Host   string `json:"virtual_host"`
	Name   string `json:"name"`
	Match  string `json:"match"`
	Action string `json:"action"` // route, redirect, direct_response, other
	Others int    `json:"others"` // rules of this virtual host that this request does not meet
}

type destination struct {
	Name      string        `json:"name"`
	Weight    uint32        `json:"weight"` // 1 where it is the only one
	Found     bool          `json:"found"`
	Type      string        `json:"type"`
	HTTP      string        `json:"http"` // http1, http2 or downstream
	Socket    socket        `json:"socket"`
	Matches   []socketMatch `json:"matches,omitempty"` // the first one whose keys an endpoint has goes before Socket
	Endpoints []member      `json:"endpoints,omitempty"`
}

type socket struct {
	TLS  bool     `json:"tls"`
	SNI  string   `json:"sni,omitempty"`
	SANs []string `json:"sans,omitempty"`
	ALPN []string `json:"alpn,omitempty"`
	// Mesh says whether it shows the workload's certificate.
	Mesh bool `json:"mesh"`
}

type socketMatch struct {
	Keys   map[string]string `json:"keys"`
	Socket socket            `json:"socket"`
}

type member struct {
	Address string            `json:"address"`
	Port    uint32            `json:"port"`
	Tunnel  string            `json:"tunnel,omitempty"` // internal listener, in ambient mode
	Health  string            `json:"health"`
	Weight  uint32            `json:"weight"`
	Labels  map[string]string `json:"labels,omitempty"` // what socket matches look at
}

// inbound is how the sidecar of a pod would take connections to a port.
type inbound struct {
	Pod    string             `json:"pod"` // NAMESPACE/NAME
	Ways   map[string]arrival `json:"ways"`
	Chains []chain            `json:"chains"`
}

// arrival is how one kind of connection is taken.
type arrival struct {
	Error string `json:"error,omitempty"`
	Chain *chain `json:"chain,omitempty"`
}
