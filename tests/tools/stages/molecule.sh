#!/usr/bin/env bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The scenarios on a real cluster. tests/scenarios.sh runs them and closes with 'N passed, N failed'.
set -uo pipefail
. "$(dirname "$0")/../checks.sh"
needs_tools
if [ ! -f tests/scenarios.sh ]; then
    echo "  FAILED  tests/scenarios.sh is missing: no scenario was run" >&2
    echo "molecule: 0 passed, 1 failed"
    exit 1
fi
ANSIBLE_COLLECTIONS_PATH=$(python tests/tools/stage_collection.py link)
export ANSIBLE_COLLECTIONS_PATH
bash tests/scenarios.sh "$@" </dev/null 2>&1 | tee "$checks_log"
status=${PIPESTATUS[0]}
closing=$(grep -oE '[0-9]+ passed, [0-9]+ failed' "$checks_log" | tail -n 1)
checks_passed=$(echo "${closing:-0 passed}" | grep -oE '^[0-9]+')
checks_failed=$(echo "${closing:-0 failed}" | grep -oE '[0-9]+ failed' | grep -oE '[0-9]+')
if [ "$status" -ne 0 ] && [ "$checks_failed" -eq 0 ]; then checks_failed=1; fi
if [ -z "$closing" ]; then echo "  tests/scenarios.sh did not say how many scenarios passed" >&2; fi
checks_end molecule
