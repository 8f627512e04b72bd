// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

// Command istio holds istiod's and the sidecar's programs and istioctl in one binary; the name it is called by picks one.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/istioctl/cmd"
	agent "istio.io/istio/pilot/cmd/pilot-agent/app"
	discovery "istio.io/istio/pilot/cmd/pilot-discovery/app"
	istioagent "istio.io/istio/pkg/istio-agent"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/security"
	"istio.io/istio/security/pkg/nodeagent/sds"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
)

func newSecretServer(options *security.Options, secrets security.SecretManager, keys *meshconfig.PrivateKeyProvider) istioagent.SDSService {
	return sds.NewServer(options, secrets, keys)
}

func command(name string) (*cobra.Command, error) {
	switch name {
	case "pilot-discovery":
		return discovery.NewRootCommand(), nil
	case "pilot-agent":
		return agent.NewRootCommand(newSecretServer), nil
	case "istioctl":
		if err := cmd.ConfigAndEnvProcessing(); err != nil {
			return nil, err
		}
		return cmd.GetRootCmd(os.Args[1:]), nil
	}
	return nil, fmt.Errorf("no program is called %q here", name)
}

func main() {
	log.EnableKlogWithCobra()
	root, err := command(filepath.Base(os.Args[0]))
	if err != nil {
		fmt.Fprintln(os.Stderr, "istio:", err)
		os.Exit(2)
	}
	if err := root.Execute(); err != nil {
		log.Error(err)
		os.Exit(1)
	}
}
