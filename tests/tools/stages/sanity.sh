#!/usr/bin/env bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All of ansible-test's sanity tests, with no ignore file.
set -euo pipefail
. "$(dirname "$0")/../checks.sh"
needs_tools
exec python -m tests.tools.sanity "$@"
