#!/usr/bin/env bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the other stages need.
set -uo pipefail
. "$(dirname "$0")/../checks.sh"
check "tools" .ci/deps
checks_end deps
