// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/kube"
	"istio.io/istio/pkg/kube/krt"
)

// world is a cluster as the control plane gets it.
type world struct {
	kubernetes []runtime.Object
	istio      []config.Config
	pods       map[string]*corev1.Pod // by address
	ignored    []string
}

// read sorts objects into those of Kubernetes and those of Istio, which are validated as istiod's webhook does it.
func read(t *failer, asked question) world {
	found := world{pods: map[string]*corev1.Pod{}}
	decode := kube.IstioCodec.UniversalDeserializer().Decode
	for number, raw := range asked.Objects {
		name := describe(raw)
		ofGateways := strings.HasPrefix(header(raw).APIVersion, "gateway.networking.k8s.io/")
		configs, others, err := crd.ParseInputs(string(raw))
		if err != nil {
			t.Fatalf("object %d (%s): %v", number, name, err)
		}
		for _, one := range configs {
			if ofGateways {
				continue
			}
			if one.CreationTimestamp.IsZero() {
				one.CreationTimestamp = time.Now()
			}
			found.istio = append(found.istio, one)
		}
		// Ambient mode and the Gateway API are read from the cluster's own store.
		if len(others) == 0 && !asked.Ambient && !ofGateways {
			continue
		}
		object, _, err := decode(raw, nil, nil)
		if err != nil && runtime.IsNotRegisteredError(err) {
			found.ignored = append(found.ignored, name)
			continue
		}
		if err != nil {
			t.Fatalf("object %d (%s): %v", number, name, err)
		}
		found.kubernetes = append(found.kubernetes, object)
		if pod, ok := object.(*corev1.Pod); ok {
			for _, address := range pod.Status.PodIPs {
				found.pods[address.IP] = pod
			}
			if pod.Status.PodIP != "" {
				found.pods[pod.Status.PodIP] = pod
			}
		}
	}
	return found
}

// heading is what names an object.
type heading struct {
	APIVersion string                           `json:"apiVersion"`
	Kind       string                           `json:"kind"`
	Metadata   struct{ Namespace, Name string } `json:"metadata"`
}

func header(raw json.RawMessage) heading {
	found := heading{}
	_ = json.Unmarshal(raw, &found)
	return found
}

func describe(raw json.RawMessage) string {
	found := header(raw)
	return fmt.Sprintf("%s %s/%s", found.Kind, found.Metadata.Namespace, found.Metadata.Name)
}

// meshText is the mesh settings as YAML.
func meshText(given json.RawMessage) string {
	text := ""
	if json.Unmarshal(given, &text) == nil {
		return text
	}
	return string(given)
}

// reply starts a control plane for one case and follows its calls.
func reply(t *failer, asked question) answer {
	settings := mesh.DefaultMeshConfig()
	if text := meshText(asked.Mesh); text != "" && text != "null" {
		var err error
		if settings, err = mesh.ApplyMeshConfig(text, settings); err != nil {
			t.Fatalf("mesh settings: %v", err)
		}
	}
	found := read(t, asked)
	// The last two follow the first one only when the program starts.
	features.EnableAmbient, features.EnableHBONESend, features.EnableSidecarHBONEListening = asked.Ambient, asked.Ambient, asked.Ambient
	// Every collection of every control plane would stay in this one for ever.
	krt.GlobalDebugHandler = new(krt.DebugHandler)
	control := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{KubernetesObjects: found.kubernetes, Configs: found.istio, MeshConfig: settings})
	said := answer{Ignored: found.ignored, Inbound: map[string]inbound{}}
	proxies := map[string]*proxy{}
	of := func(known workload) *proxy {
		if proxies[known.id()] == nil {
			proxies[known.id()] = newProxy(t, control, known)
		}
		return proxies[known.id()]
	}
	targets := asked.Inbound
	for _, one := range asked.Calls {
		from := asked.Client
		if one.From != nil {
			from = *one.From
		}
		result := of(from).follow(t, one)
		said.Calls = append(said.Calls, result)
		targets = append(targets, target{one.Address, one.Port})
		for _, cluster := range result.Clusters {
			for _, endpoint := range cluster.Endpoints {
				targets = append(targets, target{endpoint.Address, int(endpoint.Port)})
			}
		}
	}
	for _, one := range targets {
		key := net.JoinHostPort(one.IP, strconv.Itoa(one.Port))
		pod := found.pods[one.IP]
		if _, done := said.Inbound[key]; done || pod == nil {
			continue
		}
		said.Inbound[key] = of(workloadOf(pod, one.IP)).receive(t, pod.Namespace+"/"+pod.Name, one)
	}
	if asked.Dump {
		said.Dumps = map[string]json.RawMessage{}
		for id, one := range proxies {
			said.Dumps[id] = one.dump(t)
		}
	}
	return said
}

func workloadOf(pod *corev1.Pod, ip string) workload {
	return workload{Namespace: pod.Namespace, Name: pod.Name, IP: ip, Labels: pod.Labels, ServiceAccount: pod.Spec.ServiceAccountName}
}
