//go:build tools

// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

// Package tools names what is taken from this module: only its kinds.
package tools

import _ "sigs.k8s.io/gateway-api/pkg/consts"
