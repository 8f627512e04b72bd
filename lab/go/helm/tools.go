//go:build tools

// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

// Package tools names the command that is built from this module.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
