// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

// The kinds of GKE's Ingress controller, printed as CustomResourceDefinitions.
//
// The controller makes them itself when it starts, from the OpenAPI definitions of its types, and has no file of them. Here they
// are made from the same definitions in the same way: what a definition refers to is put in its place, and metadata is left to
// the API server.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	backendconfig "k8s.io/ingress-gce/pkg/apis/backendconfig/v1"
	frontendconfig "k8s.io/ingress-gce/pkg/apis/frontendconfig/v1beta1"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

const types = "k8s.io/ingress-gce/pkg/apis/"

type object = map[string]any

type kind struct {
	group, version, name, plural, source string
	definitions                          common.GetOpenAPIDefinitions
}

var kinds = []kind{
	{
		backendconfig.SchemeGroupVersion.Group, backendconfig.SchemeGroupVersion.Version, "BackendConfig", "backendconfigs",
		types + "backendconfig/v1.BackendConfig", backendconfig.GetOpenAPIDefinitions,
	},
	{
		frontendconfig.SchemeGroupVersion.Group, frontendconfig.SchemeGroupVersion.Version, "FrontendConfig", "frontendconfigs",
		types + "frontendconfig/v1beta1.FrontendConfig", frontendconfig.GetOpenAPIDefinitions,
	},
}

// whole is a schema with everything that it refers to in its place.
func whole(schema spec.Schema, known map[string]common.OpenAPIDefinition) spec.Schema {
	if name := schema.Ref.String(); name != "" {
		found := known[name].Schema
		if len(found.Type) == 0 {
			// Another module's type, which the controller takes for any object too.
			found.Type = spec.StringOrArray{"object"}
		}
		return whole(found, known)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		item := whole(*schema.Items.Schema, known)
		schema.Items = &spec.SchemaOrArray{Schema: &item}
	}
	made := map[string]spec.Schema{}
	for name, property := range schema.Properties {
		if name != "metadata" {
			made[name] = whole(property, known)
		}
	}
	schema.Properties = made
	return schema
}

func definition(it kind) object {
	known := it.definitions(spec.MustCreateRef)
	schema := whole(known[it.source].Schema, known)
	version := object{"name": it.version, "served": true, "storage": true, "schema": object{"openAPIV3Schema": schema}}
	return object{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   object{"name": it.plural + "." + it.group},
		"spec": object{
			"group": it.group, "scope": "Namespaced", "versions": []object{version},
			"names": object{"kind": it.name, "listKind": it.name + "List", "plural": it.plural},
		},
	}
}

func main() {
	for _, it := range kinds {
		text, err := json.Marshal(definition(it))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("---\n%s\n", text)
	}
}
