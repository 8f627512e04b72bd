// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

// Command echo answers every HTTP request with a JSON description of what reached it: the Host, the caller's mesh
// identity, the forwarding headers and the pod that answered. Arguments are the ports to listen on.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
)

var uri = regexp.MustCompile("(?:^|[;,])URI=(spiffe://[^;,]*)")

type answer struct {
	App      string            `json:"app"`
	Pod      string            `json:"pod"`
	Port     string            `json:"port"`
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Query    string            `json:"query"`
	Host     string            `json:"host"`
	Identity string            `json:"identity"`
	XFCC     string            `json:"xfcc"`
	XFF      string            `json:"xff"`
	XFHost   string            `json:"xfhost"`
	XFProto  string            `json:"xfproto"`
	Remote   string            `json:"remote"`
	Headers  map[string]string `json:"headers"`
}

// identity is the SPIFFE id of the nearest caller, or empty when no certificate was shown.
func identity(xfcc string) string {
	found := uri.FindAllStringSubmatch(xfcc, -1)
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1][1]
}

func describe(r *http.Request) answer {
	headers := map[string]string{}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	port := ""
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, port, _ = net.SplitHostPort(local.String())
	}
	return answer{
		App: os.Getenv("APP"), Pod: os.Getenv("POD"), Port: port,
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Host: r.Host,
		Identity: identity(headers["x-forwarded-client-cert"]), XFCC: headers["x-forwarded-client-cert"],
		XFF: headers["x-forwarded-for"], XFHost: headers["x-forwarded-host"], XFProto: headers["x-forwarded-proto"],
		Remote: r.RemoteAddr, Headers: headers,
	}
}

// status is the code asked for by a path like /status/503, else 200.
func status(path string) int {
	if rest, found := strings.CutPrefix(path, "/status/"); found {
		if code, err := strconv.Atoi(rest); err == nil && code >= 200 && code <= 599 {
			return code
		}
	}
	return http.StatusOK
}

func reply(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(describe(r))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status(r.URL.Path))
	fmt.Fprintf(w, "%s\n", body)
}

func main() {
	ports := os.Args[1:]
	if len(ports) == 0 {
		ports = []string{"8080"}
	}
	failed := make(chan error)
	for _, port := range ports {
		go func() { failed <- http.ListenAndServe(":"+port, http.HandlerFunc(reply)) }()
	}
	log.Fatal(<-failed)
}
