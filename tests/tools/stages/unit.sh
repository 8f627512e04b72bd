#!/usr/bin/env bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The tests that need no cluster: the collection's own, and the lab's. Measures how much of module_utils they reach.
set -uo pipefail
. "$(dirname "$0")/../checks.sh"
needs_tools
folders=(tests/unit)
if [ -d lab/tests ]; then folders+=(lab/tests); else echo "  note: lab/tests is not there"; fi
coverage=()
if [ -d plugins/module_utils ]; then
    coverage=(--cov --cov-config=pyproject.toml --cov-report=term)
else
    echo "  note: plugins/module_utils is not there, so there is no coverage to measure"
fi
python -m pytest -q "${coverage[@]}" "${folders[@]}" "$@" </dev/null 2>&1 | tee "$checks_log"
status=${PIPESTATUS[0]}
# The last line that counts: '3 failed, 120 passed, 1 skipped in 4.21s'.
count() { grep -E ' in [0-9.]+s' "$checks_log" | tail -n 1 | grep -oE "[0-9]+ $1" | grep -oE '[0-9]+' || echo 0; }
checks_passed=$(count passed)
checks_failed=$(($(count failed) + $(count errors?)))
# No test at all, or a crash of pytest itself, is a failure as well.
if [ "$status" -ne 0 ] && [ "$checks_failed" -eq 0 ]; then checks_failed=1; fi
checks_end unit
