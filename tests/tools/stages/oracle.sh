#!/usr/bin/env bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Random meshes, compared with Istio's own code. Where that is not built yet, it is built first: three quarters of what it is compiled from
# are also in the lab's Istio, so what the compiler keeps here makes the stage after this one faster.
set -uo pipefail
. "$(dirname "$0")/../checks.sh"
needs_tools
if ! python lab/lab oracle --keep-caches; then
    echo "  FAILED  Istio's own code could not be built, so no mesh was compared" >&2
    echo "oracle: 0 passed, 1 failed"
    exit 1
fi
show python -m tests.oracle --no-ledger --allowed tests/oracle/known_disagreements.txt "$@"
status=$?
read -r passed _ failed _ <<<"$(shown '[0-9]+ passed, [0-9]+ failed' | tail -n 1)"
checks_count "$passed" "$failed" "$status"
checks_end oracle
