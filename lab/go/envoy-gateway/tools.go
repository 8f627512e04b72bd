//go:build tools

// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

// Package tools names the commands that are built from this module.
package tools

import _ "github.com/envoyproxy/gateway/cmd/envoy-gateway"
