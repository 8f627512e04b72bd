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
show bash tests/scenarios.sh "$@"
status=$?
closing=$(shown '[0-9]+ passed, [0-9]+ failed' | tail -n 1)
if [ -z "$closing" ]; then echo "  tests/scenarios.sh did not say how many scenarios passed" >&2; fi
read -r passed _ failed _ <<<"${closing:-0 passed, 0 failed}"
checks_count "$passed" "$failed" "$status"
checks_end molecule
