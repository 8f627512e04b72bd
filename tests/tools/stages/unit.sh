#!/usr/bin/env bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The tests that need no cluster: the collection's own, and the lab's. Measures how much of module_utils they reach.
set -uo pipefail
. "$(dirname "$0")/../checks.sh"
needs_tools
folders=(tests/unit tests/cases tests/security)
if [ -d lab/tests ]; then folders+=(lab/tests); else echo "  note: lab/tests is not there"; fi
# Vendors' schemas, for the tests that validate by them; got once, and kept with what the lab builds.
python lab/lab kinds --keep-caches >/dev/null || echo "  note: not all of the vendors' schemas could be had, so some tests are skipped"
coverage=()
if [ -d plugins/module_utils ]; then
    coverage=(--cov --cov-config=pyproject.toml --cov-report=term)
else
    echo "  note: plugins/module_utils is not there, so there is no coverage to measure"
fi
show python -m pytest -q "${coverage[@]}" "${folders[@]}" "$@"
status=$?
# The last line that counts: '3 failed, 120 passed, 1 skipped in 4.21s'.
closing=$(shown '.*[0-9]+ (passed|failed|error|skipped).* in [0-9.]+s.*' | tail -n 1)
count() { grep -oE "[0-9]+ $1" <<<"$closing" | grep -oE '[0-9]+' || echo 0; }
checks_count "$(count passed)" "$(($(count failed) + $(count 'errors?')))" "$status"
checks_end unit
