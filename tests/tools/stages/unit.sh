#!/usr/bin/env bash
# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The tests that need no cluster: the collection's own, and the lab's. Measures how much of module_utils they reach.
set -uo pipefail
. "$(dirname "$0")/../checks.sh"
needs_tools
folders=(tests/unit tests/cases)
if [ -d lab/tests ]; then folders+=(lab/tests); else echo "  note: lab/tests is not there"; fi
# Vendors' schemas, for the tests that validate by them; got once, and kept with what the lab builds.
python lab/lab kinds --keep-caches >/dev/null || echo "  note: not all of the vendors' schemas could be had, so some tests are skipped"
# Two processes, one to a core: the security checks, whose playbooks take most of their time, beside all the rest.
apart=(tests/security)
coverage=()
if [ -d plugins/module_utils ]; then
    coverage=(--cov --cov-config=pyproject.toml --cov-report=)
else
    echo "  note: plugins/module_utils is not there, so there is no coverage to measure"
fi
rm -f .cache/coverage .cache/coverage.*
mkdir -p .cache
half() {
    local data=$1
    shift
    COVERAGE_FILE=.cache/coverage.$data python -m pytest -q -o "cache_dir=.cache/pytest-$data" "${coverage[@]}" "$@"
}
# The last line that counts: '3 failed, 120 passed, 1 skipped in 4.21s'.
count_half() {
    local status=$1 closing=$2
    count() { grep -oE "[0-9]+ $1" <<<"$closing" | grep -oE '[0-9]+' || echo 0; }
    checks_count "$(count passed)" "$(($(count failed) + $(count 'errors?')))" "$status"
}
closing='.*[0-9]+ (passed|failed|error|skipped).* in [0-9.]+s.*'
beside=.cache/unit-apart.log
half apart "${apart[@]}" "$@" >"$beside" 2>&1 </dev/null &
process=$!
trap 'kill "$process" 2>/dev/null; exit 130' INT TERM
show half rest "${folders[@]}" "$@"
status=$?
count_half "$status" "$(shown "$closing" | tail -n 1)"
wait "$process"
status=$?
cat "$beside"
count_half "$status" "$(grep -oE "$closing" "$beside" | tail -n 1)"
if [ ${#coverage[@]} -gt 0 ]; then
    coverage combine --quiet .cache/coverage.apart .cache/coverage.rest && coverage report | tail -n 200
fi
checks_end unit
